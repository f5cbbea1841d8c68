// SPDX-License-Identifier: MIT
// gguf.c - the GGUF parser. Untrusted input.
//
// A file is: magic, version, two counts; the metadata, each a key, a type and a value; the tensor infos, each a name,
// dimensions (innermost first), a type and an offset; padding; the data section. Everything is read through a cursor
// that knows two ends: that of the bytes at hand and that of the file. Running over the first is PENDING (a caller that
// reads through callbacks has only a prefix), over the second is an error.
//
// A count is believed only where the bytes left in the file can hold that many of the smallest possible element, before
// anything is allocated for it; so memory stays in proportion to the file. Arrays of numbers are widened to the one
// type that metadata has for them; arrays of strings are one allocation of texts that point into the file.
#include "format/gguf.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "format/extent.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values and tensor data are used as they lie in the file");

enum {
    META_SIZE_MIN = 8 + 1 + 4 + 1,           // key size, key, type, value
    TENSOR_SIZE_MIN = 8 + 1 + 4 + 8 + 4 + 8, // name size, name, number of dimensions, one of them, type, offset
    STRING_SIZE_MIN = 8,
};

typedef struct cursor {
    const uint8_t *bytes; // [size]
    size_t size, pos;
    uint64_t file_size;
    tdl_error *err;
} cursor;

static tdl_status parse_header(cursor *c, tdl_gguf *gguf, uint64_t *n_tensors, uint64_t *n_meta);
static tdl_status parse_meta(cursor *c, tdl_gguf *gguf);
static tdl_status parse_value(cursor *c, tdl_gguf *gguf, tdl_text key, tdl_meta *value);
static tdl_status parse_array(cursor *c, tdl_gguf *gguf, tdl_text key, tdl_meta *value);
static tdl_status parse_string_array(cursor *c, tdl_gguf *gguf, tdl_text key, tdl_meta *value);
static tdl_status parse_number_array(cursor *c, tdl_gguf *gguf, tdl_text key, tdl_meta *value);
static tdl_status parse_number(cursor *c, tdl_text key, uint32_t type, tdl_meta *value);
static void store_number(tdl_meta_type as, const tdl_meta *number, void *array, size_t i);
static tdl_status find_alignment(const cursor *c, const tdl_gguf *gguf, uint64_t *alignment);
static tdl_status parse_tensor(cursor *c, tdl_gguf_tensor *out);
static void name_type(uint32_t type, char *name, size_t size);
static tdl_status parse_shape(cursor *c, tdl_text name, int32_t *n_dims, int64_t *shape);
static tdl_status check_layout(const tdl_allocator *mem, const cursor *c, tdl_gguf *gguf, uint64_t alignment);
static tdl_status check_gaps(const cursor *c, tdl_gguf *gguf, const tdl_extent *extents, uint64_t data_offset,
                             uint64_t alignment);
static tdl_status need(const cursor *c, uint64_t n, const char *what);
static tdl_status read_bytes(cursor *c, void *out, size_t n, const char *what);
static tdl_status read_u32(cursor *c, uint32_t *out, const char *what);
static tdl_status read_u64(cursor *c, uint64_t *out, const char *what);
static tdl_status read_string(cursor *c, tdl_text *out, const char *what);
static tdl_meta_type meta_type_of(uint32_t type);

