// SPDX-License-Identifier: MIT
// bench_report.h - how treadle bench prints: llama-bench's columns and fields, for the tools that read those.
#ifndef TDL_CLI_BENCH_REPORT_H
#define TDL_CLI_BENCH_REPORT_H

#include "treadle.h"

#include <jansson.h>

typedef enum bench_format { BENCH_MD = 0, BENCH_JSON, BENCH_JSONL, BENCH_CSV } bench_format;
#define BENCH_FORMAT_NAMES "md|json|jsonl|csv" // in this order

typedef struct bench_report {
    bench_format format;
    const char *model_path;
    char cpu[128]; // its name, as the system says
    json_t *rows;  // for JSON, which is printed at the end
} bench_report;

// One measured test: a prompt of n_prompt tokens, or n_gen single ones of each of n_sequences, after n_depth.
typedef struct bench_result {
    const tdl_model_info *model;
    int32_t n_prompt, n_gen, n_depth, n_sequences, n_threads, n_batch;
    int64_t started;   // seconds since 1970
    const int64_t *ns; // [n_samples]
    int32_t n_samples;
} bench_result;

void bench_report_begin(bench_report *report);
void bench_report_add(bench_report *report, const bench_result *result);
void bench_report_end(bench_report *report);

#endif
