// SPDX-License-Identifier: MIT
// warnings.h - what is to be said of a model that opens all the same: sentences, in the order in which they came up.
//
//     tdl_error e;
//     tdl_fail(&e, TDL_ERROR_UNSUPPORTED, "config: '%s' is not read", key);    // makes it fit for a terminal
//     if (!tdl_warn(warnings, e.message)) return no_memory(err);
#ifndef TDL_MODEL_WARNINGS_H
#define TDL_MODEL_WARNINGS_H

#include "base/alloc.h"

typedef struct tdl_warnings {
    tdl_arena arena;
    tdl_vec texts; // const char *
} tdl_warnings;

void tdl_warnings_init(tdl_warnings *warnings, const tdl_allocator *mem);
void tdl_warnings_deinit(tdl_warnings *warnings);
// Of more than TDL_WARNINGS_MAX the last one says that there are more. False: no memory.
bool tdl_warn(tdl_warnings *warnings, const char *text);

#endif
