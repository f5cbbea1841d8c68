// SPDX-License-Identifier: MIT
// cmd_info.c - treadle info: a model's family, sizes, types and tokenizer.
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/json_out.h"
#include "cli/model_args.h"
#include "cli/options.h"
#include "cli/shown.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

typedef struct info_args {
    cli_model_args model;
    int32_t n_ctx;
    bool json;
} info_args;

static int print_text(const cli_opened *opened, const tdl_model_memory *memory, int32_t n_ctx);
static int print_json(const cli_opened *opened, const tdl_model_memory *memory, int32_t n_ctx);

int cmd_info(int argc, char **argv) {
    info_args args = {.model = {.lazy = true, .tells_warnings = true}};
    cli_opened opened = {0};
    const cli_option_group groups[] = {
        {.title = "Output",
         .options = {{"c", "ctx", CLI_I32, "N", &args.n_ctx, 1, CLI_CTX_MAX,
                      "positions that the memory is said for (default: the model's, at most 4096)"},
                     {NULL, "json", CLI_FLAG, NULL, &args.json, 0, 0, "print one JSON object"}}},
        cli_model_group(&args.model),
    };
    const cli_command command = {.name = "info",
                                 .synopsis = "MODEL [--json]",
                                 .about = "Prints a model's family, its numbers, its types and the memory it needs. "
                                          "Reads no more of its weights\nthan their names and shapes.",
                                 .groups = groups,
                                 .n_groups = sizeof groups / sizeof groups[0],
                                 .model = &args.model.path};
    int code = cli_parse(&command, argc, argv);
    if (code == CLI_GO) code = cli_model_open(&args.model, &opened);
    tdl_model_memory memory = {.size = sizeof memory};
    tdl_error err = {0};
    if (code == CLI_GO) {
        if (!args.n_ctx) args.n_ctx = cli_default_n_ctx(&opened.info, 0);
        cli_check_context(&opened.info, args.n_ctx);
        const tdl_batch_desc batch = {.size = sizeof batch, .n_cache_tokens = args.n_ctx};
        if (tdl_model_get_memory(opened.model, &batch, &memory, &err)) code = cli_fail(&err);
    }
    if (code == CLI_GO) code = (args.json ? print_json : print_text)(&opened, &memory, args.n_ctx);
    cli_model_close(&opened);
    return code;
}

static int print_text(const cli_opened *opened, const tdl_model_memory *memory, int32_t n_ctx) {
    const double mib = 1048576.0;
    const tdl_model_info *info = &opened->info;
    cli_print_name("name          ", info->name);
    cli_printf("architecture  %s\n", info->arch);
    cli_printf("parameters    %" PRIu64 "\n", info->n_params);
    cli_printf("weights       %.1f MiB, mostly %s\n", (double)info->weights_size / mib, info->dtype);
    cli_printf("context       %d positions\n", info->n_ctx_train);
    cli_printf("vocabulary    %d tokens\n", info->n_vocab);
    cli_printf("layers        %d\n", info->n_layers);
    cli_printf("width         %d\n", info->n_embd);
    cli_printf("heads         %d of %d, %d for keys and values\n", info->n_heads, info->head_dim, info->n_kv_heads);
    cli_printf("feed-forward  %d\n", info->n_ff);
    if (opened->tokenizer)
        cli_printf("tokenizer     %d tokens, bos %d, eos %d\n", tdl_tokenizer_n_vocab(opened->tokenizer),
                   tdl_tokenizer_bos(opened->tokenizer), tdl_tokenizer_eos(opened->tokenizer));
    else cli_printf("tokenizer     none\n");
    cli_printf("chat template %s\n",
               info->has_chat_template ? "yes (treadle chat speaks ChatML, whatever it says)" : "none");
    cli_printf("memory        %.1f MiB: weights %.1f, cache of %d positions %.1f, step %.1f\n",
               (double)(memory->weights_size + memory->cache_size + memory->step_size) / mib,
               (double)memory->weights_size / mib, n_ctx, (double)memory->cache_size / mib,
               (double)memory->step_size / mib);
    cli_print_name("device        ", info->device);
    for (size_t i = 0; i < tdl_model_n_warnings(opened->model); i++)
        cli_print_name("warning       ", tdl_model_warning(opened->model, i));
    return CLI_OK;
}

static int print_json(const cli_opened *opened, const tdl_model_memory *memory, int32_t n_ctx) {
    const tdl_model_info *info = &opened->info;
    json_t *tokenizer = json_null();
    json_t *needs = cli_json_pack("{s:i, s:u, s:u, s:u}", "n_ctx", n_ctx, "weights_size", memory->weights_size,
                                  "cache_size", memory->cache_size, "step_size", memory->step_size);
    json_t *warnings = json_array();
    for (size_t i = 0; i < tdl_model_n_warnings(opened->model); i++)
        json_array_append_new(
            warnings, cli_json_text(tdl_model_warning(opened->model, i), strlen(tdl_model_warning(opened->model, i))));
    if (opened->tokenizer)
        tokenizer = cli_json_pack("{s:i, s:i, s:i, s:b}", "n_vocab", tdl_tokenizer_n_vocab(opened->tokenizer), "bos",
                                  tdl_tokenizer_bos(opened->tokenizer), "eos", tdl_tokenizer_eos(opened->tokenizer),
                                  "adds_bos", cli_wants_bos(opened->tokenizer));
    cli_print_json(cli_json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:I, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:o, s:b, s:o, s:f, s:o}", "name",
        info->name, "arch", info->arch, "dtype", info->dtype, "device", info->device, "n_params",
        (json_int_t)info->n_params, "weights_size", (json_int_t)info->weights_size, "n_vocab", info->n_vocab,
        "n_ctx_train", info->n_ctx_train, "n_embd", info->n_embd, "n_layers", info->n_layers, "n_heads", info->n_heads,
        "n_kv_heads", info->n_kv_heads, "head_dim", info->head_dim, "n_ff", info->n_ff, "tokenizer", tokenizer,
        "has_chat_template", info->has_chat_template, "memory", needs, "load_s", opened->load_s, "warnings", warnings));
    return CLI_OK;
}
