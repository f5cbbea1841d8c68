// step_runner.h - a plan of fixed maximum size with its program, and the step's inputs being filled in.
//
// Where a plan for few tokens has fewer ops (graph/fuse_linear.c), there is one of those too, for the steps that fit it:
// over the same weights and cache, so that nothing else can tell.
#ifndef TDL_RUN_STEP_RUNNER_H
#define TDL_RUN_STEP_RUNNER_H

#include "run/batch.h"

// The part of a timeline that a step computes.
typedef struct tdl_step_part {
    tdl_timeline *timeline;
    int32_t n_tokens; // from n_computed on
    int32_t output;   // the step's output row with its last logits; -1: none
    float *orphan;    // owned: where they are read to, after the timeline is gone (timeline is NULL then)
} tdl_step_part;

typedef struct tdl_step_runner {
    tdl_model *model;
    tdl_model_limits limits;
    tdl_plan *plan, *few_plan; // few_plan, few_exec: NULL where there is no gain
    tdl_exec *exec, *few_exec;
    tdl_exec *current;                     // the last step's
    int32_t *inputs[TDL_STEP_INPUT_COUNT]; // room for the maximum
    tdl_step_counts counts;
    tdl_step_part *parts; // [counts.n[TDL_ROWS_SEQS]]
} tdl_step_runner;

tdl_status tdl_step_runner_create(tdl_model *model, const tdl_model_limits *limits, const tdl_kv_cache *cache,
                                  tdl_step_runner **out, tdl_error *err);
void tdl_step_runner_destroy(tdl_step_runner *runner);
void tdl_step_runner_clear(tdl_step_runner *runner);
// Adds the next n_tokens of a timeline, whose pages are there. all_outputs: logits of every token, else of the timeline's last
// token where it is among them.
void tdl_step_runner_add(tdl_step_runner *runner, tdl_timeline *timeline, int32_t n_tokens, bool all_outputs);
tdl_status tdl_step_runner_submit(tdl_step_runner *runner, tdl_error *err);
tdl_status tdl_step_runner_poll(tdl_step_runner *runner, tdl_error *err); // as tdl_exec_poll, of the last step
// Output rows [first, first + count) as F32: logits [count, n_vocab] (out), there when the step has ended.
tdl_status tdl_step_runner_logits(tdl_step_runner *runner, int32_t first, int32_t count, float *logits, tdl_error *err);

#endif
