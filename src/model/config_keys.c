// SPDX-License-Identifier: MIT
// config_keys.c - the table of keys, looked up. See config_keys.def.
#include "model/config_keys.h"

#include "base/error.h"
#include "format/meta_table.h"

#include <stdio.h>
#include <string.h>

typedef struct key_row {
    const char *key;
    const char *uses; // [TDL_FAMILIES] letters
    const char *neutral;
} key_row;

static const key_row hf_rows[] = {
#define TDL_KEY_HF(key, uses, neutral) {key, uses, neutral},
#define TDL_KEY_GGUF(key, uses, neutral)
#include "model/config_keys.def"
#undef TDL_KEY_HF
#undef TDL_KEY_GGUF
};

static const key_row gguf_rows[] = {
#define TDL_KEY_HF(key, uses, neutral)
#define TDL_KEY_GGUF(key, uses, neutral) {key, uses, neutral},
#include "model/config_keys.def"
#undef TDL_KEY_HF
#undef TDL_KEY_GGUF
};

static const key_row *find(const key_row *rows, size_t n, tdl_text key);
static bool is_neutral(const tdl_meta *value, const char *neutral);
static void print_value(const tdl_meta *value, char *text, size_t size);

tdl_key_use tdl_config_key_use(tdl_weights_kind kind, const tdl_arch *arch, tdl_text key, const char **neutral) {
    static const char scaling[] = "rope_scaling.", parameters[] = "rope_parameters.";
    char buffer[64];
    bool gguf = kind == TDL_WEIGHTS_GGUF;
    size_t size = sizeof scaling - 1;
    if (!gguf && key.size > size && key.size < sizeof buffer - sizeof parameters && !memcmp(key.ptr, scaling, size)) {
        snprintf(buffer, sizeof buffer, "%s%.*s", parameters, (int)(key.size - size), key.ptr + size);
        key = tdl_text_cstr(buffer);
    }
    const key_row *row = gguf ? find(gguf_rows, sizeof gguf_rows / sizeof *gguf_rows, key)
                              : find(hf_rows, sizeof hf_rows / sizeof *hf_rows, key);
    if (!row) return TDL_KEY_UNKNOWN;
    if (neutral) *neutral = row->neutral;
    switch (row->uses[tdl_arch_family(arch)]) {
    case 'u': return TDL_KEY_USED;
    case 'h': return TDL_KEY_HARMLESS;
    case 'i': return TDL_KEY_IGNORED;
    default: return TDL_KEY_REFUSED;
    }
}

tdl_status tdl_config_keys_check(const tdl_weights *weights, const tdl_arch *arch, bool strict, tdl_warnings *warnings,
                                 tdl_error *err) {
    tdl_weights_kind kind = tdl_weights_get_kind(weights);
    tdl_text prefix = tdl_weights_meta(weights, "general.architecture").string;
    for (size_t i = 0; i < tdl_weights_n_meta(weights); i++) {
        tdl_text key, full;
        tdl_meta value = tdl_weights_meta_at(weights, i, &full);
        const char *neutral = "";
        char text[96];
        tdl_error said = {0};
        key = full;
        if (kind == TDL_WEIGHTS_GGUF && full.size > prefix.size && full.ptr[prefix.size] == '.' &&
            memcmp(full.ptr, prefix.ptr, prefix.size) == 0)
            key = tdl_text_of(full.ptr + prefix.size, full.size - prefix.size);
        tdl_key_use use = tdl_config_key_use(kind, arch, key, &neutral);
        if (use == TDL_KEY_USED || use == TDL_KEY_HARMLESS || value.type == TDL_META_NULL ||
            (use != TDL_KEY_UNKNOWN && is_neutral(&value, neutral)))
            continue;
        print_value(&value, text, sizeof text);
        if (use == TDL_KEY_REFUSED)
            return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "config: '%.*s' is %s, which is not supported%s%s",
                            TDL_SHOWN(full), text, *neutral ? "; expected, if it is there, " : "", neutral);
        if (use == TDL_KEY_IGNORED)
            tdl_fail(&said, TDL_ERROR_FORMAT, "config: '%.*s' is %s, but %s models do not read it", TDL_SHOWN(full),
                     text, arch->model_type);
        else
            tdl_fail(&said, TDL_ERROR_FORMAT, "config: the key '%.*s' is unknown; nothing reads its value %s",
                     TDL_SHOWN(full), text);
        if (strict) return tdl_fail(err, TDL_ERROR_FORMAT, "%s", said.message);
        if (!tdl_warn(warnings, said.message))
            return tdl_fail(err, TDL_ERROR_MEMORY, "config: no memory for a warning");
    }
    return TDL_OK;
}

