// SPDX-License-Identifier: MIT
// safetensors.c - the safetensors parser. Untrusted input.
//
// The header is read in one pass, value by value: a tree of a million tensors would cost ten times as much. Every tensor is
// checked: its type, its dimensions, and that its offsets lie in the data section and fit its size. Sorted by offset,
// the tensors must then follow each other exactly and end at the file's end, as the format demands: a gap could hide
// other content in the file. Tensors of types that treadle lacks are listed with the type's name, and their offsets are
// believed as far as they fit the others: most are masks and counters that no model needs.
#include "format/safetensors.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/json_scan.h"
#include "base/limits.h"
#include "format/extent.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LENGTH_SIZE = 8 };

typedef struct dtype_row {
    const char *name;
    tdl_dtype dtype; // NONE: treadle has no such tensors
    int size;        // bytes an element
} dtype_row;

static const dtype_row dtype_rows[] = {
    {"F32", TDL_DTYPE_F32, 4},      {"F16", TDL_DTYPE_F16, 2},      {"BF16", TDL_DTYPE_BF16, 2},
    {"I8", TDL_DTYPE_I8, 1},        {"U8", TDL_DTYPE_U8, 1},        {"I32", TDL_DTYPE_I32, 4},
    {"BOOL", TDL_DTYPE_NONE, 1},    {"I16", TDL_DTYPE_NONE, 2},     {"U16", TDL_DTYPE_NONE, 2},
    {"U32", TDL_DTYPE_NONE, 4},     {"I64", TDL_DTYPE_NONE, 8},     {"U64", TDL_DTYPE_NONE, 8},
    {"F64", TDL_DTYPE_NONE, 8},     {"F8_E4M3", TDL_DTYPE_NONE, 1}, {"F8_E5M2", TDL_DTYPE_NONE, 1},
    {"F8_E8M0", TDL_DTYPE_NONE, 1}, {"C64", TDL_DTYPE_NONE, 8},
};

// What the header says of one tensor.
typedef struct entry {
    tdl_text name, dtype;
    bool has_shape, has_offsets;
    int32_t n_dims;
    int64_t shape[TDL_DIMS_MAX];
    int64_t n_elements;
    int64_t begin, end; // in the data section
} entry;

typedef struct parser {
    tdl_json_scan scan;
    const uint8_t *data;         // NULL: not at hand
    uint64_t data_at, data_size; // where the data section begins, and its bytes
    tdl_safetensors out;
    tdl_vec extents; // tdl_extent, of each tensor
} parser;

static tdl_status parse_header(parser *p);
static tdl_status parse_metadata(parser *p);
static tdl_status parse_entry(parser *p, tdl_text name);
static tdl_status parse_fields(parser *p, entry *e);
static tdl_status parse_shape(parser *p, entry *e);
static tdl_status parse_offsets(parser *p, entry *e);
static tdl_status check_entry(parser *p, const entry *e, const dtype_row *row);
static tdl_status add_tensor(parser *p, const entry *e, const dtype_row *row);
static tdl_status check_cover(const parser *p);

tdl_status tdl_safetensors_header_size(const uint8_t *bytes, uint64_t file_size, size_t *size, tdl_error *err) {
    uint64_t header_size;
    if (file_size < LENGTH_SIZE)
        return tdl_fail(err, TDL_ERROR_FORMAT, "safetensors: a file of %" PRIu64 " bytes, expected at least %d",
                        file_size, LENGTH_SIZE);
    memcpy(&header_size, bytes, sizeof header_size);
    if (header_size > TDL_SAFETENSORS_HEADER_MAX)
        return tdl_fail(err, TDL_ERROR_LIMIT, "safetensors: a header of %" PRIu64 " bytes, at most %d", header_size,
                        TDL_SAFETENSORS_HEADER_MAX);
    if (header_size > file_size - LENGTH_SIZE)
        return tdl_fail(err, TDL_ERROR_FORMAT, "safetensors: a header of %" PRIu64 " bytes in a file of %" PRIu64,
                        header_size, file_size);
    *size = LENGTH_SIZE + (size_t)header_size;
    return TDL_OK;
}

