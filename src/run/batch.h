// SPDX-License-Identifier: MIT
// batch.h - sessions that advance together: which tokens a step computes, and where its logits go. Public handle: tdl_batch.
//
// A step takes what each session has not computed yet, up to the batch's token budget: sessions that wait for one token
// (decoding) first, then prompts, a chunk at a time, in turn. What a session's logits are does not depend on who shares the step.
//
// Where the device picks tokens (tdl_backend.steps_max), a session whose sampler it knows gets ids instead of logits, and
// steps are begun ahead: a step computes a token that the one before it is about to pick, while the host has yet to see it.
// What was begun for a timeline that then ends or goes elsewhere is dropped, and its positions are computed anew.
#ifndef TDL_RUN_BATCH_H
#define TDL_RUN_BATCH_H

#include "model/model_impl.h"
#include "run/sampler.h"

enum { TDL_AHEAD_MAX = 4 }; // tokens picked but not taken by the session

// What the batch needs of a session; the session's struct begins with it.
typedef struct tdl_timeline {
    tdl_vec tokens;      // int32_t: every token so far
    int32_t n_computed;  // positions whose keys and values are in the cache; those of picks too
    int32_t n_submitted; // positions that are computed or under way
    int32_t n_ctx;       // tokens it may hold
    int32_t *pages;      // [n_pages] of the cache, in order of position; room for n_ctx
    int32_t n_pages;
    bool lacks_page; // the pool had none left for it when a step was last filled in
    bool has_logits; // logits are those after the last token
    float *logits;   // [n_vocab]

    // Tokens picked on the device.
    const tdl_sampler *sampler;   // how; NULL: the host samples from logits
    int32_t slot;                 // where
    int32_t picks[TDL_AHEAD_MAX]; // [n_picks] that follow the last token, not taken yet; or TDL_SAMPLE_NOT_FINITE
    int32_t n_picks;
    int32_t n_flying; // under way, that follow those
    int32_t n_wanted; // how many more the session would take now; 0: it has not asked

    // The logits that tdl_session_logits gives: after the first n_logits tokens; 0: there were none yet.
    int32_t n_logits;
    bool logits_here; // in `logits`; else the device picked from them, and they have to be computed again
} tdl_timeline;

struct tdl_batch {
    tdl_model *model;
    tdl_batch_desc desc; // defaults filled in
    int32_t n_seq_pages; // pages of one sequence at most
    tdl_kv_cache *cache;
    struct tdl_step_runner *runner, *eval_runner; // eval_runner: logits of every token; made when first asked for
    tdl_timeline **timelines;                     // [n_timelines], borrowed
    int32_t n_timelines;
    int32_t next_prompt; // whose turn a prompt chunk is
    int32_t n_steps_max; // under way at once
    bool unsettled;      // a call failed: what was under way has to end before anything begins
};

// n_ctx_max: the longest session it must hold.
tdl_status tdl_batch_make(tdl_model *model, const tdl_batch_desc *desc, int32_t n_ctx_max, tdl_batch **out,
                          tdl_error *err);
tdl_status tdl_batch_join(tdl_batch *batch, tdl_timeline *timeline, tdl_error *err);
void tdl_batch_leave(tdl_batch *batch, tdl_timeline *timeline); // may take its logits
// The timeline changes behind its first n_tokens positions: what was computed and picked for later ones is not for it any more.
void tdl_batch_forget(tdl_batch *batch, tdl_timeline *timeline, int32_t n_tokens);
// Gives back the pages past the first n_tokens positions.
void tdl_batch_trim(tdl_batch *batch, tdl_timeline *timeline, int32_t n_tokens);
// Whether it can only go on when other timelines give pages back.
bool tdl_batch_waits(const tdl_batch *batch, const tdl_timeline *timeline);
// Returns when nothing is under way any more.
tdl_status tdl_batch_wait(tdl_batch *batch, tdl_error *err);
// The logits after this position, which is computed, are not finite: returns NOT_FINITE with a message that says where that began.
// Waits, and some positions may have to be computed anew afterwards.
tdl_status tdl_batch_not_finite(tdl_batch *batch, tdl_timeline *timeline, int32_t position, tdl_error *err);
// Computes the logits after the first n_logits tokens again, into `logits`. Returns when done.
tdl_status tdl_batch_logits(tdl_batch *batch, tdl_timeline *timeline, tdl_error *err);
// Computes the tokens from n_computed on and writes the logits of each: [n, n_vocab]. Returns when done.
tdl_status tdl_batch_eval(tdl_batch *batch, tdl_timeline *timeline, float *logits, tdl_error *err);

#endif
