// SPDX-License-Identifier: MIT
// step_runner.h - a plan of fixed maximum size with its program, the step's inputs being filled in, and the steps under way.
//
//     tdl_step_runner_clear(r);
//     tdl_step_runner_add(r, timeline, first, n_tokens, false);     // once or more
//     tdl_step_runner_begin(r, NULL, err);                          // one more is under way
//     while ((status = tdl_step_runner_poll(r, err)) == TDL_PENDING) ...;
//     ... tdl_step_runner_flight(r, 0)->parts ...
//     tdl_step_runner_end(r);                                       // one less
//
// Where a plan for few tokens has fewer ops (graph/fuse_linear.c), there is one of those too, for the steps that fit it:
// over the same weights and cache, so that nothing else can tell.
#ifndef TDL_RUN_STEP_RUNNER_H
#define TDL_RUN_STEP_RUNNER_H

#include "run/batch.h"

// The part of a timeline that a step computes.
typedef struct tdl_step_part {
    tdl_timeline *timeline;  // NULL: it has left
    int32_t first, n_tokens; // positions; n_tokens -1: not wanted any more
    int32_t output;          // the step's output row after its last token; -1: none
    bool pick;               // of that row the device picks a token; else the logits are read
    float *orphan;           // owned: where they are read to, after the timeline has left
} tdl_step_part;

// A step, being filled in or under way.
typedef struct tdl_step_flight {
    tdl_exec *exec;
    uint64_t step;        // its number, of the exec's
    tdl_step_part *parts; // [n_parts], room for limits.n_seqs
    int32_t n_parts;
    bool reads_logits, picks;
    int32_t *picked; // [limits.n_slots] the slots as the step left them
} tdl_step_flight;

typedef struct tdl_step_runner {
    tdl_model *model;
    tdl_model_limits limits;
    tdl_plan *plan, *few_plan; // few_plan, few_exec: NULL where there is no gain
    tdl_exec *exec, *few_exec;
    tdl_buffer *picked;                         // [limits.n_slots] I32; NULL: no slots
    int32_t *inputs[TDL_STEP_INPUT_COUNT];      // room for the maximum
    tdl_step_counts counts;                     // of the step being filled in
    tdl_step_flight flights[TDL_AHEAD_MAX + 1]; // a ring: those under way, then the one being filled in
    int32_t oldest, n_flights;                  // under way
} tdl_step_runner;

tdl_status tdl_step_runner_create(tdl_model *model, const tdl_model_limits *limits, const tdl_kv_cache *cache,
                                  tdl_step_runner **out, tdl_error *err);
void tdl_step_runner_destroy(tdl_step_runner *runner);
// The one that is under way as number i, from the oldest; i n_flights: the one being filled in.
static inline tdl_step_flight *tdl_step_runner_flight(tdl_step_runner *r, int32_t i) {
    return &r->flights[(r->oldest + i) % (TDL_AHEAD_MAX + 1)];
}
void tdl_step_runner_clear(tdl_step_runner *runner);
// Adds positions [first, first + n_tokens) of a timeline, whose pages are there. all_outputs: logits of every token, else of the
// timeline's last token where it is among them, or a pick, where the timeline has a sampler for that.
void tdl_step_runner_add(tdl_step_runner *runner, tdl_timeline *timeline, int32_t first, int32_t n_tokens,
                         bool all_outputs);
// Submits the step, and asks for picks, and for the logits of parts that want them; all_logits [counts, n_vocab] (out): those of
// every output instead. On an error it is not under way.
tdl_status tdl_step_runner_begin(tdl_step_runner *runner, float *all_logits, tdl_error *err);
// For the oldest step: OK when it has ended, and what it was asked for is there.
tdl_status tdl_step_runner_poll(tdl_step_runner *runner, tdl_error *err);
void tdl_step_runner_end(tdl_step_runner *runner);

#endif
