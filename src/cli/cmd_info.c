// cmd_info.c - treadle info: a model's family, sizes, types and tokenizer.
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/model_args.h"
#include "cli/options.h"

#include <inttypes.h>
#include <jansson.h>

static int print_text(const cli_opened *opened);
static int print_json(const cli_opened *opened);

int cmd_info(int argc, char **argv) {
    cli_model_args args = {0};
    cli_opened opened = {0};
    bool json = false;
    const cli_option_group groups[] = {
        {.title = "Output", .options = {{NULL, "json", CLI_FLAG, NULL, &json, 0, 0, "print one JSON object"}}},
        cli_model_group(&args),
    };
    const cli_command command = {.name = "info",
                                 .synopsis = "MODEL [--json]",
                                 .about = "Opens a model and prints its family, its numbers and its types.",
                                 .groups = groups,
                                 .n_groups = sizeof groups / sizeof groups[0],
                                 .model = &args.path};
    int code = cli_parse(&command, argc, argv);
    if (code == CLI_GO) code = cli_model_open(&args, &opened);
    if (code == CLI_GO) code = json ? print_json(&opened) : print_text(&opened);
    cli_model_close(&opened);
    return code;
}

static int print_text(const cli_opened *opened) {
    const tdl_model_info *info = &opened->info;
    if (info->name[0]) cli_printf("name          %s\n", info->name);
    cli_printf("architecture  %s\n", info->arch);
    cli_printf("parameters    %" PRIu64 "\n", info->n_params);
    cli_printf("weights       %.1f MiB, mostly %s\n", (double)info->weights_size / 1048576.0, info->dtype);
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
    cli_printf("device        %s\n", info->device);
    cli_printf("load          %.3f s\n", opened->load_s);
    for (size_t i = 0; i < tdl_model_n_warnings(opened->model); i++)
        cli_printf("warning       %s\n", tdl_model_warning(opened->model, i));
    return CLI_OK;
}

static int print_json(const cli_opened *opened) {
    const tdl_model_info *info = &opened->info;
    json_t *tokenizer = json_null(), *warnings = json_array();
    for (size_t i = 0; i < tdl_model_n_warnings(opened->model); i++)
        json_array_append_new(warnings, json_string(tdl_model_warning(opened->model, i)));
    if (opened->tokenizer)
        tokenizer = json_pack("{s:i, s:i, s:i, s:b}", "n_vocab", tdl_tokenizer_n_vocab(opened->tokenizer), "bos",
                              tdl_tokenizer_bos(opened->tokenizer), "eos", tdl_tokenizer_eos(opened->tokenizer),
                              "adds_bos", cli_wants_bos(opened->tokenizer));
    cli_print_json(json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:o, s:f, s:o}",
                             "name", info->name, "arch", info->arch, "dtype", info->dtype, "device", info->device,
                             "n_params", (json_int_t)info->n_params, "weights_size", (json_int_t)info->weights_size,
                             "n_vocab", info->n_vocab, "n_ctx_train", info->n_ctx_train, "n_embd", info->n_embd,
                             "n_layers", info->n_layers, "n_heads", info->n_heads, "n_kv_heads", info->n_kv_heads,
                             "head_dim", info->head_dim, "n_ff", info->n_ff, "tokenizer", tokenizer, "load_s",
                             opened->load_s, "warnings", warnings));
    return CLI_OK;
}
