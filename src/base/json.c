// SPDX-License-Identifier: MIT
// json.c - Jansson reads the text as json_text.c gives it: what Python's json reads is read, and errors are in our form.
//
// Any value may be the root. Jansson bounds nesting itself (2048 levels, JSON_PARSER_MAX_DEPTH). A NUL byte in the text is
// looked for before: Jansson 2.14 loses one that follows a number or a word. Jansson counts lines and columns in what it
// is given, which may be longer than the text: a place that follows a replacement is found again in the text itself.
//
// Jansson allocates past our allocator. Where it runs out it mostly says nothing at all, which becomes MEMORY; inside a
// string it takes the text for faulty, which cannot be told from a real fault.
#include "base/json.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/limits.h"

#include <math.h>
#include <string.h>

typedef struct source {
    tdl_json_text text;
    size_t taken; // bytes of the piece that Jansson has
    bool replaced;
} source;

static tdl_status parse(const char *text, size_t size, const char *what, size_t flags, json_t **out, tdl_error *err);
static size_t give(void *buffer, size_t size, void *data);
static tdl_status fail_at_byte(const char *text, size_t at, const char *what, tdl_status status, const char *fault,
                               tdl_error *err);
static tdl_status status_of(const json_error_t *error);

tdl_status tdl_json_parse(const char *text, size_t size, const char *what, json_t **out, tdl_error *err) {
    return parse(text, size, what, 0, out, err);
}

tdl_status tdl_json_parse_unique(const char *text, size_t size, const char *what, json_t **out, tdl_error *err) {
    return parse(text, size, what, JSON_REJECT_DUPLICATES, out, err);
}

static tdl_status parse(const char *text, size_t size, const char *what, size_t flags, json_t **out, tdl_error *err) {
    if (size > TDL_JSON_SIZE_MAX) {
        return tdl_fail(err, TDL_ERROR_LIMIT, "json: %s: %zu bytes, at most %d", what, size, TDL_JSON_SIZE_MAX);
    }
    if (!size) text = "";
    const char *nul = memchr(text, '\0', size);
    if (nul) return fail_at_byte(text, (size_t)(nul - text), what, TDL_ERROR_FORMAT, "a NUL byte", err);
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        return fail_at_byte(text, 0, what, TDL_ERROR_FORMAT, "a byte order mark, expected plain UTF-8", err);
    json_error_t error = {0};
    source from = {.text = tdl_json_text_make(text, size)};
    json_t *root = json_load_callback(give, &from, flags | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (!root && !error.text[0]) { // Jansson ran out of memory
        return tdl_fail(err, TDL_ERROR_MEMORY, "json: %s: no memory for its values", what);
    }
    if (!root && from.replaced && error.position > 0) {
        size_t at = tdl_json_text_origin(text, size, (size_t)error.position - 1);
        return fail_at_byte(text, at, what, status_of(&error), error.text, err);
    }
    if (!root) {
        return tdl_fail(err, status_of(&error), "json: %s: line %d, column %d: %s", what, error.line, error.column,
                        error.text);
    }
    *out = root;
    return TDL_OK;
}

double tdl_json_number(const json_t *value) {
    if (!json_is_real(value)) return json_number_value(value);
    double number = json_real_value(value);
    if (number >= TDL_JSON_INF) return (double)INFINITY;
    if (number <= -TDL_JSON_INF) return -(double)INFINITY;
    return number == TDL_JSON_NAN ? (double)NAN : number;
}

// A real comes from Jansson in one piece; a string's quotes are pieces of their own.
typedef struct sink {
    tdl_str *str;
    bool in_string;
} sink;

static int append_piece(const char *piece, size_t size, void *data) {
    static const char *const numbers[][2] = {{"1.7976931348623155e308", "NaN"},
                                             {"1.7976931348623157e308", "Infinity"},
                                             {"-1.7976931348623157e308", "-Infinity"}};
    sink *to = data;
    tdl_text text = tdl_text_of(piece, size);
    if (tdl_text_is(text, "\"")) to->in_string = !to->in_string;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && !to->in_string; i++)
        if (tdl_text_is(text, numbers[i][0])) text = tdl_text_cstr(numbers[i][1]);
    return tdl_str_append(to->str, text.ptr, text.size) ? 0 : -1;
}

bool tdl_json_append(tdl_str *str, const json_t *value, size_t flags) {
    sink to = {.str = str};
    return json_dump_callback(value, append_piece, &to, flags) == 0;
}

// Jansson's callback: up to size bytes to the buffer; 0 at the end.
static size_t give(void *buffer, size_t size, void *data) {
    source *from = data;
    size_t n = 0;
    while (n < size) {
        if (from->taken == from->text.piece_size) {
            if (!tdl_json_text_next(&from->text)) break;
            from->taken = 0;
            from->replaced = from->replaced || from->text.replaced;
        }
        size_t rest = from->text.piece_size - from->taken, part = rest < size - n ? rest : size - n;
        memcpy((char *)buffer + n, from->text.piece + from->taken, part);
        from->taken += part;
        n += part;
    }
    return n;
}

tdl_status tdl_json_load(const tdl_allocator *mem, const char *path, json_t **out, tdl_error *err) {
    tdl_file_map map;
    tdl_status status = tdl_file_map_open(mem, path, &map, err);
    if (status != TDL_OK) return status;
    status = tdl_json_parse((const char *)map.data, map.size, path, out, err);
    tdl_file_map_close(&map);
    return status;
}

// Lines and columns count as Jansson's do: a column is a code point, the first is 1.
static tdl_status fail_at_byte(const char *text, size_t at, const char *what, tdl_status status, const char *fault,
                               tdl_error *err) {
    int line = 1, column = 1;
    for (const char *p = text; p < text + at; p++) {
        if (*p == '\n') line++, column = 1;
        else column += ((unsigned char)*p & 0xC0) != 0x80;
    }
    return tdl_fail(err, status, "json: %s: line %d, column %d: %s", what, line, column, fault);
}

static tdl_status status_of(const json_error_t *error) {
    switch (json_error_code(error)) {
    case json_error_out_of_memory: return TDL_ERROR_MEMORY;
    case json_error_stack_overflow: return TDL_ERROR_LIMIT;
    default: return TDL_ERROR_FORMAT;
    }
}