static const key_row *find(const key_row *rows, size_t n, tdl_text key) {
    for (const key_row *row = rows; row < rows + n; row++) {
        size_t size = strlen(row->key);
        if (row->key[size - 1] == '*' ? key.size >= size - 1 && memcmp(key.ptr, row->key, size - 1) == 0
                                      : tdl_text_is(key, row->key))
            return row;
    }
    return NULL;
}

// neutral: a whole number.
static bool number_is(double value, tdl_text neutral) {
    bool negative = neutral.size && neutral.ptr[0] == '-';
    double number = 0;
    if (neutral.size == negative) return false;
    for (size_t i = negative; i < neutral.size; i++) {
        if (neutral.ptr[i] < '0' || neutral.ptr[i] > '9') return false;
        number = number * 10 + (neutral.ptr[i] - '0');
    }
    return value == (negative ? -number : number);
}

static bool element_is(const tdl_meta *value, tdl_text neutral) {
    switch (value->type) {
    case TDL_META_BOOL: return tdl_text_is(neutral, value->boolean ? "true" : "false");
    case TDL_META_INT: return number_is((double)value->integer, neutral);
    case TDL_META_FLOAT: return number_is(value->number, neutral);
    case TDL_META_STRING: return tdl_text_equal(neutral, value->string);
    default: return false;
    }
}

static bool value_is(const tdl_meta *value, tdl_text neutral) {
    if (value->type != TDL_META_ARRAY) return element_is(value, neutral);
    if (!value->n) return tdl_text_is(neutral, "[]");
    for (size_t i = 0; i < value->n; i++) {
        tdl_meta one = {.type = value->element};
        switch (value->element) {
        case TDL_META_BOOL: one.boolean = ((const bool *)value->array)[i]; break;
        case TDL_META_INT: one.integer = ((const int64_t *)value->array)[i]; break;
        case TDL_META_FLOAT: one.number = ((const double *)value->array)[i]; break;
        case TDL_META_STRING: one.string = ((const tdl_text *)value->array)[i]; break;
        default: return false;
        }
        if (!element_is(&one, neutral)) return false;
    }
    return true;
}

static bool is_neutral(const tdl_meta *value, const char *neutral) {
    for (size_t n; *neutral; neutral += n + (neutral[n] == '|')) {
        n = strcspn(neutral, "|");
        if (value_is(value, tdl_text_of(neutral, n))) return true;
    }
    return false;
}

static void print_value(const tdl_meta *value, char *text, size_t size) {
    switch (value->type) {
    case TDL_META_BOOL: snprintf(text, size, "%s", value->boolean ? "true" : "false"); break;
    case TDL_META_INT: snprintf(text, size, "%lld", (long long)value->integer); break;
    case TDL_META_UINT: snprintf(text, size, "%llu", (unsigned long long)value->uinteger); break;
    case TDL_META_FLOAT: snprintf(text, size, "%g", value->number); break;
    case TDL_META_STRING:
        snprintf(text, size, "\"%.*s\"", (int)(value->string.size < 40 ? value->string.size : 40), value->string.ptr);
        break;
    case TDL_META_ARRAY: snprintf(text, size, "an array of %zu", value->n); break;
    default: snprintf(text, size, "null"); break;
    }
}
