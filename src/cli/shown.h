// SPDX-License-Identifier: MIT
// shown.h - text that others wrote, made fit to be shown.
//
// A model's name, a tensor's, an adapter's, and what a model writes may hold anything: escape sequences that a terminal obeys,
// characters that turn the direction of a line, bytes that are no text. Each such character or byte is shown as U+FFFD.
// Names are shown so everywhere. What a model writes is shown so on a terminal only: a pipe or a file gets it to the byte.
#ifndef TDL_CLI_SHOWN_H
#define TDL_CLI_SHOWN_H

#include "cli/console.h"

typedef enum cli_shown {
    CLI_SHOWN_NAME, // one line: no newline, no tab, nothing that turns the direction
    CLI_SHOWN_TEXT, // newlines and tabs stay
    CLI_SHOWN_UTF8, // any character, bytes that are part of none replaced: what JSON can hold
} cli_shown;

void cli_append_shown(cli_buffer *out, const char *text, size_t size, cli_shown kind);
// A name as the line `label` + name: "name          abc\n". Nothing where the name is empty.
void cli_print_name(const char *label, const char *name);

#endif