tdl_status tdl_gguf_parse(const tdl_allocator *mem, const tdl_gguf_source *source, tdl_gguf *out, tdl_error *err) {
    cursor c = {.bytes = source->bytes, .size = source->size, .file_size = source->file_size, .err = err};
    tdl_gguf gguf = {.tensors = tdl_vec_make(mem, sizeof(tdl_gguf_tensor))};
    tdl_meta_table_init(&gguf.meta, mem);

    uint64_t n_tensors = 0, n_meta = 0, alignment = TDL_GGUF_ALIGNMENT_DEFAULT;
    tdl_status status = parse_header(&c, &gguf, &n_tensors, &n_meta);
    if (status) goto cleanup;
    for (uint64_t i = 0; i < n_meta; i++)
        if ((status = parse_meta(&c, &gguf))) goto cleanup;
    if ((status = find_alignment(&c, &gguf, &alignment))) goto cleanup;

    if (!source->metadata_only) {
        if (n_tensors > (c.file_size - c.pos) / TENSOR_SIZE_MIN) {
            status = tdl_fail(err, TDL_ERROR_FORMAT,
                              "gguf: %" PRIu64 " tensors cannot be in the %" PRIu64 " bytes left after the metadata",
                              n_tensors, c.file_size - c.pos);
            goto cleanup;
        }
        if (!tdl_vec_reserve(&gguf.tensors, n_tensors)) {
            status = tdl_fail(err, TDL_ERROR_MEMORY, "gguf: no memory for a list of %" PRIu64 " tensors", n_tensors);
            goto cleanup;
        }
        for (uint64_t i = 0; i < n_tensors; i++)
            if ((status = parse_tensor(&c, tdl_vec_add(&gguf.tensors)))) goto cleanup;
        if ((status = check_layout(mem, &c, &gguf, alignment))) goto cleanup;
    }
    *out = gguf;

cleanup:
    if (status) tdl_gguf_deinit(&gguf);
    return status;
}

void tdl_gguf_deinit(tdl_gguf *gguf) {
    tdl_vec_deinit(&gguf->tensors);
    tdl_meta_table_deinit(&gguf->meta);
}

size_t tdl_gguf_type_size(uint32_t type) {
    switch (type) {
    case TDL_GGUF_U8:
    case TDL_GGUF_I8:
    case TDL_GGUF_BOOL: return 1;
    case TDL_GGUF_U16:
    case TDL_GGUF_I16: return 2;
    case TDL_GGUF_U32:
    case TDL_GGUF_I32:
    case TDL_GGUF_F32: return 4;
    case TDL_GGUF_U64:
    case TDL_GGUF_I64:
    case TDL_GGUF_F64: return 8;
    default: return 0;
    }
}

static tdl_status parse_header(cursor *c, tdl_gguf *gguf, uint64_t *n_tensors, uint64_t *n_meta) {
    char magic[4];
    tdl_status status = read_bytes(c, magic, sizeof magic, "the magic number");
    if (status) return status;
    if (memcmp(magic, "GGUF", 4) != 0)
        return tdl_fail(c->err, TDL_ERROR_FORMAT,
                        "gguf: the file begins with bytes %02x %02x %02x %02x, expected 'GGUF'", (uint8_t)magic[0],
                        (uint8_t)magic[1], (uint8_t)magic[2], (uint8_t)magic[3]);
    if ((status = read_u32(c, &gguf->version, "the version"))) return status;
    if (gguf->version != 0 && (gguf->version & 0xFFFF) == 0)
        return tdl_fail(c->err, TDL_ERROR_UNSUPPORTED,
                        "gguf: a big-endian file (version 0x%08x), only little-endian ones "
                        "are read",
                        gguf->version);
    if (gguf->version != 2 && gguf->version != 3)
        return tdl_fail(c->err, TDL_ERROR_UNSUPPORTED, "gguf: version %u, only 2 and 3 are read", gguf->version);
    if ((status = read_u64(c, n_tensors, "the number of tensors"))) return status;
    if ((status = read_u64(c, n_meta, "the number of metadata keys"))) return status;

    if (*n_tensors > TDL_TENSORS_MAX)
        return tdl_fail(c->err, TDL_ERROR_LIMIT, "gguf: %" PRIu64 " tensors, at most %d", *n_tensors, TDL_TENSORS_MAX);
    if (*n_meta > TDL_META_KEYS_MAX)
        return tdl_fail(c->err, TDL_ERROR_LIMIT, "gguf: %" PRIu64 " metadata keys, at most %d", *n_meta,
                        TDL_META_KEYS_MAX);
    if (*n_meta > (c->file_size - c->pos) / META_SIZE_MIN)
        return tdl_fail(c->err, TDL_ERROR_FORMAT,
                        "gguf: %" PRIu64 " metadata keys cannot be in the %" PRIu64 " bytes left after the header",
                        *n_meta, c->file_size - c->pos);
    if (!tdl_meta_table_reserve(&gguf->meta, *n_meta))
        return tdl_fail(c->err, TDL_ERROR_MEMORY, "gguf: no memory for %" PRIu64 " metadata keys", *n_meta);
    return TDL_OK;
}

