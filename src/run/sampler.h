// SPDX-License-Identifier: MIT
// sampler.h - logits to the next token's id.
//
//     penalties -> top_k -> top_p -> min_p -> temperature -> one draw
//
// top_p measures probabilities at temperature 1 among what top_k left; min_p against the most probable of all. That is
// the customary order. Temperature 0 takes the largest logit after the penalties and needs no random number; any other
// takes exactly one number per token, so that a generator's state says at which token it stands. Equal logits rank by
// lower id. -inf is a token that cannot come (masked); no token comes of logits that are NaN, +inf, or all -inf.
#ifndef TDL_RUN_SAMPLER_H
#define TDL_RUN_SAMPLER_H

#include "base/rng.h"
#include "ops/sample/sample.h"
#include "treadle.h"

typedef struct tdl_sampler tdl_sampler;

// `mem` (not NULL) is borrowed until destroy; desc is copied; its size may be 0: that of the struct. Errors: ARGUMENT (a field is out of range), MEMORY.
tdl_status tdl_sampler_create(const tdl_allocator *mem, const tdl_sampler_desc *desc, int32_t n_vocab,
                              tdl_sampler **out, tdl_error *err);
void tdl_sampler_destroy(tdl_sampler *sampler);

// The next token. `history` is the timeline so far, oldest first, ids within the vocabulary: the penalties look at its
// end. TDL_SAMPLE_NOT_FINITE where the logits are not; no random number is taken then. Allocates nothing.
int32_t tdl_sampler_sample(tdl_sampler *sampler, const float *logits /* [n_vocab] */, const int32_t *history,
                           size_t n_history);

// Whether logits [n] are such that a token can come of them: none is NaN or +inf, one is finite. *max (out, may be NULL): the
// largest then.
bool tdl_logits_finite(const float *logits, int64_t n, float *max);

// Whether op sample draws what tdl_sampler_sample would: greedy, or at most TDL_SAMPLE_K_MAX candidates; no penalties.
bool tdl_sampler_fits_device(const tdl_sampler *sampler);
// A row of its `picks`, but for the slot: of the draw that comes after n_ahead others. Changes nothing.
void tdl_sampler_settings(const tdl_sampler *sampler, int32_t n_ahead, uint32_t words[TDL_SAMPLE_WORDS]);
// Takes the random number of a token that the device drew.
void tdl_sampler_skip(tdl_sampler *sampler);

// The generator's state, so that a rewind to an earlier token repeats the draws that followed it.
tdl_rng tdl_sampler_rng(const tdl_sampler *sampler);
void tdl_sampler_set_rng(tdl_sampler *sampler, tdl_rng rng);

#endif
