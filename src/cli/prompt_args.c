// SPDX-License-Identifier: MIT
// prompt_args.c - see prompt_args.h.
#include "cli/prompt_args.h"

#include <stdlib.h>
#include <string.h>

cli_option_group cli_prompt_group(cli_prompt_args *args) {
    return (cli_option_group){
        .title = "Prompt",
        .options = {
            {"p", "prompt", CLI_ANY_TEXT, "TEXT", &args->text, 0, 0, "the prompt"},
            {"f", "file", CLI_TEXT, "FILE", &args->file, 0, 0, "the prompt is this file's contents; - is stdin"},
            {NULL, "ids", CLI_I32_LIST, "1,2,3", &args->ids, 0, INT32_MAX,
             "the prompt as token ids, taken as they are"},
            {NULL, "bos", CLI_FLAG, NULL, &args->bos, 0, 0,
             "begin with the beginning-of-sequence token, whatever the model's default"},
            {NULL, "no-bos", CLI_FLAG, NULL, &args->no_bos, 0, 0, "do not"},
            {NULL, "special", CLI_FLAG, NULL, &args->special, 0, 0,
             "text such as <|im_end|> becomes the special token it names"},
        }};
}

void cli_prompt_deinit(cli_prompt_args *args) { cli_i32_list_deinit(&args->ids); }

int cli_prompt_read(const char *command, cli_prompt_args *args, const char *default_file, cli_buffer *text) {
    if (args->bos && args->no_bos) return cli_usage(command, "--bos and --no-bos contradict each other");
    if (args->ids.n && (args->bos || args->no_bos || args->special))
        return cli_usage(command, "--bos, --no-bos and --special are for text: --ids are taken as they are");
    int n_sources = (args->text != NULL) + (args->file != NULL) + (args->ids.n > 0);
    if (n_sources > 1) return cli_usage(command, "more than one of --prompt, --file and --ids");
    if (n_sources == 0 && !default_file)
        return cli_usage(command, "no prompt: %s--prompt TEXT, --file FILE or --ids IDS",
                         strcmp(command, "run") == 0 ? "TEXT after MODEL, " : "");
    if (args->text) cli_buffer_append(text, args->text, strlen(args->text));
    else if (args->ids.n == 0 && !cli_read_file(args->file ? args->file : default_file, text))
        return cli_interrupted() ? CLI_INTERRUPTED : CLI_FAILURE;
    return CLI_GO;
}

int cli_prompt_encode(const cli_prompt_args *args, const tdl_tokenizer *tokenizer, const cli_buffer *text,
                      cli_i32_list *ids) {
    if (args->ids.n > 0) {
        cli_i32_list_add(ids, args->ids.items, args->ids.n);
        return CLI_GO;
    }
    const tdl_encode_desc desc = {.size = sizeof desc,
                                  .bos = args->bos      ? TDL_BOS_ALWAYS
                                         : args->no_bos ? TDL_BOS_NEVER
                                                        : TDL_BOS_DEFAULT,
                                  .parse_special = args->special};
    return cli_encode(tokenizer, text->data, text->size, &desc, ids);
}

int cli_prompt_check(const char *command, const cli_prompt_args *args, const cli_i32_list *ids) {
    if (ids->n > 0) return CLI_GO;
    const char *why =
        args->no_bos ? "and --no-bos leaves it so" : "and the model's texts begin with no token of its own";
    if (args->text) return cli_usage(command, "the prompt is empty, %s: there is nothing to go on from", why);
    cli_error("%s: the prompt is empty, %s: there is nothing to go on from", args->file ? args->file : "stdin", why);
    return CLI_FAILURE;
}

int cli_encode(const tdl_tokenizer *tokenizer, const char *text, size_t size, const tdl_encode_desc *desc,
               cli_i32_list *ids) {
    const tdl_segment segment = {.text = text, .text_size = size, .parse_special = desc && desc->parse_special};
    return cli_encode_segments(tokenizer, &segment, 1, desc, ids);
}

// A text has hardly ever more tokens than bytes and a few; where it has, the first call says how many.
int cli_encode_segments(const tdl_tokenizer *tokenizer, const tdl_segment *segments, size_t n_segments,
                        const tdl_encode_desc *desc, cli_i32_list *ids) {
    if (!tokenizer) {
        cli_error("the model has no tokenizer: it cannot read text");
        return CLI_FAILURE;
    }
    tdl_error err = {0};
    size_t n_max = 8, n = 0;
    for (size_t i = 0; i < n_segments; i++) n_max += segments[i].text_size;
    int32_t *found = cli_realloc(NULL, n_max, sizeof *found);
    tdl_status status = tdl_tokenizer_encode_segments(tokenizer, segments, n_segments, desc, found, n_max, &n, &err);
    if (status == TDL_ERROR_LIMIT && n > n_max) {
        found = cli_realloc(found, n, sizeof *found);
        status = tdl_tokenizer_encode_segments(tokenizer, segments, n_segments, desc, found, n, &n, &err);
    }
    if (!status) cli_i32_list_add(ids, found, n);
    free(found);
    return status ? cli_fail(&err) : CLI_GO;
}

int cli_decode(const tdl_tokenizer *tokenizer, const cli_i32_list *ids, const tdl_decode_desc *desc, cli_buffer *text) {
    if (!tokenizer) {
        cli_error("the model has no tokenizer: its ids have no text (--print-ids)");
        return CLI_FAILURE;
    }
    tdl_error err = {0};
    size_t size_max = 8 * ids->n + 64, size = 0;
    char *found = cli_realloc(NULL, size_max, 1);
    tdl_status status = tdl_tokenizer_decode(tokenizer, ids->items, ids->n, desc, found, size_max, &size, &err);
    if (status == TDL_ERROR_LIMIT && size > size_max) {
        found = cli_realloc(found, size, 1);
        status = tdl_tokenizer_decode(tokenizer, ids->items, ids->n, desc, found, size, &size, &err);
    }
    if (!status) cli_buffer_append(text, found, size);
    free(found);
    return status ? cli_fail(&err) : CLI_GO;
}