// ---- metadata

static tdl_status parse_meta(cursor *c, tdl_gguf *gguf) {
    size_t start = c->pos;
    tdl_text key;
    uint32_t type;
    tdl_meta value = {.gguf_element = -1};
    tdl_status status = read_string(c, &key, "a metadata key");
    if (status) return status;
    if (key.size > TDL_META_KEY_SIZE_MAX)
        return tdl_fail(c->err, TDL_ERROR_LIMIT, "gguf: metadata key '%.*s...': %zu bytes, at most %d", TDL_SHOWN(key),
                        key.size, TDL_META_KEY_SIZE_MAX);
    if (key.size == 0) return tdl_fail(c->err, TDL_ERROR_FORMAT, "gguf: the metadata key at byte %zu is empty", start);
    if (memchr(key.ptr, 0, key.size) || !tdl_utf8_valid(key.ptr, key.size))
        return tdl_fail(c->err, TDL_ERROR_FORMAT, "gguf: metadata key '%.*s': not valid UTF-8 without NUL",
                        TDL_SHOWN(key));
    if ((status = read_u32(c, &type, "a metadata type"))) return status;
    value.type = meta_type_of(type);
    value.gguf_type = (int32_t)type;
    if (value.type == TDL_META_NONE)
        return tdl_fail(c->err, TDL_ERROR_FORMAT, "gguf: metadata key '%.*s': type %u, expected 0 to %d",
                        TDL_SHOWN(key), type, TDL_GGUF_TYPE_COUNT - 1);
    if ((status = parse_value(c, gguf, key, &value))) return status;
    status = tdl_meta_table_add(&gguf->meta, key, &value, c->err);
    return status ? tdl_fail_at(c->err, status, "gguf") : TDL_OK;
}

static tdl_status parse_value(cursor *c, tdl_gguf *gguf, tdl_text key, tdl_meta *value) {
    if (value->type == TDL_META_ARRAY) return parse_array(c, gguf, key, value);
    if (value->type != TDL_META_STRING) return parse_number(c, key, (uint32_t)value->gguf_type, value);
    tdl_status status = read_string(c, &value->string, "a metadata string");
    if (status) return status;
    if (value->string.size > TDL_META_STRING_SIZE_MAX)
        return tdl_fail(c->err, TDL_ERROR_LIMIT, "gguf: metadata key '%.*s': a string of %zu bytes, at most %d",
                        TDL_SHOWN(key), value->string.size, TDL_META_STRING_SIZE_MAX);
    return TDL_OK;
}

static tdl_status parse_array(cursor *c, tdl_gguf *gguf, tdl_text key, tdl_meta *value) {
    uint32_t type;
    uint64_t n;
    tdl_status status = read_u32(c, &type, "the type of an array");
    if (status) return status;
    if ((status = read_u64(c, &n, "the length of an array"))) return status;
    value->element = meta_type_of(type);
    value->gguf_element = (int32_t)type;
    if (value->element == TDL_META_NONE)
        return tdl_fail(c->err, TDL_ERROR_FORMAT, "gguf: metadata key '%.*s': array of type %u, expected 0 to %d",
                        TDL_SHOWN(key), type, TDL_GGUF_TYPE_COUNT - 1);
    if (value->element == TDL_META_ARRAY)
        return tdl_fail(c->err, TDL_ERROR_UNSUPPORTED, "gguf: metadata key '%.*s': an array of arrays", TDL_SHOWN(key));
    if (n > TDL_META_ARRAY_MAX)
        return tdl_fail(c->err, TDL_ERROR_LIMIT,
                        "gguf: metadata key '%.*s': an array of %" PRIu64 " elements, at most %d", TDL_SHOWN(key), n,
                        TDL_META_ARRAY_MAX);
    value->n = n;
    size_t element_size = value->element == TDL_META_STRING ? STRING_SIZE_MIN : tdl_gguf_type_size(type);
    if ((status = need(c, n * element_size, "an array"))) return status;
    return value->element == TDL_META_STRING ? parse_string_array(c, gguf, key, value)
                                             : parse_number_array(c, gguf, key, value);
}