tdl_status tdl_safetensors_parse(const tdl_allocator *mem, const tdl_safetensors_source *source, tdl_safetensors *out,
                                 tdl_error *err) {
    size_t size = 0;
    tdl_status status = tdl_safetensors_header_size(source->bytes, source->file_size, &size, err);
    if (status) return status;
    if (size > source->size)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "safetensors: %zu bytes of a header of %zu", source->size, size);
    parser p = {.data = source->size == source->file_size ? source->bytes + size : NULL,
                .data_at = size,
                .data_size = source->file_size - size};
    tdl_arena_init(&p.out.arena, mem);
    p.out.tensors = tdl_vec_make(mem, sizeof(tdl_safetensors_tensor));
    p.out.index = tdl_map_make(mem);
    p.out.metadata = tdl_vec_make(mem, sizeof(tdl_safetensors_text));
    p.extents = tdl_vec_make(mem, sizeof(tdl_extent));
    p.scan = (tdl_json_scan){.text = (const char *)source->bytes + LENGTH_SIZE,
                             .size = size - LENGTH_SIZE,
                             .what = "header",
                             .arena = &p.out.arena,
                             .err = err};
    status = parse_header(&p);
    if (!status) status = check_cover(&p);
    tdl_vec_deinit(&p.extents);
    if (status) tdl_safetensors_deinit(&p.out);
    else *out = p.out;
    return status;
}

void tdl_safetensors_deinit(tdl_safetensors *file) {
    tdl_vec_deinit(&file->metadata);
    tdl_map_deinit(&file->index);
    tdl_vec_deinit(&file->tensors);
    tdl_arena_deinit(&file->arena);
}

const tdl_safetensors_tensor *tdl_safetensors_find(const tdl_safetensors *file, const char *name) {
    int32_t i;
    if (!tdl_map_get(&file->index, tdl_text_cstr(name), &i)) return NULL;
    return tdl_vec_at(&file->tensors, const tdl_safetensors_tensor, i);
}

tdl_text tdl_safetensors_metadata(const tdl_safetensors *file, const char *key) {
    for (size_t i = 0; i < file->metadata.n; i++) {
        const tdl_safetensors_text *text = tdl_vec_at(&file->metadata, const tdl_safetensors_text, i);
        if (tdl_text_is(text->key, key)) return text->value;
    }
    return tdl_text_of(NULL, 0);
}

static tdl_status parse_header(parser *p) {
    tdl_json_scan *s = &p->scan;
    if (tdl_json_scan_peek(s) == '[')
        return tdl_fail(s->err, TDL_ERROR_FORMAT, "safetensors: the header is no JSON object");
    bool has_metadata = false;
    tdl_status status = tdl_json_scan_open(s, '{');
    for (bool more; !status && !(status = tdl_json_scan_more(s, '}', &more)) && more;) {
        tdl_text name;
        if ((status = tdl_json_scan_key(s, &name))) break;
        bool is_metadata = tdl_text_is(name, "__metadata__");
        if (is_metadata && has_metadata) status = tdl_fail(s->err, TDL_ERROR_FORMAT, "__metadata__ appears twice");
        else status = is_metadata ? parse_metadata(p) : parse_entry(p, name);
        has_metadata = has_metadata || is_metadata;
    }
    if (!status) status = tdl_json_scan_end(s);
    return status ? tdl_fail_at(s->err, status, "safetensors") : TDL_OK;
}

static tdl_status parse_metadata(parser *p) {
    tdl_json_scan *s = &p->scan;
    if (tdl_json_scan_peek(s) != '{') return tdl_fail(s->err, TDL_ERROR_FORMAT, "__metadata__ is no JSON object");
    tdl_status status = tdl_json_scan_open(s, '{');
    for (bool more; !status && !(status = tdl_json_scan_more(s, '}', &more)) && more;) {
        tdl_safetensors_text text;
        if ((status = tdl_json_scan_key(s, &text.key))) break;
        if (tdl_json_scan_peek(s) != '"')
            return tdl_fail(s->err, TDL_ERROR_FORMAT, "__metadata__ key '%.*s' is no string", TDL_SHOWN(text.key));
        if ((status = tdl_json_scan_string(s, &text.value))) break;
        if (p->out.metadata.n == TDL_META_KEYS_MAX)
            return tdl_fail(s->err, TDL_ERROR_LIMIT, "more than %d keys in __metadata__", TDL_META_KEYS_MAX);
        if (!tdl_vec_push(&p->out.metadata, &text, 1))
            return tdl_fail(s->err, TDL_ERROR_MEMORY, "no memory for __metadata__");
    }
    return status;
}

static tdl_status parse_entry(parser *p, tdl_text name) {
    static const dtype_row unknown = {.size = 0};
    const dtype_row *row = &unknown;
    entry e = {.name = name};
    tdl_status status = parse_fields(p, &e);
    for (size_t i = 0; i < sizeof dtype_rows / sizeof *dtype_rows && !status; i++)
        if (tdl_text_is(e.dtype, dtype_rows[i].name)) row = &dtype_rows[i];
    if (!status) status = check_entry(p, &e, row);
    return status ? status : add_tensor(p, &e, row);
}

