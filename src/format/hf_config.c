// SPDX-License-Identifier: MIT
// hf_config.c - flattens JSON into metadata. Untrusted input.
//
// A walk over Jansson's tree that carries the dotted key in one growing string. Depth and key size have limits, because
// a flat key repeats the names of all its parents: without them a small file could ask for a lot of memory.
#include "format/hf_config.h"

#include "base/error.h"
#include "base/json.h"
#include "base/limits.h"

#include <stdio.h>
#include <string.h>

typedef struct walker {
    tdl_meta_table *table;
    tdl_str key;
    const char *name; // the file's
    tdl_error *err;
} walker;

static tdl_status add_value(walker *w, const json_t *value, int depth);
static tdl_status add_children(walker *w, const json_t *value, int depth);
static tdl_status add_child(walker *w, const char *key, const json_t *value, int depth);
static tdl_status add_array(walker *w, const json_t *array, tdl_meta_type element);
static tdl_status add_entry(walker *w, const tdl_meta *value);
static tdl_meta_type element_type(const json_t *array);
static bool copy_string(walker *w, const json_t *value, tdl_text *out);
static tdl_status no_memory(const walker *w);

tdl_status tdl_hf_config_add(tdl_meta_table *table, const char *prefix, const char *text, size_t size, const char *name,
                             tdl_error *err) {
    walker w = {.table = table, .key = tdl_str_make(table->entries.mem), .name = name, .err = err};
    json_t *root = NULL;
    tdl_status status = tdl_json_parse(text, size, name, &root, err);
    if (status) goto cleanup;
    if (!json_is_object(root)) {
        status = tdl_fail(err, TDL_ERROR_FORMAT, "%s: no JSON object", name);
        goto cleanup;
    }
    tdl_str_append(&w.key, prefix, tdl_text_cstr(prefix).size);
    status = add_children(&w, root, 0);
cleanup:
    json_decref(root);
    tdl_str_deinit(&w.key);
    return status;
}

static tdl_status add_value(walker *w, const json_t *value, int depth) {
    tdl_meta meta = {.gguf_type = -1, .gguf_element = -1};
    switch (json_typeof(value)) {
    case JSON_NULL: meta.type = TDL_META_NULL; break;
    case JSON_TRUE:
    case JSON_FALSE:
        meta.type = TDL_META_BOOL;
        meta.boolean = json_is_true(value);
        break;
    case JSON_INTEGER:
        meta.type = TDL_META_INT;
        meta.integer = json_integer_value(value);
        break;
    case JSON_REAL:
        meta.type = TDL_META_FLOAT;
        meta.number = tdl_json_number(value);
        break;
    case JSON_STRING:
        meta.type = TDL_META_STRING;
        if (!copy_string(w, value, &meta.string)) return no_memory(w);
        break;
    case JSON_ARRAY: {
        tdl_meta_type element = element_type(value);
        if (element != TDL_META_NONE) return add_array(w, value, element);
        return add_children(w, value, depth);
    }
    case JSON_OBJECT: return add_children(w, value, depth);
    }
    return add_entry(w, &meta);
}

// The values of an object, or of an array under their indices.
static tdl_status add_children(walker *w, const json_t *value, int depth) {
    tdl_status status = TDL_OK;
    if (depth >= TDL_CONFIG_DEPTH_MAX)
        return tdl_fail(w->err, TDL_ERROR_LIMIT, "%s: '%.*s': nested deeper than %d", w->name, TDL_SHOWN(w->key),
                        TDL_CONFIG_DEPTH_MAX);
    if (json_is_object(value)) {
        const char *key;
        json_t *child;
        json_object_foreach((json_t *)(uintptr_t)value, key, child) // the macro's iterator wants it writable
            if ((status = add_child(w, key, child, depth))) return status;
        return TDL_OK;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        char key[24];
        snprintf(key, sizeof key, "%zu", i);
        if ((status = add_child(w, key, json_array_get(value, i), depth))) return status;
    }
    return TDL_OK;
}

