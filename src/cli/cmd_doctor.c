// SPDX-License-Identifier: MIT
// cmd_doctor.c - treadle doctor: what this machine gives the program, why, and whether a model fits.
//
// It finds nothing that other commands do not find: it says at once what one would otherwise learn from several failures.
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/json_out.h"
#include "cli/model_args.h"
#include "cli/options.h"
#include "cli/shown.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char about[] =
    "Says what treadle finds on this machine: threads and why so many, instructions, memory, GPUs or why there is "
    "none.\n"
    "With MODEL also whether it fits, and on what. The exit code is 1 where MODEL cannot be read or fits nowhere.";

enum { DEVICES_MAX = 64, DEFAULT_CTX = 4096 };

typedef struct doctor {
    cli_model_args model;
    int32_t n_ctx;
    bool json;
    tdl_host_info host;
    char cpu[160];
    tdl_device_info *devices; // [n_devices]
    size_t n_devices;
    tdl_error devices_err;
    cli_buffer chatter; // of the drivers
    cli_opened opened;
    tdl_model_memory memory;
    bool fits;
} doctor;

static void look(doctor *d);
static int look_at_model(doctor *d);
static void print_text(const doctor *d);
static void print_threads(const tdl_host_info *host);
static void print_devices(const doctor *d);
static void print_model(const doctor *d);
static void print_json(const doctor *d);
static uint64_t model_bytes(const doctor *d) {
    return d->memory.weights_size + d->memory.cache_size + d->memory.step_size;
}

int cmd_doctor(int argc, char **argv) {
    doctor d = {.host = {.size = sizeof d.host}, .memory = {.size = sizeof d.memory}, .model = {.lazy = true}};
    const cli_option_group groups[] = {
        {.title = "Options",
         .options = {{"m", "model", CLI_TEXT, "MODEL", &d.model.path, 0, 0,
                      "the model; the first argument is the same"},
                     {"c", "ctx", CLI_I32, "N", &d.n_ctx, 1, CLI_CTX_MAX,
                      "positions the model is to hold (default: its own, at most 4096)"},
                     {NULL, "webgpu-library", CLI_TEXT, "FILE", &d.model.webgpu_library, 0, 0,
                      "the library that implements webgpu.h (default: the usual names)"},
                     {NULL, "json", CLI_FLAG, NULL, &d.json, 0, 0, "print one JSON object"}}},
    };
    const char *path = NULL;
    const cli_command command = {.name = "doctor",
                                 .synopsis = "[MODEL] [options]",
                                 .about = about,
                                 .groups = groups,
                                 .n_groups = sizeof groups / sizeof groups[0],
                                 .text = &path};
    int code = cli_parse(&command, argc, argv);
    if (code == CLI_GO && path && d.model.path)
        code = cli_usage("doctor", "'%s': the model is '%s' already", path, d.model.path);
    if (code != CLI_GO) return code;
    if (path) d.model.path = path;
    if (d.n_ctx && !d.model.path) return cli_usage("doctor", "--ctx is of a model: MODEL is missing");
    look(&d);
    code = d.model.path ? look_at_model(&d) : CLI_OK;
    if (d.json) print_json(&d);
    else print_text(&d);
    cli_model_close(&d.opened);
    cli_buffer_deinit(&d.chatter);
    free(d.devices);
    return code;
}

static void look(doctor *d) {
    tdl_error err = {0};
    tdl_device *cpu = NULL;
    if (tdl_host_get_info(&d->host, &err)) cli_error("%s", err.message);
    if (tdl_device_open(&(tdl_device_desc){.size = sizeof(tdl_device_desc)}, &cpu, &err)) cli_error("%s", err.message);
    else snprintf(d->cpu, sizeof d->cpu, "%s", tdl_device_summary(cpu));
    tdl_device_close(cpu);
    d->devices = cli_realloc(NULL, DEVICES_MAX, sizeof *d->devices);
    const tdl_device_desc desc = {.size = sizeof desc, .library = d->model.webgpu_library};
    bool captured = cli_capture_begin();
    tdl_device_list(&desc, d->devices, DEVICES_MAX, &d->n_devices, &d->devices_err);
    if (captured) cli_capture_end(&d->chatter);
    if (d->n_devices > DEVICES_MAX) d->n_devices = DEVICES_MAX;
}

// The CPU's layouts stand for all: a GPU's differ by a few percent.
static int look_at_model(doctor *d) {
    tdl_error err = {0};
    d->model.webgpu_library = NULL;
    int code = cli_model_open(&d->model, &d->opened);
    if (code != CLI_GO) return code;
    if (!d->n_ctx) d->n_ctx = cli_default_n_ctx(&d->opened.info, DEFAULT_CTX);
    cli_check_context(&d->opened.info, d->n_ctx);
    const tdl_batch_desc batch = {.size = sizeof batch, .n_cache_tokens = d->n_ctx};
    if (tdl_model_get_memory(d->opened.model, &batch, &d->memory, &err)) return cli_fail(&err);
    d->fits = !d->host.memory_available || model_bytes(d) <= d->host.memory_available;
    return d->fits ? CLI_OK : CLI_FAILURE;
}

