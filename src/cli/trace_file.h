// SPDX-License-Identifier: MIT
// trace_file.h - --trace FILE: a device's timeline, op by op, as Chrome's trace JSON (chrome://tracing, Perfetto).
#ifndef TDL_CLI_TRACE_FILE_H
#define TDL_CLI_TRACE_FILE_H

#include "treadle.h"

#include <stdio.h>

typedef struct cli_trace {
    const char *path; // NULL: no trace is wanted, and none of the functions does anything
    FILE *file;
} cli_trace;

// Opens the file and switches the device's trace on. CLI_GO or an exit code.
int cli_trace_begin(cli_trace *trace, tdl_device *device);
// Writes what was noted. `code`, or CLI_FAILURE where that fails.
int cli_trace_end(cli_trace *trace, tdl_device *device, int code);

#endif