static tdl_status parse_string_array(cursor *c, tdl_gguf *gguf, tdl_text key, tdl_meta *value) {
    tdl_text *texts = tdl_arena_alloc(&gguf->meta.arena, value->n, sizeof *texts);
    if (!texts)
        return tdl_fail(c->err, TDL_ERROR_MEMORY, "gguf: metadata key '%.*s': no memory for %zu strings",
                        TDL_SHOWN(key), value->n);
    for (size_t i = 0; i < value->n; i++) {
        tdl_status status = read_string(c, &texts[i], "a string of an array");
        if (status) return status;
        if (texts[i].size > TDL_META_STRING_SIZE_MAX)
            return tdl_fail(c->err, TDL_ERROR_LIMIT, "gguf: metadata key '%.*s': string %zu of %zu bytes, at most %d",
                            TDL_SHOWN(key), i, texts[i].size, TDL_META_STRING_SIZE_MAX);
    }
    value->array = texts;
    return TDL_OK;
}

// All elements become int64, or uint64 where one of them needs it, double or bool.
static tdl_status parse_number_array(cursor *c, tdl_gguf *gguf, tdl_text key, tdl_meta *value) {
    uint32_t type = (uint32_t)value->gguf_element;
    size_t start = c->pos;
    if (type == TDL_GGUF_U64) {
        for (size_t i = 0; i < value->n; i++) {
            uint64_t u;
            memcpy(&u, c->bytes + start + 8 * i, sizeof u);
            if (u > INT64_MAX) value->element = TDL_META_UINT;
        }
    }
    void *array = tdl_arena_alloc(&gguf->meta.arena, value->n, value->element == TDL_META_BOOL ? sizeof(bool) : 8);
    if (!array)
        return tdl_fail(c->err, TDL_ERROR_MEMORY, "gguf: metadata key '%.*s': no memory for %zu numbers",
                        TDL_SHOWN(key), value->n);
    for (size_t i = 0; i < value->n; i++) {
        tdl_meta number = {0};
        tdl_status status = parse_number(c, key, type, &number);
        if (status) return status;
        store_number(value->element, &number, array, i);
    }
    value->array = array;
    return TDL_OK;
}

static void store_number(tdl_meta_type as, const tdl_meta *number, void *array, size_t i) {
    switch (as) {
    case TDL_META_BOOL: ((bool *)array)[i] = number->boolean; break;
    case TDL_META_FLOAT: ((double *)array)[i] = number->number; break;
    case TDL_META_UINT:
        ((uint64_t *)array)[i] = number->type == TDL_META_UINT ? number->uinteger : (uint64_t)number->integer;
        break;
    default: ((int64_t *)array)[i] = number->integer; break;
    }
}

