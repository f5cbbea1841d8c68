// json.h - Jansson with our statuses, limits and messages. Untrusted input.
//
// Values are Jansson's json_t, read with Jansson's own accessors; json_decref frees the root.
#ifndef TDL_BASE_JSON_H
#define TDL_BASE_JSON_H

#include "treadle.h"

#include <jansson.h>

// Parses one JSON text. `what` names it in messages: "json: config.json: line 3: ...". Duplicate keys, nesting over the
// library's limit, NUL in keys and invalid UTF-8 are errors. Errors: FORMAT, LIMIT, MEMORY.
tdl_status tdl_json_parse(const char *text, size_t size, const char *what, json_t **out, tdl_error *err);
// Maps, parses, closes the file.
tdl_status tdl_json_load(const tdl_allocator *mem, const char *path, json_t **out, tdl_error *err);

#endif
