// SPDX-License-Identifier: MIT
// model_args.c - see model_args.h.
#include "cli/model_args.h"

#include "cli/console.h"

#include <string.h>

enum { DEFAULT_N_CTX = 4096 }; // models trained for 128k positions would ask for gigabytes of cache

static void name_adapter(const tdl_device *device);
static bool show_loading(void *user, double fraction);

cli_option_group cli_model_group(cli_model_args *args) {
    cli_option_group group = cli_device_group(args);
    group.title = "Model";
    memmove(&group.options[2], &group.options[0], sizeof group.options - 2 * sizeof group.options[0]);
    group.options[1] = (cli_option){
        NULL,        "lora", CLI_TEXT, "DIR",
        &args->lora, 0,      0,        "add the LoRA adapter in DIR: PEFT's, or a run's of treadle finetune"};
    group.options[0] =
        (cli_option){"m", "model", CLI_TEXT, "MODEL", &args->path, 0, 0, "the model; the first argument is the same"};
    int32_t n = 0;
    while (group.options[n].kind != CLI_NONE) n++;
    group.options[n] = (cli_option){NULL, "invariant", CLI_FLAG, NULL, &args->invariant, 0, 0, CLI_INVARIANT_HELP};
    return group;
}

cli_option_group cli_device_group(cli_model_args *args) {
    return (cli_option_group){
        .title = "Device",
        .options = {
            {"t", "threads", CLI_I32, "N", &args->n_threads, 1, 256,
             "CPU threads (default: one per CPU that the process may use)"},
            {NULL, "device", CLI_TEXT, "NAME", &args->device, 0, 0,
             "where to compute: cpu (the default), webgpu or webgpu:N; see treadle devices"},
            {NULL, "webgpu-library", CLI_TEXT, "FILE", &args->webgpu_library, 0, 0,
             "the library that implements webgpu.h (default: the usual names)"},
            {NULL, "isa", CLI_TEXT, "NAME", &args->isa, 0, 0,
             "use at most plain, avx2, avx512, avx512_bf16 or neon instructions (default: the best there is)"},
            {NULL, "precision", CLI_CHOICE, CLI_PRECISION_NAMES, &args->precision, 0, 0,
             "f32: nothing is rounded below 32 bits; auto, the default: activations may be"},
        }};
}

int cli_device_open(const cli_model_args *args, tdl_device **out) {
    tdl_error err = {0};
    bool is_webgpu = args->device && strncmp(args->device, "webgpu", 6) == 0;
    bool is_cpu = !args->device || strcmp(args->device, "cpu") == 0;
    if (args->webgpu_library && !is_webgpu) {
        cli_error("--webgpu-library: of no use without --device webgpu");
        return CLI_USAGE;
    }
    if (args->isa && !is_cpu) {
        cli_error("--isa: of no use with --device %s", args->device);
        return CLI_USAGE;
    }
    if (is_webgpu && cli_is_given(&args->n_threads)) cli_warn("--threads: of no use with --device %s", args->device);
    const tdl_device_desc device = {.size = sizeof device,
                                    .name = args->device,
                                    .n_threads = args->n_threads,
                                    .isa_max = args->isa,
                                    .library = args->webgpu_library};
    cli_buffer chatter = {0};
    bool captured = is_webgpu && cli_capture_begin();
    tdl_status status = tdl_device_open(&device, out, &err);
    if (captured) cli_capture_end(&chatter);
    if (status) {
        cli_fail(&err);
        if (is_webgpu) cli_explain_webgpu(args->webgpu_library, &chatter);
    } else if (is_webgpu) {
        name_adapter(*out);
    }
    cli_buffer_deinit(&chatter);
    if (!status) return CLI_GO;
    return status == TDL_ERROR_ARGUMENT ? CLI_USAGE : CLI_FAILURE; // a name that no machine has
}

static void name_adapter(const tdl_device *device) {
    const char *summary = tdl_device_summary(device);
    if (!cli_is_quiet()) cli_note("%s\n", summary);
    if (strstr(summary, ", CPU"))
        cli_warn("this adapter is software: it computes on the CPU, slower than --device cpu does");
}