static tdl_status parse_fields(parser *p, entry *e) {
    tdl_json_scan *s = &p->scan;
    if (tdl_json_scan_peek(s) != '{')
        return tdl_fail(s->err, TDL_ERROR_FORMAT, "tensor '%.*s': no JSON object", TDL_SHOWN(e->name));
    tdl_status status = tdl_json_scan_open(s, '{');
    for (bool more; !status && !(status = tdl_json_scan_more(s, '}', &more)) && more;) {
        tdl_text key;
        if ((status = tdl_json_scan_key(s, &key))) break;
        bool is_dtype = tdl_text_is(key, "dtype"), is_shape = tdl_text_is(key, "shape");
        bool is_offsets = tdl_text_is(key, "data_offsets");
        if ((is_dtype && e->dtype.ptr) || (is_shape && e->has_shape) || (is_offsets && e->has_offsets))
            return tdl_fail(s->err, TDL_ERROR_FORMAT, "tensor '%.*s': '%.*s' appears twice", TDL_SHOWN(e->name),
                            TDL_SHOWN(key));
        if (is_dtype && tdl_json_scan_peek(s) == '"') status = tdl_json_scan_string(s, &e->dtype);
        else if (is_shape && tdl_json_scan_peek(s) == '[') status = parse_shape(p, e);
        else if (is_offsets) status = parse_offsets(p, e);
        else status = tdl_json_scan_skip(s);
    }
    if (status) return status;
    const char *missing = !e->dtype.ptr ? "string 'dtype'" : !e->has_shape ? "array 'shape'" : "'data_offsets'";
    if (e->dtype.ptr && e->has_shape && e->has_offsets) return TDL_OK;
    return tdl_fail(s->err, TDL_ERROR_FORMAT, "tensor '%.*s': no %s", TDL_SHOWN(e->name), missing);
}

static tdl_status parse_shape(parser *p, entry *e) {
    tdl_json_scan *s = &p->scan;
    tdl_status status = tdl_json_scan_open(s, '[');
    e->has_shape = true;
    e->n_elements = 1;
    int32_t n = 0;
    for (bool more; !status && !(status = tdl_json_scan_more(s, ']', &more)) && more; n++) {
        int64_t dim;
        if (!tdl_json_scan_integer(s, &dim) || dim < 0)
            return tdl_fail(s->err, TDL_ERROR_FORMAT, "tensor '%.*s': dimension %d is no integer from 0 on",
                            TDL_SHOWN(e->name), n);
        if (n < TDL_DIMS_MAX) e->shape[n] = dim;
        if (!tdl_mul_i64(e->n_elements, dim, &e->n_elements))
            return tdl_fail(s->err, TDL_ERROR_FORMAT, "tensor '%.*s': more than 2^63-1 elements", TDL_SHOWN(e->name));
    }
    if (status) return status;
    if (n > TDL_DIMS_MAX)
        return tdl_fail(s->err, TDL_ERROR_LIMIT, "tensor '%.*s': %d dimensions, at most %d", TDL_SHOWN(e->name), n,
                        TDL_DIMS_MAX);
    if (n == 0) e->shape[n++] = 1;
    e->n_dims = n;
    return TDL_OK;
}

static tdl_status parse_offsets(parser *p, entry *e) {
    tdl_json_scan *s = &p->scan;
    bool ok = tdl_json_scan_peek(s) == '[', more = false;
    tdl_status status = ok ? tdl_json_scan_open(s, '[') : TDL_OK;
    int64_t *const values[] = {&e->begin, &e->end};
    for (int i = 0; i < 2 && ok && !status; i++) {
        status = tdl_json_scan_more(s, ']', &more);
        ok = more && !status && tdl_json_scan_integer(s, values[i]);
    }
    if (ok && !status) status = tdl_json_scan_more(s, ']', &more);
    if (status) return status;
    if (!ok || more)
        return tdl_fail(s->err, TDL_ERROR_FORMAT, "tensor '%.*s': 'data_offsets' is no array of two integers",
                        TDL_SHOWN(e->name));
    e->has_offsets = true;
    return TDL_OK;
}

