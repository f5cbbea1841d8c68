// SPDX-License-Identifier: MIT
// json_out.h - results as JSON that is always valid, whatever the values are.
//
//     cli_print_json(cli_json_pack("{s:s, s:f, s:o}", "name", name, "loss", loss, "ids", array));
//
// Text with bytes that are no UTF-8 has U+FFFD in their place, a number that is not finite is null. So the only thing
// that can go wrong is memory, which ends the process with a message (console.h).
#ifndef TDL_CLI_JSON_OUT_H
#define TDL_CLI_JSON_OUT_H

#include <jansson.h>
#include <stddef.h>

// An object. `format` is json_pack's, of these: s (text, NULL: null), i, I, u (uint64_t), f, b,
// o (takes the reference). Never NULL.
json_t *cli_json_pack(const char *format, ...);
json_t *cli_json_text(const char *text, size_t size);
json_t *cli_json_real(double value);
json_t *cli_json_array(void);
void cli_json_append(json_t *array, json_t *item); // takes the reference

void cli_print_json(json_t *root);      // on one line; takes the reference
void cli_print_json_line(json_t *root); // the same without spaces, for JSON Lines; borrows

#endif