// One number or boolean of the file's type, into the one field that value->type says.
static tdl_status parse_number(cursor *c, tdl_text key, uint32_t type, tdl_meta *value) {
    union {
        uint8_t u8;
        int8_t i8;
        uint16_t u16;
        int16_t i16;
        uint32_t u32;
        int32_t i32;
        float f32;
        uint64_t u64;
        int64_t i64;
        double f64;
    } raw = {0};
    tdl_status status = read_bytes(c, &raw, tdl_gguf_type_size(type), "a metadata value");
    if (status) return status;
    value->type = meta_type_of(type);
    switch (type) {
    case TDL_GGUF_U8: value->integer = raw.u8; break;
    case TDL_GGUF_I8: value->integer = raw.i8; break;
    case TDL_GGUF_U16: value->integer = raw.u16; break;
    case TDL_GGUF_I16: value->integer = raw.i16; break;
    case TDL_GGUF_U32: value->integer = raw.u32; break;
    case TDL_GGUF_I32: value->integer = raw.i32; break;
    case TDL_GGUF_I64: value->integer = raw.i64; break;
    case TDL_GGUF_F32: value->number = (double)raw.f32; break;
    case TDL_GGUF_F64: value->number = raw.f64; break;
    case TDL_GGUF_U64:
        if (raw.u64 > INT64_MAX) {
            value->type = TDL_META_UINT;
            value->uinteger = raw.u64;
        } else {
            value->integer = (int64_t)raw.u64;
        }
        break;
    default: // BOOL
        if (raw.u8 > 1)
            return tdl_fail(c->err, TDL_ERROR_FORMAT, "gguf: metadata key '%.*s': boolean %u, expected 0 or 1",
                            TDL_SHOWN(key), raw.u8);
        value->boolean = raw.u8 == 1;
        break;
    }
    return TDL_OK;
}

static tdl_status find_alignment(const cursor *c, const tdl_gguf *gguf, uint64_t *alignment) {
    *alignment = TDL_GGUF_ALIGNMENT_DEFAULT;
    const tdl_meta *value = tdl_meta_table_find(&gguf->meta, "general.alignment");
    if (!value) return TDL_OK;
    if (value->type != TDL_META_INT)
        return tdl_fail(c->err, TDL_ERROR_FORMAT, "gguf: general.alignment is no integer (type %d)", value->gguf_type);
    int64_t a = value->integer;
    if (a < 1 || a > TDL_GGUF_ALIGNMENT_MAX || (a & (a - 1)) != 0)
        return tdl_fail(c->err, TDL_ERROR_FORMAT,
                        "gguf: general.alignment is %" PRId64 ", expected a power of two from 1 "
                        "to %d",
                        a, TDL_GGUF_ALIGNMENT_MAX);
    *alignment = (uint64_t)a;
    return TDL_OK;
}

// ---- tensors

// Sets out->offset to the offset within the data section: where that begins is known only after the last tensor.
static tdl_status parse_tensor(cursor *c, tdl_gguf_tensor *out) {
    int32_t n_dims = 0;
    int64_t shape[TDL_DIMS_MAX];
    uint32_t type;
    tdl_status status = read_string(c, &out->name, "a tensor's name");
    if (status) return status;
    if ((status = parse_shape(c, out->name, &n_dims, shape))) return status;
    if ((status = read_u32(c, &type, "a tensor's type"))) return status;
    if ((status = read_u64(c, &out->offset, "a tensor's offset"))) return status;

    tdl_dtype dtype = tdl_dtype_from_ggml(type);
    const tdl_dtype_info *info = tdl_dtype_get(dtype);
    bool empty = false;
    for (int32_t i = 0; i < n_dims; i++) empty = empty || shape[i] == 0;
    if (dtype == TDL_DTYPE_NONE) name_type(type, out->odd_type, sizeof out->odd_type);
    else if (empty) snprintf(out->odd_type, sizeof out->odd_type, "%s of no elements", info->name);
    if (out->odd_type[0]) return TDL_OK;
    int64_t row = shape[n_dims - 1];
    if (row % info->block_n != 0)
        return tdl_fail(c->err, TDL_ERROR_FORMAT,
                        "gguf: tensor '%.*s': rows of %" PRId64 " elements are no whole %s blocks "
                        "of %d",
                        TDL_SHOWN(out->name), row, info->name, info->block_n);
    status = tdl_tensor_make(dtype, n_dims, shape, NULL, &out->tensor, c->err);
    if (status) {
        char place[160];
        snprintf(place, sizeof place, "gguf: tensor '%.*s'", TDL_SHOWN(out->name));
        return tdl_fail_at(c->err, status, place);
    }
    out->size = tdl_tensor_size(&out->tensor);
    return TDL_OK;
}

