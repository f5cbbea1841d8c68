// SPDX-License-Identifier: MIT
// cmd_detokenize.c - treadle detokenize: ids to text. Opens the tokenizer only: no weights are read.
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/options.h"
#include "cli/prompt_args.h"

#include <string.h>

static const char about[] =
    "Prints the text of token ids, to the byte, without a newline of its own. The ids come from the arguments or from\n"
    "stdin, separated by spaces, newlines or commas.";

static int read_ids(cli_i32_list *ids);

int cmd_detokenize(int argc, char **argv) {
    tdl_model_desc model = {.size = sizeof model};
    tdl_tokenizer *tokenizer = NULL;
    cli_i32_list ids = {0};
    cli_buffer text = {0};
    tdl_error err = {0};
    bool special = false;
    const cli_option_group groups[] = {
        {.title = "Options",
         .options = {
             {"m", "model", CLI_TEXT, "MODEL", &model.path, 0, 0, "the model; the first argument is the same"},
             {NULL, "special", CLI_FLAG, NULL, &special, 0, 0, "print special tokens too, as they are spelled"}}}};
    const cli_command command = {.name = "detokenize",
                                 .synopsis = "MODEL [options] [IDS...]",
                                 .about = about,
                                 .groups = groups,
                                 .n_groups = sizeof groups / sizeof groups[0],
                                 .model = &model.path,
                                 .more_ids = &ids};
    int code = cli_parse(&command, argc, argv);
    if (code == CLI_GO && tdl_tokenizer_open(&model, &tokenizer, &err)) code = cli_fail(&err);
    if (code == CLI_GO && ids.n == 0) code = read_ids(&ids);
    const tdl_decode_desc desc = {.size = sizeof desc, .skip_special = !special};
    if (code == CLI_GO) code = cli_decode(tokenizer, &ids, &desc, &text);
    if (code == CLI_GO) {
        cli_write(text.data, text.size);
        code = CLI_OK;
    }
    cli_buffer_deinit(&text);
    cli_i32_list_deinit(&ids);
    tdl_tokenizer_close(tokenizer);
    return code;
}

static int read_ids(cli_i32_list *ids) {
    cli_buffer input = {0};
    if (!cli_read_file("-", &input)) return cli_interrupted() ? CLI_INTERRUPTED : CLI_FAILURE;
    const char *bad = NULL;
    int code = CLI_GO;
    const char *nul = input.size ? memchr(input.data, 0, input.size) : NULL;
    if (nul) { // the ids behind it would be lost
        cli_error("stdin: byte %zu: a NUL byte: token ids expected", (size_t)(nul - input.data));
        code = CLI_FAILURE;
    } else if (input.data && !cli_parse_ids(input.data, 0, INT32_MAX, ids, &bad)) {
        cli_error("stdin: byte %zu: '%.20s': token ids expected", (size_t)(bad - input.data), bad);
        code = CLI_FAILURE;
    }
    cli_buffer_deinit(&input);
    return code;
}
