// SPDX-License-Identifier: MIT
// cmd_devices.c - treadle devices: what --device can name here, with limits and features.
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/json_out.h"
#include "cli/model_args.h"
#include "cli/options.h"
#include "cli/shown.h"

#include <jansson.h>
#include <stdlib.h>

static void print_text(const tdl_device_info *infos, size_t n);
static void print_json(const tdl_device_info *infos, size_t n);

int cmd_devices(int argc, char **argv) {
    const char *library = NULL;
    bool json = false;
    const cli_option_group groups[] = {
        {.title = "Options",
         .options = {{NULL, "json", CLI_FLAG, NULL, &json, 0, 0, "print one JSON array"},
                     {NULL, "webgpu-library", CLI_TEXT, "FILE", &library, 0, 0,
                      "the library that implements webgpu.h (default: the usual names)"}}},
    };
    const cli_command command = {.name = "devices",
                                 .synopsis = "[--json]",
                                 .about = "Lists what --device can name on this machine.",
                                 .groups = groups,
                                 .n_groups = sizeof groups / sizeof groups[0]};
    int code = cli_parse(&command, argc, argv);
    if (code != CLI_GO) return code;
    const tdl_device_desc desc = {.size = sizeof desc, .library = library};
    tdl_error err = {0};
    enum { INFOS_MAX = 64 };
    tdl_device_info *infos = cli_realloc(NULL, INFOS_MAX, sizeof *infos);
    size_t n;
    cli_buffer chatter = {0};
    bool captured = cli_capture_begin();
    tdl_status status = tdl_device_list(&desc, infos, INFOS_MAX, &n, &err);
    if (captured) cli_capture_end(&chatter);
    if (n > INFOS_MAX) n = INFOS_MAX;
    if (json) print_json(infos, n);
    else print_text(infos, n);
    if (status != TDL_OK) cli_error("%s", err.message); // the others are listed all the same
    if (status != TDL_OK) cli_explain_webgpu(library, &chatter);
    else if (n < 2) cli_note("no WebGPU adapter: treadle doctor says why\n");
    cli_buffer_deinit(&chatter);
    free(infos);
    return status != TDL_OK && library ? CLI_FAILURE : CLI_OK;
}

static void print_text(const tdl_device_info *infos, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const tdl_device_info *info = &infos[i];
        cli_printf("%-10s ", info->name);
        cli_print_name("", info->summary);
        if (!info->binding_size_max) continue;
        cli_printf("%-10s bindings to %.0f MiB, buffers to %.0f MiB, workgroups of %u with %u KiB%s%s\n", "",
                   (double)info->binding_size_max / 1048576, (double)info->buffer_size_max / 1048576,
                   info->workgroup_size_max, info->workgroup_memory / 1024, info->features[0] ? "; " : "",
                   info->features);
    }
}

static void print_json(const tdl_device_info *infos, size_t n) {
    json_t *array = cli_json_array();
    for (size_t i = 0; i < n; i++) {
        const tdl_device_info *info = &infos[i];
        cli_json_append(
            array, cli_json_pack("{s:s, s:s, s:s, s:I, s:I, s:i, s:i}", "name", info->name, "summary", info->summary,
                                 "features", info->features, "buffer_size_max", (json_int_t)info->buffer_size_max,
                                 "binding_size_max", (json_int_t)info->binding_size_max, "workgroup_memory",
                                 (int)info->workgroup_memory, "workgroup_size_max", (int)info->workgroup_size_max));
    }
    cli_print_json(array);
}