// The types of ggml that treadle lacks, by their numbers there (ggml.h, enum ggml_type).
static void name_type(uint32_t type, char *name, size_t size) {
    static const struct {
        uint32_t number;
        const char *name;
    } types[] = {{6, "Q5_0"},     {7, "Q5_1"},    {9, "Q8_1"},     {10, "Q2_K"},  {11, "Q3_K"},   {15, "Q8_K"},
                 {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"}, {20, "IQ4_NL"}, {21, "IQ3_S"},
                 {22, "IQ2_S"},   {23, "IQ4_XS"}, {25, "I16"},     {27, "I64"},   {28, "F64"},    {29, "IQ1_M"},
                 {34, "TQ1_0"},   {35, "TQ2_0"},  {39, "MXFP4"}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].number == type) snprintf(name, size, "%s", types[i].name);
    if (!name[0]) snprintf(name, size, "number %u", type);
}

// The file has dimensions innermost first; shape [n_dims] is outermost first.
static tdl_status parse_shape(cursor *c, tdl_text name, int32_t *n_dims, int64_t *shape) {
    uint32_t n;
    uint64_t dims[TDL_DIMS_MAX];
    tdl_status status = read_u32(c, &n, "a tensor's number of dimensions");
    if (status) return status;
    if (n < 1 || n > TDL_DIMS_MAX)
        return tdl_fail(c->err, n ? TDL_ERROR_LIMIT : TDL_ERROR_FORMAT,
                        "gguf: tensor '%.*s': %u dimensions, expected 1 to "
                        "%d",
                        TDL_SHOWN(name), n, TDL_DIMS_MAX);
    int64_t n_elements = 1;
    for (uint32_t i = 0; i < n; i++) {
        if ((status = read_u64(c, &dims[i], "a tensor's dimensions"))) return status;
        if (dims[i] > INT64_MAX)
            return tdl_fail(c->err, TDL_ERROR_FORMAT,
                            "gguf: tensor '%.*s': dimension %u is %" PRIu64 ", expected 0 to "
                            "2^63-1",
                            TDL_SHOWN(name), i, dims[i]);
        shape[n - 1 - i] = (int64_t)dims[i];
        if (!tdl_mul_i64(n_elements, (int64_t)dims[i], &n_elements))
            return tdl_fail(c->err, TDL_ERROR_FORMAT, "gguf: tensor '%.*s': more than 2^63-1 elements",
                            TDL_SHOWN(name));
    }
    *n_dims = (int32_t)n;
    return TDL_OK;
}

// Turns offsets within the data section into offsets within the file, and checks that every tensor lies in the file, is
// aligned, and has its bytes for itself.
static tdl_status check_layout(const tdl_allocator *mem, const cursor *c, tdl_gguf *gguf, uint64_t alignment) {
    size_t n = gguf->tensors.n;
    tdl_gguf_tensor *tensors = gguf->tensors.data;
    uint64_t data_offset = (c->pos + alignment - 1) & ~(alignment - 1);
    uint64_t data_size = c->file_size > data_offset ? c->file_size - data_offset : 0;
    tdl_status status = TDL_OK;
    tdl_extent *extents = tdl_alloc(mem, n, sizeof *extents);
    size_t n_extents = 0; // of tensors whose sizes are known
    if (!extents) return tdl_fail(c->err, TDL_ERROR_MEMORY, "gguf: no memory to check %zu tensors", n);

    for (size_t i = 0; i < n; i++) {
        tdl_gguf_tensor *t = &tensors[i];
        if (t->offset % alignment != 0) {
            status = tdl_fail(c->err, TDL_ERROR_FORMAT,
                              "gguf: tensor '%.*s': offset %" PRIu64 " is no multiple of the "
                              "alignment %" PRIu64,
                              TDL_SHOWN(t->name), t->offset, alignment);
            goto cleanup;
        }
        if (!tdl_range_ok(t->offset, t->size, data_size)) {
            status = tdl_fail(c->err, TDL_ERROR_FORMAT,
                              "gguf: tensor '%.*s': %" PRIu64 " bytes at offset %" PRIu64
                              " of a data section of %" PRIu64 " bytes",
                              TDL_SHOWN(t->name), t->size, t->offset, data_size);
            goto cleanup;
        }
        t->offset += data_offset;
        if (!t->odd_type[0]) extents[n_extents++] = (tdl_extent){.offset = t->offset, .size = t->size, .owner = i};
    }
    tdl_extent_sort(extents, n_extents);
    size_t second = tdl_extent_find_overlap(extents, n_extents);
    if (second < n_extents)
        status = tdl_fail(c->err, TDL_ERROR_FORMAT, "gguf: tensors '%.*s' and '%.*s' overlap at byte %" PRIu64,
                          TDL_SHOWN(tensors[extents[second - 1].owner].name),
                          TDL_SHOWN(tensors[extents[second].owner].name), extents[second].offset);
    else if (n_extents == n) status = check_gaps(c, gguf, extents, data_offset, alignment);
cleanup:
    tdl_free(mem, extents);
    return status;
}

