// SPDX-License-Identifier: MIT
// prompt_args.h - the flags that give a text or its ids, and turning the one into the other.
#ifndef TDL_CLI_PROMPT_ARGS_H
#define TDL_CLI_PROMPT_ARGS_H

#include "cli/console.h"
#include "cli/options.h"

typedef struct cli_prompt_args {
    const char *text, *file; // at most one, unless ids are given
    cli_i32_list ids;
    bool bos, no_bos, special;
} cli_prompt_args;

cli_option_group cli_prompt_group(cli_prompt_args *args);
void cli_prompt_deinit(cli_prompt_args *args);

// Reads the one source that was given into *text (left empty for ids). `default_file` is used where none was; NULL:
// that is a usage error. CLI_GO or an exit code.
int cli_prompt_read(const char *command, cli_prompt_args *args, const char *default_file, cli_buffer *text);

// Appends the prompt's ids to *ids. CLI_GO or an exit code.
int cli_prompt_encode(const cli_prompt_args *args, const tdl_tokenizer *tokenizer, const cli_buffer *text,
                      cli_i32_list *ids);

// Says where a prompt has no ids. CLI_GO or an exit code.
int cli_prompt_check(const char *command, const cli_prompt_args *args, const cli_i32_list *ids);

// Appends the ids of a text. desc may be NULL. CLI_GO or an exit code.
int cli_encode(const tdl_tokenizer *tokenizer, const char *text, size_t size, const tdl_encode_desc *desc,
               cli_i32_list *ids);
int cli_encode_segments(const tdl_tokenizer *tokenizer, const tdl_segment *segments, size_t n_segments,
                        const tdl_encode_desc *desc, cli_i32_list *ids);
// Appends the text of ids. CLI_GO or an exit code.
int cli_decode(const tdl_tokenizer *tokenizer, const cli_i32_list *ids, const tdl_decode_desc *desc, cli_buffer *text);

#endif
