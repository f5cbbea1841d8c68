// SPDX-License-Identifier: MIT
// not_finite.h - where a NaN or an infinite value came from: looks at the values of a step, op after op.
//
//     tdl_finite_search search = {.mem = mem, .plan = plan, .exec = exec, .masked = -1};   // the step has ended
//     while ((status = tdl_finite_search_next(&search, text, sizeof text, err)) == TDL_PENDING)
//         ... poll exec until it says OK ...
//     tdl_finite_search_end(&search);
//
// The plan keeps its values (tdl_plan_desc.keep_values), and the step has as many rows as the plan can take.
#ifndef TDL_GRAPH_NOT_FINITE_H
#define TDL_GRAPH_NOT_FINITE_H

#include "graph/exec.h"

typedef struct tdl_finite_search {
    const tdl_allocator *mem;
    const tdl_plan *plan;
    tdl_exec *exec;
    int32_t masked;    // a value in which -inf is no fault: logits; -1: none
    bool skips_states; // what ops write into states is not looked at: a KV cache is not of this step alone
    int32_t op, out;   // of the plan: whose value is looked at
    float *values;     // being read; NULL: none yet
} tdl_finite_search;

// PENDING: a value is being read; poll, then call again. OK: done, and text [text_size] (out) says which op made the first value that
// is not finite, "" where none is. Errors: MEMORY, and those of a read.
tdl_status tdl_finite_search_next(tdl_finite_search *search, char *text, size_t text_size, tdl_error *err);
// Nothing may be under way.
void tdl_finite_search_end(tdl_finite_search *search);

#endif