static tdl_status add_child(walker *w, const char *key, const json_t *value, int depth) {
    size_t parent_size = w->key.size;
    bool dot = depth > 0;
    tdl_str_append(&w->key, ".", dot);
    for (size_t n; *key; key += n) { // a key's own dots are none of ours: "a.b" becomes "a\.b"
        n = strcspn(key, ".\\");
        if (!n) tdl_str_append(&w->key, "\\", n = 1);
        tdl_str_append(&w->key, key, n);
    }
    if (w->key.failed) return no_memory(w);
    if (w->key.size > TDL_CONFIG_KEY_SIZE_MAX)
        return tdl_fail(w->err, TDL_ERROR_LIMIT, "%s: key '%.*s...': %zu bytes with its parents', at most %d", w->name,
                        TDL_SHOWN(w->key), w->key.size, TDL_CONFIG_KEY_SIZE_MAX);
    tdl_status status = add_value(w, value, depth + 1);
    w->key.size = parent_size;
    return status;
}

static tdl_status add_array(walker *w, const json_t *array, tdl_meta_type element) {
    size_t n = json_array_size(array);
    if (n > TDL_META_ARRAY_MAX)
        return tdl_fail(w->err, TDL_ERROR_LIMIT, "%s: '%.*s': an array of %zu elements, at most %d", w->name,
                        TDL_SHOWN(w->key), n, TDL_META_ARRAY_MAX);
    size_t element_size = element == TDL_META_STRING ? sizeof(tdl_text) : element == TDL_META_BOOL ? sizeof(bool) : 8;
    void *data = tdl_arena_alloc(&w->table->arena, n, element_size);
    if (!data) return no_memory(w);
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(array, i);
        switch (element) {
        case TDL_META_BOOL: ((bool *)data)[i] = json_is_true(value); break;
        case TDL_META_FLOAT: ((double *)data)[i] = tdl_json_number(value); break;
        case TDL_META_STRING:
            if (!copy_string(w, value, &((tdl_text *)data)[i])) return no_memory(w);
            break;
        default: ((int64_t *)data)[i] = json_integer_value(value); break;
        }
    }
    return add_entry(
        w, &(tdl_meta){
               .type = TDL_META_ARRAY, .element = element, .n = n, .array = data, .gguf_type = -1, .gguf_element = -1});
}

static tdl_status add_entry(walker *w, const tdl_meta *value) {
    const char *key = tdl_arena_strndup(&w->table->arena, w->key.ptr, w->key.size);
    if (!key) return no_memory(w);
    tdl_status status = tdl_meta_table_add(w->table, tdl_text_of(key, w->key.size), value, w->err);
    return status ? tdl_fail_at(w->err, status, w->name) : TDL_OK;
}

// The one type that all elements have; NONE where there is none. An empty array is one of integers.
static tdl_meta_type element_type(const json_t *array) {
    size_t n = json_array_size(array);
    size_t n_bools = 0, n_integers = 0, n_reals = 0, n_strings = 0;
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(array, i);
        n_bools += json_is_boolean(value);
        n_integers += json_is_integer(value);
        n_reals += json_is_real(value);
        n_strings += json_is_string(value);
    }
    if (n_integers == n) return TDL_META_INT;
    if (n_integers + n_reals == n) return TDL_META_FLOAT;
    if (n_bools == n) return TDL_META_BOOL;
    return n_strings == n ? TDL_META_STRING : TDL_META_NONE;
}

static bool copy_string(walker *w, const json_t *value, tdl_text *out) {
    size_t size = json_string_length(value);
    *out = tdl_text_of(tdl_arena_strndup(&w->table->arena, json_string_value(value), size), size);
    return out->ptr != NULL;
}

static tdl_status no_memory(const walker *w) {
    return tdl_fail(w->err, TDL_ERROR_MEMORY, "%s: no memory for its values", w->name);
}
