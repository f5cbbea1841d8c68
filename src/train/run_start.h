// SPDX-License-Identifier: MIT
// run_start.h - a run that does not start leaves its directory as it found it.
//
//     tdl_run_start *start = NULL;
//     status = tdl_run_start_note(mem, "runs/7", &start, err);   // before anything is made there
//     ...
//     tdl_run_start_end(start, status == TDL_OK, locked);        // false: removes what was made since
#ifndef TDL_TRAIN_RUN_START_H
#define TDL_TRAIN_RUN_START_H

#include "base/alloc.h"

typedef struct tdl_run_start tdl_run_start;

// Notes which of the directories above and of a run's files in it are there. Errors: MEMORY.
tdl_status tdl_run_start_note(const tdl_allocator *mem, const char *dir, tdl_run_start **out, tdl_error *err);
// Frees the notes; accepts NULL. Where the run did not start: removes files that a run makes, if they were not there before,
// and then the directories that were not, unless there is something else in them. The run's lock must still be held, or
// never have been: then nothing is removed but empty directories.
void tdl_run_start_end(tdl_run_start *start, bool started, bool locked);

#endif
