// SPDX-License-Identifier: MIT
// bench_report.c - see bench_report.h.
//
// Rates are tokens per second of each sample; averages and deviations (of a sample: n - 1) are over those.
#include "cli/bench_report.h"

#include "cli/console.h"
#include "cli/json_out.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct statistics {
    double average, deviation;
} statistics;

static statistics statistics_of(const bench_result *result, bool rates);
static double sample(const bench_result *result, int32_t i, bool rate);
static const char *backend_of(const tdl_model_info *model) {
    return strncmp(model->device, "webgpu", 6) == 0 ? "WebGPU" : "CPU";
}

static void print_md(const bench_result *result);
static void describe_count(double n, char *text, size_t size);
static json_t *make_json(const bench_report *report, const bench_result *result);
static void print_csv(json_t *row, bool names);
static void print_csv_value(const json_t *value);
static void read_cpu_name(char *name, size_t size);

static const char md_row[] = "| %-30s | %10s | %10s | %-10s | %7s | %15s | %20s |\n";

void bench_report_begin(bench_report *report) {
    read_cpu_name(report->cpu, sizeof report->cpu);
    report->rows = cli_json_array();
    if (report->format == BENCH_MD) {
        cli_printf(md_row, "model", "size", "params", "backend", "threads", "test", "t/s");
        cli_printf("| ------------------------------ | ---------: | ---------: | ---------- | ------: | "
                   "--------------: | -------------------: |\n");
    }
}

void bench_report_add(bench_report *report, const bench_result *result) {
    if (report->format == BENCH_MD) {
        print_md(result);
        cli_flush();
        return;
    }
    json_t *row = make_json(report, result);
    if (report->format == BENCH_CSV) {
        if (json_array_size(report->rows) == 0) print_csv(row, true);
        print_csv(row, false);
    } else if (report->format == BENCH_JSONL) {
        cli_print_json_line(row);
    }
    cli_flush();
    cli_json_append(report->rows, row);
}

void bench_report_end(bench_report *report) {
    if (report->format == BENCH_JSON) cli_print_json(json_incref(report->rows));
    json_decref(report->rows);
    report->rows = NULL;
}

static statistics statistics_of(const bench_result *result, bool rates) {
    double sum = 0.0, squares = 0.0;
    for (int32_t i = 0; i < result->n_samples; i++) sum += sample(result, i, rates);
    double average = sum / result->n_samples;
    for (int32_t i = 0; i < result->n_samples; i++)
        squares += (sample(result, i, rates) - average) * (sample(result, i, rates) - average);
    return (statistics){average, result->n_samples > 1 ? sqrt(squares / (result->n_samples - 1)) : 0.0};
}

// Nanoseconds, or tokens per second.
static double sample(const bench_result *result, int32_t i, bool rate) {
    double ns = (double)result->ns[i];
    return rate ? 1e9 * (result->n_prompt + (double)result->n_gen * result->n_sequences) / ns : ns;
}

static void print_md(const bench_result *result) {
    const tdl_model_info *model = result->model;
    char name[96], size[32], params[32], threads[16], test[64], rate[64];
    double mib = (double)model->weights_size / 1048576.0;
    describe_count((double)model->n_params, params, sizeof params);
    snprintf(name, sizeof name, "%s %s %s", model->arch, params, model->dtype);
    snprintf(size, sizeof size, mib < 1024.0 ? "%.2f MiB" : "%.2f GiB", mib < 1024.0 ? mib : mib / 1024.0);
    snprintf(threads, sizeof threads, "%d", result->n_threads);
    int used = snprintf(test, sizeof test, result->n_prompt ? "pp%d" : "tg%d", result->n_prompt + result->n_gen);
    if (result->n_sequences > 1)
        used += snprintf(test + used, sizeof test - (size_t)used, " x %d", result->n_sequences);
    if (result->n_depth) snprintf(test + used, sizeof test - (size_t)used, " @ d%d", result->n_depth);
    statistics rates = statistics_of(result, true);
    snprintf(rate, sizeof rate, "%.2f ± %.2f", rates.average, rates.deviation);
    cli_printf("| %-30s | %10s | %10s | %-10s | %7s | %15s | %21s |\n", name, size, params, backend_of(model), threads,
               test, rate);
}

static void describe_count(double n, char *text, size_t size) {
    snprintf(text, size, n < 1e9 ? "%.2f M" : "%.2f B", n < 1e9 ? n / 1e6 : n / 1e9);
}

static json_t *make_json(const bench_report *report, const bench_result *result) {
    const tdl_model_info *model = result->model;
    statistics times = statistics_of(result, false), rates = statistics_of(result, true);
    char params[32], type[96], when[32] = "";
    struct tm utc;
    time_t started = (time_t)result->started;
    describe_count((double)model->n_params, params, sizeof params);
    snprintf(type, sizeof type, "%s %s %s", model->arch, params, model->dtype);
    if (gmtime_r(&started, &utc)) strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &utc);
    json_t *samples_ns = cli_json_array(), *samples_ts = cli_json_array();
    for (int32_t i = 0; i < result->n_samples; i++) {
        cli_json_append(samples_ns, json_integer(result->ns[i]));
        cli_json_append(samples_ts, cli_json_real(sample(result, i, true)));
    }
    json_t *row = cli_json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "build_commit", tdl_version(), "cpu_info",
                                report->cpu, "gpu_info", "", "backends", backend_of(model), "model_filename",
                                report->model_path, "model_type", type, "model_size", (json_int_t)model->weights_size,
                                "model_n_params", (json_int_t)model->n_params);
    json_t *rest = cli_json_pack(
        "{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:s, s:I, s:I, s:f, s:f, s:o, s:o}", "n_batch", result->n_batch,
        "n_ubatch", result->n_batch, "n_threads", result->n_threads, "flash_attn", 1, "n_prompt", result->n_prompt,
        "n_gen", result->n_gen, "n_depth", result->n_depth, "n_sequences", result->n_sequences, "test_time", when,
        "avg_ns", (json_int_t)llround(times.average), "stddev_ns", (json_int_t)llround(times.deviation), "avg_ts",
        rates.average, "stddev_ts", rates.deviation, "samples_ns", samples_ns, "samples_ts", samples_ts);
    if (row) json_object_update(row, rest);
    json_decref(rest);
    return row;
}

// Lists have no place in a table.
static void print_csv(json_t *row, bool names) {
    const char *key, *separator = "";
    json_t *value;
    json_object_foreach(row, key, value) {
        if (json_is_array(value)) continue;
        cli_printf("%s", separator);
        if (names) cli_printf("%s", key);
        else print_csv_value(value);
        separator = ",";
    }
    cli_printf("\n");
}

static void print_csv_value(const json_t *value) {
    if (json_is_integer(value)) cli_printf("\"%lld\"", (long long)json_integer_value(value));
    else if (json_is_real(value)) cli_printf("\"%f\"", json_real_value(value));
    else {
        cli_printf("\"");
        for (const char *at = json_string_value(value); *at; at++) cli_printf(*at == '"' ? "\"\"" : "%c", *at);
        cli_printf("\"");
    }
}

static void read_cpu_name(char *name, size_t size) {
    name[0] = '\0';
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (!file) return;
    char line[256];
    while (!name[0] && fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        snprintf(name, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
    }
    fclose(file);
}
