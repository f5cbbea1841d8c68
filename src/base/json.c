// json.c - Jansson, asked to be strict, and its errors in our form.
//
// Any value may be the root. A NUL is allowed inside a string, since vocabularies have such tokens, but not in a key,
// which Jansson hands out as a C string. Jansson bounds nesting itself (2048 levels, JSON_PARSER_MAX_DEPTH).
// Numbers that do not fit 64-bit integers or doubles are errors. A NUL byte in the text is looked for before: Jansson
// 2.14 loses one that follows a number or a word.
//
// Jansson allocates past our allocator. Where it runs out it mostly says nothing at all, which becomes MEMORY; inside a
// string it takes the text for faulty, which cannot be told from a real fault.
#include "base/json.h"

#include "base/error.h"
#include "base/file.h"
#include "base/limits.h"

#include <string.h>

static tdl_status fail_nul(const char *text, const char *nul, const char *what, tdl_error *err);
static tdl_status status_of(const json_error_t *error);

tdl_status tdl_json_parse(const char *text, size_t size, const char *what, json_t **out, tdl_error *err) {
    if (size > TDL_JSON_SIZE_MAX) {
        return tdl_fail(err, TDL_ERROR_LIMIT, "json: %s: %zu bytes, at most %d", what, size, TDL_JSON_SIZE_MAX);
    }
    const char *nul = size ? memchr(text, '\0', size) : NULL;
    if (nul) return fail_nul(text, nul, what, err);
    json_error_t error = {0};
    json_t *root =
        json_loadb(size ? text : "", size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (!root && !error.text[0]) { // Jansson ran out of memory
        return tdl_fail(err, TDL_ERROR_MEMORY, "json: %s: no memory for its values", what);
    }
    if (!root) {
        return tdl_fail(err, status_of(&error), "json: %s: line %d, column %d: %s", what, error.line, error.column,
                        error.text);
    }
    *out = root;
    return TDL_OK;
}

tdl_status tdl_json_load(const tdl_allocator *mem, const char *path, json_t **out, tdl_error *err) {
    tdl_file_map map;
    tdl_status status = tdl_file_map_open(mem, path, &map, err);
    if (status != TDL_OK) return status;
    status = tdl_json_parse((const char *)map.data, map.size, path, out, err);
    tdl_file_map_close(&map);
    return status;
}

static tdl_status fail_nul(const char *text, const char *nul, const char *what, tdl_error *err) {
    int line = 1, column = 1;
    for (const char *p = text; p < nul; p++) {
        column = *p == '\n' ? 1 : column + 1;
        line += *p == '\n';
    }
    return tdl_fail(err, TDL_ERROR_FORMAT, "json: %s: line %d, column %d: a NUL byte", what, line, column);
}

static tdl_status status_of(const json_error_t *error) {
    switch (json_error_code(error)) {
    case json_error_out_of_memory: return TDL_ERROR_MEMORY;
    case json_error_stack_overflow: return TDL_ERROR_LIMIT;
    default: return TDL_ERROR_FORMAT;
    }
}
