// SPDX-License-Identifier: MIT
// cmd_tokenize.c - treadle tokenize: text to ids, on one line. Opens the tokenizer only: no weights are read.
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/json_out.h"
#include "cli/options.h"
#include "cli/prompt_args.h"

#include <jansson.h>

static const char about[] =
    "Prints the token ids of a text, on one line, separated by spaces. The text comes from stdin, --prompt or --file,\n"
    "and is taken to the last byte, newline included. MODEL may also be a tokenizer.json.";

static int print_ids(const cli_i32_list *ids, bool json);

int cmd_tokenize(int argc, char **argv) {
    cli_prompt_args prompt = {0};
    tdl_model_desc model = {.size = sizeof model};
    tdl_tokenizer *tokenizer = NULL;
    cli_buffer text = {0};
    cli_i32_list ids = {0};
    tdl_error err = {0};
    bool json = false;
    const cli_option_group groups[] = {
        {.title = "Options",
         .options = {{"m", "model", CLI_TEXT, "MODEL", &model.path, 0, 0, "the model; the first argument is the same"},
                     {NULL, "json", CLI_FLAG, NULL, &json, 0, 0, "print one JSON object"}}},
        cli_prompt_group(&prompt),
    };
    const cli_command command = {.name = "tokenize",
                                 .synopsis = "MODEL [options] < text",
                                 .about = about,
                                 .groups = groups,
                                 .n_groups = sizeof groups / sizeof groups[0],
                                 .model = &model.path};
    int code = cli_parse(&command, argc, argv);
    if (code == CLI_GO && prompt.ids.n) code = cli_usage("tokenize", "--ids: text expected, not ids");
    if (code == CLI_GO && tdl_tokenizer_open(&model, &tokenizer, &err)) code = cli_fail(&err);
    if (code == CLI_GO) code = cli_prompt_read("tokenize", &prompt, "-", &text);
    if (code == CLI_GO) code = cli_prompt_encode(&prompt, tokenizer, &text, &ids);
    if (code == CLI_GO) code = print_ids(&ids, json);
    cli_i32_list_deinit(&ids);
    cli_buffer_deinit(&text);
    tdl_tokenizer_close(tokenizer);
    cli_prompt_deinit(&prompt);
    return code;
}

static int print_ids(const cli_i32_list *ids, bool json) {
    if (json) {
        json_t *array = cli_json_array();
        for (size_t i = 0; i < ids->n; i++) cli_json_append(array, json_integer(ids->items[i]));
        cli_print_json(cli_json_pack("{s:I, s:o}", "n", (json_int_t)ids->n, "ids", array));
        return CLI_OK;
    }
    for (size_t i = 0; i < ids->n; i++) cli_printf(i ? " %d" : "%d", ids->items[i]);
    cli_printf("\n");
    return CLI_OK;
}
