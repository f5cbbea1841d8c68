// SPDX-License-Identifier: MIT
// trace_file.c - see trace_file.h. The format: "Trace Event Format" (Duvall, Sharif and others, 2016), complete events ("ph": "X"),
// times in microseconds. Names are the plan's own: letters, digits, dots and underscores, so nothing needs escaping.
#include "cli/trace_file.h"

#include "cli/console.h"
#include "cli/options.h"

#include <errno.h>
#include <string.h>

int cli_trace_begin(cli_trace *trace, tdl_device *device) {
    tdl_error err = {0};
    if (!trace->path) return CLI_GO;
    if (tdl_device_trace(device, true, &err)) return cli_fail(&err);
    trace->file = fopen(trace->path, "w");
    if (trace->file) return CLI_GO;
    cli_error("--trace: cannot write '%s': %s", trace->path, strerror(errno));
    return CLI_FAILURE;
}

static void write_events(FILE *file, const tdl_trace_event *events, size_t n) {
    fprintf(file, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[");
    for (size_t i = 0; i < n; i++) {
        const tdl_trace_event *e = &events[i];
        fprintf(file,
                "%s\n{\"name\":\"%s\",\"cat\":\"%s\",\"ph\":\"X\",\"pid\":0,\"tid\":%d,\"ts\":%.3f,\"dur\":%.3f,"
                "\"args\":{\"kernel\":\"%s\",\"step\":%lld,\"op\":%d}}",
                i ? "," : "", e->name, e->op, e->lane, (double)e->begin_ns / 1e3,
                (double)(e->end_ns - e->begin_ns) / 1e3, e->kernel, (long long)e->step, e->index);
    }
    fprintf(file, "\n]}\n");
}

int cli_trace_end(cli_trace *trace, tdl_device *device, int code) {
    if (!trace->file) return code;
    tdl_error err = {0};
    const tdl_trace_event *events;
    size_t n;
    tdl_status status = tdl_device_trace_events(device, &events, &n, &err);
    if (status == TDL_OK) write_events(trace->file, events, n);
    bool failed = ferror(trace->file) != 0;
    failed |= fclose(trace->file) != 0;
    trace->file = NULL;
    if (status) return cli_fail(&err);
    if (failed) cli_error("--trace: cannot write '%s'", trace->path);
    return failed ? CLI_FAILURE : code;
}