static tdl_status check_entry(parser *p, const entry *e, const dtype_row *row) {
    tdl_error *err = p->scan.err;
    uint64_t size = 0;
    if (row->size && __builtin_mul_overflow((uint64_t)e->n_elements, (uint64_t)row->size, &size))
        return tdl_fail(err, TDL_ERROR_FORMAT, "tensor '%.*s': more than 2^64-1 bytes", TDL_SHOWN(e->name));
    if (e->begin < 0 || e->end < e->begin || (uint64_t)e->end > p->data_size)
        return tdl_fail(err, TDL_ERROR_FORMAT,
                        "tensor '%.*s': data_offsets [%" PRId64 ", %" PRId64 "] of a data section of %" PRIu64 " bytes",
                        TDL_SHOWN(e->name), e->begin, e->end, p->data_size);
    if (row->size && (uint64_t)(e->end - e->begin) != size)
        return tdl_fail(err, TDL_ERROR_FORMAT,
                        "tensor '%.*s': data_offsets span %" PRId64 " bytes, its dtype and shape need %" PRIu64,
                        TDL_SHOWN(e->name), e->end - e->begin, size);
    if (p->out.tensors.n == TDL_TENSORS_MAX)
        return tdl_fail(err, TDL_ERROR_LIMIT, "more than %d tensors", TDL_TENSORS_MAX);
    return TDL_OK;
}

static tdl_status add_tensor(parser *p, const entry *e, const dtype_row *row) {
    tdl_error *err = p->scan.err;
    size_t i = p->out.tensors.n;
    tdl_extent extent = {.offset = (uint64_t)e->begin, .size = (uint64_t)(e->end - e->begin), .owner = i};
    int32_t number = (int32_t)i;
    tdl_safetensors_tensor *t = tdl_vec_add(&p->out.tensors);
    if (!t || !tdl_vec_push(&p->extents, &extent, 1) || !tdl_map_add(&p->out.index, e->name, &number))
        return tdl_fail(err, TDL_ERROR_MEMORY, "no memory for a list of %zu tensors", i + 1);
    if (number != (int32_t)i) return tdl_fail(err, TDL_ERROR_FORMAT, "tensor '%.*s' appears twice", TDL_SHOWN(e->name));
    t->name = e->name;
    t->offset = p->data_at + extent.offset;
    if (!row->dtype) {
        t->odd_type = e->dtype;
    } else if (e->n_elements == 0) {
        char text[64];
        int size = snprintf(text, sizeof text, "%s of no elements", row->name);
        t->odd_type = tdl_text_of(tdl_arena_strndup(&p->out.arena, text, (size_t)size), (size_t)size);
        if (!t->odd_type.ptr) return tdl_fail(err, TDL_ERROR_MEMORY, "no memory for a tensor's type");
    }
    if (t->odd_type.ptr) return TDL_OK;
    // const is only for the parser's caller: tensors of weights are not written to.
    uint8_t *data = p->data ? (uint8_t *)(uintptr_t)p->data + extent.offset : NULL;
    return tdl_tensor_make(row->dtype, e->n_dims, e->shape, data, &t->tensor, err);
}

// Sorts the extents; each must begin where the one before ends, the first at 0, and the last must end with the data.
static tdl_status check_cover(const parser *p) {
    size_t n = p->out.tensors.n;
    const tdl_safetensors_tensor *tensors = p->out.tensors.data;
    tdl_extent *extents = p->extents.data;
    tdl_error *err = p->scan.err;
    tdl_extent_sort(extents, n);
    size_t second = tdl_extent_find_overlap(extents, n);
    if (second < n)
        return tdl_fail(err, TDL_ERROR_FORMAT,
                        "safetensors: tensors '%.*s' and '%.*s' overlap at byte %" PRIu64 " of the data",
                        TDL_SHOWN(tensors[extents[second - 1].owner].name),
                        TDL_SHOWN(tensors[extents[second].owner].name), extents[second].offset);
    uint64_t end = 0;
    for (size_t i = 0; i < n; i++) {
        if (extents[i].offset != end)
            return tdl_fail(err, TDL_ERROR_FORMAT,
                            "safetensors: bytes %" PRIu64 " to %" PRIu64 " of the data, before tensor "
                            "'%.*s', belong to no tensor",
                            end, extents[i].offset, TDL_SHOWN(tensors[extents[i].owner].name));
        end += extents[i].size;
    }
    if (end != p->data_size)
        return tdl_fail(err, TDL_ERROR_FORMAT,
                        "safetensors: the tensors end at byte %" PRIu64 " of the data, the file at byte "
                        "%" PRIu64,
                        end, p->data_size);
    return TDL_OK;
}
