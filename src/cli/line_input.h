// SPDX-License-Identifier: MIT
// line_input.h - messages from stdin: lines of a file or a pipe, or typed at a terminal with editing and history.
//
// At a terminal (with libedit, where the build has it): arrow keys, Ctrl-R, Home and End; what is pasted is one message, with its
// newlines. Ctrl-C drops what was typed. The history lasts as long as the program: messages are not written to a disk.
#ifndef TDL_CLI_LINE_INPUT_H
#define TDL_CLI_LINE_INPUT_H

#include "cli/console.h"

typedef struct cli_line_input cli_line_input;

typedef enum cli_line {
    CLI_LINE_TEXT,        // a line, maybe empty
    CLI_LINE_END,         // of the input; Ctrl-D
    CLI_LINE_INTERRUPTED, // Ctrl-C
    CLI_LINE_FAILED,      // said on stderr
} cli_line;

cli_line_input *cli_line_input_create(const char *prompt); // borrowed until destroy; shown at a terminal only
void cli_line_input_destroy(cli_line_input *input);
// The text is borrowed until the next call; its newline is not part of it.
cli_line cli_line_input_next(cli_line_input *input, tdl_text *text);
// After INTERRUPTED: whether something was typed, which is now dropped. false where lines cannot be edited.
bool cli_line_input_dropped(const cli_line_input *input);

#endif