void cli_explain_webgpu(const char *library, const cli_buffer *chatter) {
    if (chatter->size) cli_note("the WebGPU library said:\n%s\n", chatter->data);
    if (library) return;
    cli_note("To compute on a GPU:\n"
             "  a build with WebGPU    in treadle's source tree: tools/setup.sh webgpu && make\n"
             "  a WebGPU library       wgpu-native (its releases, or libwgpu_native-release.so in the Python package "
             "wgpu) or\n"
             "                         Dawn; name it with --webgpu-library FILE, or put it where the loader looks\n"
             "  a Vulkan driver        Debian: libvulkan1 and the card's driver; vulkaninfo lists what there is\n");
}

static void tell_warnings(const tdl_model *model, const char *path) {
    size_t n = tdl_model_n_warnings(model);
    if (n) cli_warn("%s", tdl_model_warning(model, 0));
    if (n > 1) cli_warn("and %zu more: treadle info %s", n - 1, path);
}

int cli_model_open(const cli_model_args *args, cli_opened *out) {
    *out = (cli_opened){.info = {.size = sizeof out->info}};
    tdl_error err = {0};
    double start = cli_seconds();
    int code = cli_device_open(args, &out->device);
    if (code != CLI_GO) return code;
    int percent = -1;
    const tdl_model_desc model = {.size = sizeof model,
                                  .path = args->path,
                                  .lora = args->lora,
                                  .device = out->device,
                                  .precision = (tdl_precision)args->precision,
                                  .invariant = args->invariant,
                                  .progress = show_loading,
                                  .progress_user = &percent,
                                  .lazy = args->lazy};
    tdl_status status = tdl_model_open(&model, &out->model, &err);
    cli_progress_end();
    if (status) return cli_fail(&err);
    out->load_s = cli_seconds() - start;
    out->tokenizer = tdl_model_tokenizer(out->model);
    tdl_model_get_info(out->model, &out->info);
    if (!args->tells_warnings && !cli_is_quiet()) tell_warnings(out->model, args->path);
    if (out->info.n_lora && !cli_is_quiet())
        cli_note("adapter: added to %d matri%s now %s and take%s %.1f MB\n", out->info.n_lora,
                 out->info.n_lora == 1 ? "x, which is" : "ces, which are", out->info.lora_dtype,
                 out->info.n_lora == 1 ? "s" : "", (double)out->info.lora_size / 1e6);
    return CLI_GO;
}

void cli_model_close(cli_opened *opened) {
    tdl_model_close(opened->model);
    tdl_device_close(opened->device);
}

// A model that adds the token adds it to an empty text too.
bool cli_wants_bos(const tdl_tokenizer *tokenizer) {
    int32_t ids[2];
    size_t n = 0;
    return tokenizer && tdl_tokenizer_encode(tokenizer, "", 0, NULL, ids, 2, &n, NULL) == TDL_OK && n > 0 &&
           ids[0] == tdl_tokenizer_bos(tokenizer);
}

void cli_check_context(const tdl_model_info *info, int64_t n_positions) {
    static bool said;
    if (said || info->n_ctx_train <= 0 || n_positions <= info->n_ctx_train) return;
    said = true;
    cli_warn("%lld positions, and the model was trained on %d: what lies beyond those it has not learned",
             (long long)n_positions, info->n_ctx_train);
}

int32_t cli_default_n_ctx(const tdl_model_info *info, size_t n_needed) {
    int32_t n = n_needed > DEFAULT_N_CTX ? (n_needed > INT32_MAX ? INT32_MAX : (int32_t)n_needed) : DEFAULT_N_CTX;
    return info->n_ctx_train > 0 && n > info->n_ctx_train ? info->n_ctx_train : n;
}

static bool show_loading(void *user, double fraction) {
    int *percent = user;
    if ((int)(100.0 * fraction) > *percent) {
        *percent = (int)(100.0 * fraction);
        cli_progress("loading %d%%", *percent);
    }
    return !cli_interrupted();
}