static double gib(uint64_t size) { return (double)size / 1073741824.0; }

static void print_text(const doctor *d) {
    cli_printf("treadle   %s\n", tdl_version());
    cli_print_name("device    ", d->cpu);
    print_threads(&d->host);
    cli_printf("memory    %.1f GiB, of which %.1f GiB can be taken now", gib(d->host.memory_size),
               gib(d->host.memory_available));
    if (d->host.memory_limit) cli_printf("; control groups allow %.1f GiB", gib(d->host.memory_limit));
    cli_printf("\n");
    print_devices(d);
    if (model_bytes(d)) print_model(d);
}

static void print_threads(const tdl_host_info *host) {
    cli_printf("threads   %d by default: ", host->n_threads);
    if (host->cpu_quota > 0.0 && host->cpu_quota < host->n_cpus)
        cli_printf("affinity allows %d CPUs, control groups (a container's limit) the time of %.4g\n", host->n_cpus,
                   host->cpu_quota);
    else cli_printf("affinity allows %d CPUs, control groups set no lower limit\n", host->n_cpus);
}

static void print_devices(const doctor *d) {
    cli_buffer shown = {0};
    size_t n_gpus = 0;
    for (size_t i = 0; i < d->n_devices; i++) {
        const tdl_device_info *info = &d->devices[i];
        if (strncmp(info->name, "webgpu", 6) != 0) continue;
        n_gpus++;
        shown.size = 0;
        cli_append_shown(&shown, info->summary, strlen(info->summary), CLI_SHOWN_NAME);
        cli_printf("%-9s %s%s\n", info->name, shown.data,
                   strstr(info->summary, ", CPU") ? ": software, slower than the device cpu" : "");
    }
    if (n_gpus == 0) {
        cli_printf("GPU       none: %s\n",
                   d->devices_err.code ? d->devices_err.message
                   : d->n_devices < 2 && !d->chatter.size
                       ? "no WebGPU adapter, or a build without WebGPU (tools/setup.sh webgpu, then make)"
                       : "the WebGPU library found no adapter");
        cli_flush();
        cli_explain_webgpu(d->model.webgpu_library, &d->chatter);
    }
    cli_buffer_deinit(&shown);
}

static void print_model(const doctor *d) {
    bool small = model_bytes(d) < (uint64_t)1 << 30;
    double unit = small ? 1048576.0 : 1073741824.0, needed = (double)model_bytes(d) / unit;
    const char *name = small ? "MiB" : "GiB";
    cli_print_name("model     ", d->model.path);
    cli_printf(
        "          %s, %.2f M parameters, %s; needs %.1f %s: weights %.1f, cache of %d positions %.1f, step %.1f\n",
        d->opened.info.arch, (double)d->opened.info.n_params / 1e6, d->opened.info.dtype, needed, name,
        (double)d->memory.weights_size / unit, d->n_ctx, (double)d->memory.cache_size / unit,
        (double)d->memory.step_size / unit);
    cli_printf("          cpu: %s\n", d->fits ? "fits" : "does not fit what memory can be taken now");
    for (size_t i = 0; i < d->n_devices; i++)
        if (strncmp(d->devices[i].name, "webgpu", 6) == 0)
            cli_printf("          %s: WebGPU does not tell a card's memory: it needs %.1f %s there\n",
                       d->devices[i].name, needed, name);
}

static void print_json(const doctor *d) {
    json_t *devices = cli_json_array(), *model = json_null();
    for (size_t i = 0; i < d->n_devices; i++)
        cli_json_append(devices, cli_json_pack("{s:s, s:s, s:s}", "name", d->devices[i].name, "summary",
                                               d->devices[i].summary, "features", d->devices[i].features));
    if (model_bytes(d))
        model = cli_json_pack("{s:s, s:s, s:s, s:u, s:i, s:u, s:u, s:u, s:b}", "path", d->model.path, "arch",
                              d->opened.info.arch, "dtype", d->opened.info.dtype, "n_params", d->opened.info.n_params,
                              "n_ctx", d->n_ctx, "weights_size", d->memory.weights_size, "cache_size",
                              d->memory.cache_size, "step_size", d->memory.step_size, "fits", d->fits);
    const char *trouble = d->devices_err.code ? d->devices_err.message : NULL;
    cli_print_json(cli_json_pack("{s:s, s:s, s:i, s:i, s:f, s:u, s:u, s:u, s:o, s:s, s:s, s:o}", "version",
                                 tdl_version(), "cpu", d->cpu, "n_cpus", d->host.n_cpus, "n_threads", d->host.n_threads,
                                 "cpu_quota", d->host.cpu_quota, "memory_size", d->host.memory_size, "memory_available",
                                 d->host.memory_available, "memory_limit", d->host.memory_limit, "devices", devices,
                                 "devices_error", trouble, "drivers_said", d->chatter.data, "model", model));
}
