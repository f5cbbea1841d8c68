// SPDX-License-Identifier: MIT
// json.h - Jansson with our statuses, limits and messages, reading what Python's json module reads. Untrusted input.
//
// Values are Jansson's json_t, read with Jansson's own accessors but for one: a number that may be a real is read with
// tdl_json_number, since Jansson has no numbers that are not finite. json_decref frees the root.
#ifndef TDL_BASE_JSON_H
#define TDL_BASE_JSON_H

#include "base/str.h"

#include <jansson.h>

// Parses one JSON text. `what` names it in messages: "json: config.json: line 3: ...". As Python does it reads NaN and
// Infinity, integers outside int64 (as reals), halves of surrogate pairs (as U+FFFD), and of equal keys the last one. A
// NUL in a key becomes TDL_JSON_KEY_NUL. Nesting over the library's limit and invalid UTF-8 are errors.
// Errors: FORMAT, LIMIT, MEMORY.
tdl_status tdl_json_parse(const char *text, size_t size, const char *what, json_t **out, tdl_error *err);
// The same, but equal keys of an object are an error: for formats that forbid them.
tdl_status tdl_json_parse_unique(const char *text, size_t size, const char *what, json_t **out, tdl_error *err);
// Maps, parses, closes the file.
tdl_status tdl_json_load(const tdl_allocator *mem, const char *path, json_t **out, tdl_error *err);

// An integer or a real as a double, NaN and infinity among them; 0 for what is no number.
double tdl_json_number(const json_t *value);

// Appends the value as JSON that Python reads, with NaN and Infinity where they were read. flags are Jansson's. False: no
// memory.
bool tdl_json_append(tdl_str *str, const json_t *value, size_t flags);

// What stands for a NUL in an object's key: U+FDD0, a code point that is no character.
#define TDL_JSON_KEY_NUL "\xEF\xB7\x90"

#endif
