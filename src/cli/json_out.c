// SPDX-License-Identifier: MIT
// json_out.c - see json_out.h.
#include "cli/json_out.h"

#include "cli/console.h"
#include "cli/options.h"
#include "cli/shown.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *check(json_t *value);
static json_t *cli_json_u64(uint64_t value);
static json_t *next_value(char kind, va_list *args);
static void print(json_t *root, size_t flags);

json_t *cli_json_pack(const char *format, ...) {
    va_list args;
    va_start(args, format);
    json_t *root = check(json_object());
    // "{s:X, s:X}"
    for (const char *at = format; (at = strstr(at, "s:")); at += 3) {
        const char *key = va_arg(args, const char *);
        if (json_object_set_new(root, key, next_value(at[2], &args))) check(NULL);
    }
    va_end(args);
    return root;
}

static json_t *next_value(char kind, va_list *args) {
    const char *text;
    switch (kind) {
    case 's': text = va_arg(*args, const char *); return text ? cli_json_text(text, strlen(text)) : check(json_null());
    case 'i': return check(json_integer(va_arg(*args, int)));
    case 'I': return check(json_integer(va_arg(*args, json_int_t)));
    case 'u': return cli_json_u64(va_arg(*args, uint64_t));
    case 'f': return cli_json_real(va_arg(*args, double));
    case 'b': return check(json_boolean(va_arg(*args, int)));
    default: assert(kind == 'o'); return check(va_arg(*args, json_t *));
    }
}

json_t *cli_json_text(const char *text, size_t size) {
    cli_buffer valid = {0};
    cli_append_shown(&valid, text, size, CLI_SHOWN_UTF8);
    json_t *value = check(json_stringn_nocheck(valid.data, valid.size));
    cli_buffer_deinit(&valid);
    return value;
}

// Jansson's integers end at 2^63 - 1, and most readers' well before: what is above is text.
static json_t *cli_json_u64(uint64_t value) {
    char digits[24];
    if (value <= INT64_MAX) return check(json_integer((json_int_t)value));
    snprintf(digits, sizeof digits, "%" PRIu64, value);
    return cli_json_text(digits, strlen(digits));
}

json_t *cli_json_real(double value) { return check(isfinite(value) ? json_real(value) : json_null()); }

json_t *cli_json_array(void) { return check(json_array()); }

void cli_json_append(json_t *array, json_t *item) {
    if (json_array_append_new(array, check(item))) check(NULL);
}

void cli_print_json(json_t *root) {
    print(root, 0);
    json_decref(root);
}

void cli_print_json_line(json_t *root) { print(root, JSON_COMPACT); }

static void print(json_t *root, size_t flags) {
    char *text = json_dumps(check(root), flags | JSON_REAL_PRECISION(9));
    if (!text) check(NULL);
    cli_printf("%s\n", text);
    free(text);
}

// Values are valid by now, so that a NULL says that memory ran out.
static json_t *check(json_t *value) {
    if (value) return value;
    cli_error("no memory for JSON");
    exit(CLI_FAILURE);
}