// Tensors follow each other with no more than padding between them: else the file is damaged, or a type or a shape is another
// than what was written. What is behind the last one is only noted: files do get something appended.
static tdl_status check_gaps(const cursor *c, tdl_gguf *gguf, const tdl_extent *extents, uint64_t data_offset,
                             uint64_t alignment) {
    const tdl_gguf_tensor *tensors = gguf->tensors.data;
    uint64_t end = data_offset;
    for (size_t i = 0; i < gguf->tensors.n; i++) {
        if (extents[i].offset != end)
            return tdl_fail(c->err, TDL_ERROR_FORMAT,
                            "gguf: bytes %" PRIu64 " to %" PRIu64 ", before tensor '%.*s', belong to no tensor", end,
                            extents[i].offset, TDL_SHOWN(tensors[extents[i].owner].name));
        end = extents[i].offset + extents[i].size;
        end += (alignment - end % alignment) % alignment; // no wrap: extents lie in the file, alignments are small
    }
    if (c->file_size > end) gguf->n_spare = c->file_size - end;
    return TDL_OK;
}

// ---- cursor

// Whether n bytes are there: OK, PENDING (in the file, not at hand) or FORMAT.
static tdl_status need(const cursor *c, uint64_t n, const char *what) {
    if (n <= c->size - c->pos) return TDL_OK;
    if (n <= c->file_size - c->pos) return TDL_PENDING;
    return tdl_fail(c->err, TDL_ERROR_FORMAT,
                    "gguf: the file ends inside %s: %" PRIu64 " bytes at byte %zu of %" PRIu64, what, n, c->pos,
                    c->file_size);
}

static tdl_status read_bytes(cursor *c, void *out, size_t n, const char *what) {
    tdl_status status = need(c, n, what);
    if (status) return status;
    memcpy(out, c->bytes + c->pos, n);
    c->pos += n;
    return TDL_OK;
}

static tdl_status read_u32(cursor *c, uint32_t *out, const char *what) { return read_bytes(c, out, sizeof *out, what); }

static tdl_status read_u64(cursor *c, uint64_t *out, const char *what) { return read_bytes(c, out, sizeof *out, what); }

static tdl_status read_string(cursor *c, tdl_text *out, const char *what) {
    uint64_t size;
    tdl_status status = read_u64(c, &size, what);
    if (status) return status;
    if ((status = need(c, size, what))) return status;
    *out = tdl_text_of((const char *)c->bytes + c->pos, size);
    c->pos += size;
    return TDL_OK;
}

static tdl_meta_type meta_type_of(uint32_t type) {
    switch (type) {
    case TDL_GGUF_BOOL: return TDL_META_BOOL;
    case TDL_GGUF_F32:
    case TDL_GGUF_F64: return TDL_META_FLOAT;
    case TDL_GGUF_STRING: return TDL_META_STRING;
    case TDL_GGUF_ARRAY: return TDL_META_ARRAY;
    default: return tdl_gguf_type_size(type) ? TDL_META_INT : TDL_META_NONE;
    }
}
