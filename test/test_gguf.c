// SPDX-License-Identifier: MIT
// test_gguf.c - reading GGUF: every value and tensor type, split files, bytes and readers, and the limits.
//
// The files of test/data/gguf were written by another implementation (see ORIGIN.md there), so what is read here is
// held against that, not against this project's writer. Wrong files are made byte by byte with support/gguf_bytes.h.
#include "base/limits.h"
#include "format/extent.h"
#include "format/gguf.h"
#include "format/weights.h"
#include "support/fail_alloc.h"
#include "support/gguf_bytes.h"
#include "support/load_all.h"
#include "support/test_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TYPES_PATH TDL_TEST_DATA "/gguf/types.gguf"
#define SPLIT_1 "split-00001-of-00003.gguf"
#define SPLIT_2 "split-00002-of-00003.gguf"
#define SPLIT_3 "split-00003-of-00003.gguf"

typedef struct memory_file {
    const uint8_t *bytes;
    uint64_t n_reads;
    uint64_t fail_at; // the number, from 1, of the read that fails
} memory_file;

static const tdl_allocator *mem(void) { return tdl_allocator_or_default(NULL); }

static tdl_status open_path(const char *path, tdl_weights **out, tdl_error *err) {
    return tdl_weights_open(&(tdl_weights_desc){.mem = mem(), .path = path}, out, err);
}

static tdl_status open_bytes(const void *bytes, size_t size, tdl_weights **out, tdl_error *err) {
    return tdl_weights_open(&(tdl_weights_desc){.mem = mem(), .bytes = bytes, .bytes_size = size}, out, err);
}

// Opens what g holds, which must fail so; frees g.
static void expect_failure(gguf_bytes *g, tdl_status expected, const char *part) {
    tdl_weights *weights = NULL;
    tdl_error err = {0};
    tdl_status status = open_bytes(g->data, g->size, &weights, &err);
    gguf_bytes_free(g);
    assert_error(status, expected, &err, part);
    assert_null(weights);
}

static void expect_success(gguf_bytes *g) {
    tdl_weights *weights = NULL;
    tdl_error err = {0};
    if (open_bytes(g->data, g->size, &weights, &err)) fail_msg("%s", err.message);
    tdl_weights_close(weights);
    gguf_bytes_free(g);
}

static tdl_status read_memory(void *user, uint64_t offset, void *dst, size_t size) {
    memory_file *file = user;
    if (++file->n_reads == file->fail_at) return TDL_ERROR_IO;
    memcpy(dst, file->bytes + offset, size);
    return TDL_OK;
}

// ---- right files

static void check_integer(const tdl_weights *w, const char *key, int64_t expected, int32_t gguf_type) {
    tdl_meta meta = tdl_weights_meta(w, key);
    assert_int_equal(meta.type, TDL_META_INT);
    assert_true(meta.integer == expected);
    assert_int_equal(meta.gguf_type, gguf_type);
}

static void check_integers(const tdl_weights *w, const char *key, int64_t a, int64_t b, int32_t gguf_element) {
    tdl_meta meta = tdl_weights_meta(w, key);
    assert_int_equal(meta.type, TDL_META_ARRAY);
    assert_int_equal(meta.element, TDL_META_INT);
    assert_int_equal(meta.gguf_element, gguf_element);
    assert_int_equal(meta.n, 2);
    assert_true(((const int64_t *)meta.array)[0] == a && ((const int64_t *)meta.array)[1] == b);
}

static void check_doubles(const tdl_weights *w, const char *key, double a, double b) {
    tdl_meta meta = tdl_weights_meta(w, key);
    assert_int_equal(meta.type, TDL_META_ARRAY);
    assert_int_equal(meta.element, TDL_META_FLOAT);
    assert_int_equal(meta.n, 2);
    assert_true(((const double *)meta.array)[0] == a && ((const double *)meta.array)[1] == b);
}

static void check_types_meta(const tdl_weights *w) {
    assert_int_equal(tdl_weights_n_meta(w), 28);
    assert_true(tdl_text_is(tdl_weights_meta(w, "general.architecture").string, "test"));
    check_integer(w, "general.alignment", 64, TDL_GGUF_U32);
    check_integer(w, "t.u8", 200, TDL_GGUF_U8);
    check_integer(w, "t.i8", -100, TDL_GGUF_I8);
    check_integer(w, "t.u16", 60000, TDL_GGUF_U16);
    check_integer(w, "t.i16", -30000, TDL_GGUF_I16);
    check_integer(w, "t.u32", 4000000000, TDL_GGUF_U32);
    check_integer(w, "t.i32", -2000000000, TDL_GGUF_I32);
    check_integer(w, "t.i64", INT64_MIN, TDL_GGUF_I64);
    assert_int_equal(tdl_weights_meta(w, "t.u64").type, TDL_META_UINT);
    assert_true(tdl_weights_meta(w, "t.u64").uinteger == UINT64_MAX);
    assert_int_equal(tdl_weights_meta(w, "t.f32").type, TDL_META_FLOAT);
    assert_true(tdl_weights_meta(w, "t.f32").number == 0.5);
    assert_true(tdl_weights_meta(w, "t.f64").number == 0.1);
    assert_int_equal(tdl_weights_meta(w, "t.true").type, TDL_META_BOOL);
    assert_true(tdl_weights_meta(w, "t.true").boolean);
    assert_int_equal(tdl_weights_meta(w, "t.false").type, TDL_META_BOOL);
    assert_false(tdl_weights_meta(w, "t.false").boolean);
    assert_true(tdl_text_is(tdl_weights_meta(w, "t.string").string, "caf\xc3\xa9"));
    assert_int_equal(tdl_weights_meta(w, "t.absent").type, TDL_META_NONE);

    check_integers(w, "a.u8", 0, 255, TDL_GGUF_U8);
    check_integers(w, "a.i8", -128, 127, TDL_GGUF_I8);
    check_integers(w, "a.u16", 0, 65535, TDL_GGUF_U16);
    check_integers(w, "a.i16", -32768, 32767, TDL_GGUF_I16);
    check_integers(w, "a.u32", 0, UINT32_MAX, TDL_GGUF_U32);
    check_integers(w, "a.i32", INT32_MIN, INT32_MAX, TDL_GGUF_I32);
    check_integers(w, "a.u64_small", 1, INT64_MAX, TDL_GGUF_U64);
    check_integers(w, "a.i64", INT64_MIN, INT64_MAX, TDL_GGUF_I64);
    check_doubles(w, "a.f32", -0.5, 1.5);
    check_doubles(w, "a.f64", 0.1, -1e300);
    tdl_meta u64 = tdl_weights_meta(w, "a.u64"), bools = tdl_weights_meta(w, "a.bool");
    assert_int_equal(u64.element, TDL_META_UINT);
    assert_true(((const uint64_t *)u64.array)[0] == 1 && ((const uint64_t *)u64.array)[1] == UINT64_MAX);
    assert_int_equal(bools.element, TDL_META_BOOL);
    assert_int_equal(bools.n, 3);
    assert_memory_equal(bools.array, ((bool[]){true, false, true}), sizeof(bool[3]));
    const tdl_text *texts = tdl_weights_meta(w, "a.string").array;
    assert_true(tdl_text_is(texts[0], "<s>") && tdl_text_is(texts[1], "") && tdl_text_is(texts[2], "\xc4\xa0the"));
}

static const tdl_tensor *check_tensor(const tdl_weights *w, const char *name, tdl_dtype dtype, const char *described) {
    char text[96];
    const tdl_weights_tensor *t = tdl_weights_find(w, name);
    assert_non_null(t);
    assert_string_equal(t->name, name);
    assert_int_equal(t->tensor.dtype, dtype);
    assert_string_equal(tdl_tensor_describe(&t->tensor, text), described);
    return &t->tensor;
}

static void check_ramp(const tdl_tensor *t, float tolerance) {
    int64_t n = tdl_tensor_n_elements(t);
    float *values = malloc((size_t)n * sizeof *values);
    assert_non_null(values);
    tdl_tensor_to_f32(t, values);
    for (int64_t i = 0; i < n; i++) {
        float expected = (float)(i - n / 2), d = values[i] - expected;
        if (d > tolerance || d < -tolerance)
            fail_msg("element %lld is %g, expected %g", (long long)i, (double)values[i], (double)expected);
    }
    free(values);
}

static void check_types_tensors(const tdl_weights *w) {
    assert_int_equal(tdl_weights_n_tensors(w), 8);
    assert_string_equal(tdl_weights_at(w, 0)->name, "f32");
    assert_int_equal(tdl_weights_size(w), 24 + 10 + 3 + 32 + 480 + 256 + 2 * 68 + 2 * 36);
    assert_null(tdl_weights_find(w, "absent"));
    check_ramp(check_tensor(w, "f32", TDL_DTYPE_F32, "[2, 3] F32"), 0);
    check_ramp(check_tensor(w, "four.dims", TDL_DTYPE_F32, "[2, 3, 4, 5] F32"), 0);
    check_ramp(check_tensor(w, "bf16", TDL_DTYPE_BF16, "[2, 64] BF16"), 0);
    check_ramp(check_tensor(w, "q8_0", TDL_DTYPE_Q8_0, "[2, 64] Q8_0"), 0.26f); // half a step of 64 / 127
    check_ramp(check_tensor(w, "q4_0", TDL_DTYPE_Q4_0, "[2, 64] Q4_0"), 8.01f); // a step of 64 / 8: one end is clamped
    const tdl_tensor *f16 = check_tensor(w, "f16", TDL_DTYPE_F16, "[5] F16");
    float halves[5];
    tdl_tensor_to_f32(f16, halves);
    for (int i = 0; i < 5; i++) assert_true(halves[i] == (float)i / 8 - 1);
    const tdl_tensor *i8 = check_tensor(w, "i8", TDL_DTYPE_I8, "[3, 1] I8");
    assert_memory_equal(i8->data, ((int8_t[]){-1, 0, 1}), 3);
    const tdl_tensor *i32 = check_tensor(w, "i32", TDL_DTYPE_I32, "[2, 2, 2] I32");
    assert_memory_equal(i32->data, ((int32_t[]){-4, -3, -2, -1, 0, 1, 2, 3}), 32);
}

static void test_types(void **state) {
    (void)state;
    tdl_weights *w = NULL;
    tdl_error err = {0};
    if (open_path(TYPES_PATH, &w, &err)) fail_msg("%s", err.message);
    assert_int_equal(tdl_weights_get_kind(w), TDL_WEIGHTS_GGUF);
    assert_int_equal(tdl_weights_tokenizer_json(w).size, 0);
    assert_int_equal(tdl_weights_tokenizer_config(w).size, 0);
    tdl_text key;
    assert_int_equal(tdl_weights_meta_at(w, 0, &key).type, TDL_META_STRING);
    assert_true(tdl_text_is(key, "general.architecture"));
    check_types_meta(w);
    assert_null(tdl_weights_at(w, 0)->tensor.data); // only the header was read
    load_all(w);
    check_types_tensors(w);
    tdl_weights_close(w);
}

// The same file as version 2 (the same layout), from bytes that are aligned for nothing.
static void test_version_2_unaligned(void **state) {
    (void)state;
    size_t size;
    uint8_t *file = test_file_read(TYPES_PATH, &size);
    uint8_t *bytes = malloc(size + 1);
    assert_non_null(bytes);
    memcpy(bytes + 1, file, size);
    bytes[1 + 4] = 2;
    tdl_weights *w = NULL;
    tdl_error err = {0};
    if (open_bytes(bytes + 1, size, &w, &err)) fail_msg("%s", err.message);
    check_types_meta(w);
    check_types_tensors(w);
    assert_int_equal((uintptr_t)tdl_weights_find(w, "f32")->tensor.data % 4, 0);
    assert_int_equal((uintptr_t)tdl_weights_find(w, "q8_0")->tensor.data % 2, 0);
    tdl_weights_close(w);
    free(bytes);
    free(file);
}

static void test_reader(void **state) {
    (void)state;
    size_t size;
    uint8_t *bytes = test_file_read(TYPES_PATH, &size);
    memory_file file = {.bytes = bytes};
    tdl_reader reader = {.read = read_memory, .user = &file, .size = size};
    tdl_weights_desc desc = {.mem = mem(), .reader = &reader};
    tdl_weights *w = NULL;
    tdl_error err = {0};
    if (tdl_weights_open(&desc, &w, &err)) fail_msg("%s", err.message);
    uint64_t n_reads = file.n_reads;
    assert_int_equal(n_reads, 1 + 8); // the header, each tensor
    check_types_meta(w);
    check_types_tensors(w);
    tdl_weights_close(w);
    for (uint64_t n = 1; n <= n_reads; n++) {
        file = (memory_file){.bytes = bytes, .fail_at = n};
        w = NULL;
        assert_error(tdl_weights_open(&desc, &w, &err), TDL_ERROR_IO, &err, "reader: ");
        assert_null(w);
    }
    free(bytes);
}

// A header longer than what is read at first, so that parsing starts over, more than once.
static void test_reader_long_header(void **state) {
    (void)state;
    enum { N_STRINGS = 200000 };
    gguf_bytes g = {0};
    gguf_put_header(&g, 3, 1, 2);
    gguf_put_array(&g, "tokens", TDL_GGUF_STRING, N_STRINGS);
    for (int i = 0; i < N_STRINGS; i++) {
        char text[16];
        snprintf(text, sizeof text, "token%d", i);
        gguf_put_text(&g, text, strlen(text));
    }
    gguf_put_key_u32(&g, "last", 77);
    gguf_put_tensor(&g, "w", 1, (uint64_t[]){8}, 0, 0);
    gguf_put_data(&g, 32, 32);
    memory_file file = {.bytes = g.data};
    tdl_reader reader = {.read = read_memory, .user = &file, .size = g.size};
    tdl_weights *w = NULL;
    tdl_error err = {0};
    if (tdl_weights_open(&(tdl_weights_desc){.mem = mem(), .reader = &reader}, &w, &err)) fail_msg("%s", err.message);
    assert_true(file.n_reads > 4);
    tdl_meta tokens = tdl_weights_meta(w, "tokens");
    assert_int_equal(tokens.n, N_STRINGS);
    assert_true(tdl_text_is(((const tdl_text *)tokens.array)[N_STRINGS - 1], "token199999"));
    assert_int_equal(tdl_weights_meta(w, "last").integer, 77);
    tdl_weights_close(w);
    gguf_bytes_free(&g);
}

static void test_sources(void **state) {
    (void)state;
    tdl_weights *w = NULL;
    tdl_error err = {0};
    tdl_weights_desc none = {.mem = mem()}, two = {.mem = mem(), .path = TYPES_PATH, .bytes = "GGUF", .bytes_size = 4};
    assert_error(tdl_weights_open(&none, &w, &err), TDL_ERROR_ARGUMENT, &err, "0 of path, bytes and reader");
    assert_error(tdl_weights_open(&two, &w, &err), TDL_ERROR_ARGUMENT, &err, "2 of path, bytes and reader");
    tdl_weights_close(NULL);
}

static void test_metadata_only(void **state) {
    (void)state;
    gguf_bytes g = {0};
    tdl_weights *w = NULL;
    tdl_error err = {0};
    gguf_put_header(&g, 3, 1, 1);
    gguf_put_key_u32(&g, "k", 5);
    gguf_put_tensor(&g, "w", 1, (uint64_t[]){8}, 777, 0); // an unknown type, which is not looked at
    tdl_weights_desc desc = {.mem = mem(), .bytes = g.data, .bytes_size = g.size, .metadata_only = true};
    if (tdl_weights_open(&desc, &w, &err)) fail_msg("%s", err.message);
    assert_int_equal(tdl_weights_n_tensors(w), 0);
    assert_int_equal(tdl_weights_meta(w, "k").integer, 5);
    tdl_weights_close(w);
    if (tdl_weights_open(&(tdl_weights_desc){.mem = mem(), .bytes = g.data, .bytes_size = g.size}, &w, &err))
        fail_msg("%s", err.message);
    assert_string_equal(tdl_weights_at(w, 0)->odd_type, "number 777"); // whoever needs it says so
    tdl_weights_close(w);
    gguf_bytes_free(&g);

    gguf_put_header(&g, 3, 0, 0);
    expect_failure(&g, TDL_ERROR_FORMAT, "no tensors");
}

// ---- split files

static void copy_split(const char *dir, const char *name, const char *as) {
    char from[TEST_PATH_SIZE], to[TEST_PATH_SIZE];
    test_file_copy(test_path(from, TDL_TEST_DATA "/gguf", name), test_path(to, dir, as));
}

static void test_split(void **state) {
    (void)state;
    tdl_weights *w = NULL;
    tdl_error err = {0};
    if (open_path(TDL_TEST_DATA "/gguf/" SPLIT_1, &w, &err)) fail_msg("%s", err.message);
    assert_int_equal(tdl_weights_n_tensors(w), 5);
    assert_int_equal(tdl_weights_meta(w, "test.block_count").integer, 5);
    load_all(w);
    for (int i = 0; i < 5; i++) {
        char name[32];
        snprintf(name, sizeof name, "blk.%d.weight", i);
        const tdl_tensor *t = check_tensor(w, name, TDL_DTYPE_F32, "[2, 4] F32");
        float first;
        memcpy(&first, t->data, sizeof first);
        assert_true(first == (float)(i - 4));
    }
    tdl_weights_close(w);
    tdl_weights_desc desc = {.mem = mem(), .path = TDL_TEST_DATA "/gguf/" SPLIT_1, .metadata_only = true};
    if (tdl_weights_open(&desc, &w, &err)) fail_msg("%s", err.message);
    assert_int_equal(tdl_weights_meta(w, "test.block_count").integer, 5);
    tdl_weights_close(w);
}

static void test_split_wrong(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE], first[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
    tdl_weights *w = NULL;
    tdl_error err = {0};
    test_dir_make(dir);
    copy_split(dir, SPLIT_1, SPLIT_1);
    copy_split(dir, SPLIT_2, SPLIT_2);
    test_path(first, dir, SPLIT_1);
    assert_error(open_path(first, &w, &err), TDL_ERROR_IO, &err, SPLIT_3);
    copy_split(dir, SPLIT_2, SPLIT_3);
    assert_error(open_path(first, &w, &err), TDL_ERROR_FORMAT, &err, "split.no 1 of split.count 3, expected 2 of 3");
    assert_error(open_path(test_path(path, dir, SPLIT_2), &w, &err), TDL_ERROR_ARGUMENT, &err,
                 "part 2 of a model split in 3, open its first part");
    copy_split(dir, SPLIT_1, "whole.gguf");
    assert_error(open_path(test_path(path, dir, "whole.gguf"), &w, &err), TDL_ERROR_FORMAT, &err,
                 "expected its name to end in -00001-of-00003.gguf");
    size_t size;
    uint8_t *bytes = test_file_read(first, &size);
    assert_error(open_bytes(bytes, size, &w, &err), TDL_ERROR_UNSUPPORTED, &err,
                 "open it by the path of its first part");
    free(bytes);
    assert_null(w);
    test_dir_remove(dir);
}

// Two parts made by hand: what[0] and what[1] are their tensors' names, total what the first says of both.
static tdl_status open_two_parts(const char *names[2], uint32_t count, uint32_t total, tdl_error *err) {
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
    tdl_weights *w = NULL;
    test_dir_make(dir);
    for (uint32_t no = 0; no < 2; no++) {
        gguf_bytes g = {0};
        gguf_put_header(&g, 3, 1, 3);
        gguf_put_key_u32(&g, "split.no", no);
        gguf_put_key_u32(&g, "split.count", count);
        gguf_put_key_u32(&g, "split.tensors.count", total);
        gguf_put_tensor(&g, names[no], 1, (uint64_t[]){8}, 0, 0);
        gguf_put_data(&g, 32, 32);
        test_file_write(test_path(path, dir, no ? "m-00002-of-00002.gguf" : "m-00001-of-00002.gguf"), g.data, g.size);
        gguf_bytes_free(&g);
    }
    tdl_status status = open_path(test_path(path, dir, "m-00001-of-00002.gguf"), &w, err);
    tdl_weights_close(w);
    test_dir_remove(dir);
    return status;
}

static void test_split_contradictions(void **state) {
    (void)state;
    tdl_error err = {0};
    const char *different[2] = {"a", "b"}, *same[2] = {"a", "a"};
    assert_int_equal(open_two_parts(different, 2, 2, &err), TDL_OK);
    assert_error(open_two_parts(same, 2, 2, &err), TDL_ERROR_FORMAT, &err,
                 "m-00002-of-00002.gguf: gguf: tensor 'a' appears twice");
    assert_error(open_two_parts(different, 2, 3, &err), TDL_ERROR_FORMAT, &err,
                 "split.tensors.count is 3, but the 2 parts have 2 tensors");
    assert_error(open_two_parts(different, 3, 2, &err), TDL_ERROR_FORMAT, &err, "expected its name to end in");
    assert_error(open_two_parts(different, TDL_SHARDS_MAX + 1, 2, &err), TDL_ERROR_LIMIT, &err, "split.count is 65536");
    assert_error(open_two_parts(different, TDL_SHARDS_MAX, 2, &err), TDL_ERROR_FORMAT, &err, "-00001-of-65535.gguf");
    assert_error(open_two_parts(different, 2, TDL_TENSORS_MAX + 1, &err), TDL_ERROR_LIMIT, &err, "split.tensors.count");
    assert_int_equal(open_two_parts(different, 1, 2, &err), TDL_OK); // a count of 0 or 1 says: whole
    assert_int_equal(open_two_parts(different, 0, 2, &err), TDL_OK);
}

// ---- wrong headers and metadata

static void put_small_tensor(gguf_bytes *g) {
    gguf_put_tensor(g, "w", 1, (uint64_t[]){8}, 0, 0);
    gguf_put_data(g, 32, 32);
}

static void test_versions(void **state) {
    (void)state;
    static const struct {
        uint32_t version;
        const char *message;
    } cases[] = {
        {0, "gguf: version 0, only 2 and 3 are read"}, {1, "gguf: version 1, only 2 and 3 are read"},
        {4, "gguf: version 4, only 2 and 3 are read"}, {0x03000000, "gguf: a big-endian file (version 0x03000000)"},
        {0x02000000, "gguf: a big-endian file"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gguf_bytes g = {0};
        gguf_put_header(&g, cases[i].version, 1, 0);
        put_small_tensor(&g);
        expect_failure(&g, TDL_ERROR_UNSUPPORTED, cases[i].message);
    }
    gguf_bytes g = {0};
    gguf_put(&g, "GGML....", 8);
    expect_failure(&g, TDL_ERROR_FORMAT, "gguf: the file begins with bytes 47 47 4d 4c, expected 'GGUF'");
}

static void test_bad_metadata(void **state) {
    (void)state;
    gguf_bytes g = {0};
    gguf_put_header(&g, 3, 1, 2);
    gguf_put_key_u32(&g, "k", 1);
    gguf_put_key_u32(&g, "k", 2);
    put_small_tensor(&g);
    expect_failure(&g, TDL_ERROR_FORMAT, "gguf: metadata key 'k' appears twice");

    gguf_put_header(&g, 3, 1, 1);
    gguf_put_key_u32(&g, "", 1);
    put_small_tensor(&g);
    expect_failure(&g, TDL_ERROR_FORMAT, "gguf: the metadata key at byte 24 is empty");

    gguf_put_header(&g, 3, 1, 1);
    gguf_put_key_u32(&g, "k\xff", 1);
    put_small_tensor(&g);
    expect_failure(&g, TDL_ERROR_FORMAT, "gguf: metadata key 'k?': not valid UTF-8");

    gguf_put_header(&g, 3, 1, 1);
    gguf_put_text(&g, "k\0l", 3);
    gguf_put_u32(&g, TDL_GGUF_U32);
    gguf_put_u32(&g, 1);
    put_small_tensor(&g);
    expect_failure(&g, TDL_ERROR_FORMAT, "not valid UTF-8 without NUL");

    gguf_put_header(&g, 3, 1, 1);
    gguf_put_key(&g, "k", 13);
    put_small_tensor(&g);
    expect_failure(&g, TDL_ERROR_FORMAT, "gguf: metadata key 'k': type 13, expected 0 to 12");

    gguf_put_header(&g, 3, 1, 1);
    gguf_put_key(&g, "k", TDL_GGUF_BOOL);
    gguf_put(&g, "\2", 1);
    put_small_tensor(&g);
    expect_failure(&g, TDL_ERROR_FORMAT, "gguf: metadata key 'k': boolean 2, expected 0 or 1");

    gguf_put_header(&g, 3, 1, 1);
    gguf_put_array(&g, "k", TDL_GGUF_ARRAY, 1);
    gguf_put_u32(&g, TDL_GGUF_U8);
    gguf_put_u64(&g, 0);
    put_small_tensor(&g);
    expect_failure(&g, TDL_ERROR_UNSUPPORTED, "gguf: metadata key 'k': an array of arrays");

    gguf_put_header(&g, 3, 1, 1);
    gguf_put_array(&g, "k", 13, 1);
    put_small_tensor(&g);
    expect_failure(&g, TDL_ERROR_FORMAT, "gguf: metadata key 'k': array of type 13");

    gguf_put_header(&g, 3, 1, 1);
    gguf_put_array(&g, "k", TDL_GGUF_STRING, 1000); // no room for 1000 lengths
    put_small_tensor(&g);
    expect_failure(&g, TDL_ERROR_FORMAT, "gguf: the file ends inside an array: 8000 bytes");
}

static void test_alignment(void **state) {
    (void)state;
    static const struct {
        uint32_t alignment;
        bool good;
    } cases[] = {{1, true},  {2, true},   {64, true},          {TDL_GGUF_ALIGNMENT_MAX, true},
                 {0, false}, {48, false}, {UINT32_MAX, false}, {TDL_GGUF_ALIGNMENT_MAX * 2, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gguf_bytes g = {0};
        gguf_put_header(&g, 3, 1, 1);
        gguf_put_key_u32(&g, "general.alignment", cases[i].alignment);
        gguf_put_tensor(&g, "w", 1, (uint64_t[]){8}, 0, 0);
        gguf_put_data(&g, cases[i].good ? cases[i].alignment : 1, 32);
        if (cases[i].good) expect_success(&g);
        else expect_failure(&g, TDL_ERROR_FORMAT, "gguf: general.alignment is ");
    }
    gguf_bytes g = {0};
    gguf_put_header(&g, 3, 1, 1);
    gguf_put_key(&g, "general.alignment", TDL_GGUF_STRING);
    gguf_put_text(&g, "32", 2);
    put_small_tensor(&g);
    expect_failure(&g, TDL_ERROR_FORMAT, "general.alignment is no integer");
}

// ---- wrong tensors

typedef struct tensor_case {
    const char *name;
    uint32_t n_dims;
    uint64_t dims[5];
    uint32_t type;
    uint64_t offset;
    tdl_status status;
    const char *message;
} tensor_case;

static void test_bad_tensors(void **state) {
    (void)state;
    static const tensor_case cases[] = {
        {"w", 0, {0}, 0, 0, TDL_ERROR_FORMAT, "gguf: tensor 'w': 0 dimensions, expected 1 to 4"},
        {"w", 5, {1, 1, 1, 1, 1}, 0, 0, TDL_ERROR_LIMIT, "gguf: tensor 'w': 5 dimensions, expected 1 to 4"},
        {"w", 1, {1ull << 63}, 0, 0, TDL_ERROR_FORMAT, "dimension 0 is 9223372036854775808"},
        {"w", 2, {1ull << 32, 1ull << 31}, 0, 0, TDL_ERROR_FORMAT, "more than 2^63-1 elements"},
        {"w", 1, {INT64_MAX}, 0, 0, TDL_ERROR_FORMAT, "gguf: tensor 'w': "},
        {"w", 1, {33}, 8, 0, TDL_ERROR_FORMAT, "rows of 33 elements are no whole Q8_0 blocks of 32"},
        {"w", 2, {16, 2}, 8, 0, TDL_ERROR_FORMAT, "rows of 16 elements are no whole Q8_0 blocks of 32"},
        {"w", 1, {8}, 0, 16, TDL_ERROR_FORMAT, "offset 16 is no multiple of the alignment 32"},
        {"w", 1, {17}, 0, 0, TDL_ERROR_FORMAT, "68 bytes at offset 0 of a data section of 64 bytes"},
        {"w", 1, {8}, 0, 64, TDL_ERROR_FORMAT, "32 bytes at offset 64 of a data section of 64 bytes"},
        {"w", 1, {8}, 0, UINT64_MAX - 31, TDL_ERROR_FORMAT, "at offset 18446744073709551584"},
        {"w", 1, {9}, 0, 0, TDL_ERROR_FORMAT, "gguf: tensors 'w' and 'second' overlap"},
        {"w", 1, {8}, 0, 32, TDL_ERROR_FORMAT, "overlap"},
        {"", 1, {8}, 0, 0, TDL_ERROR_FORMAT, "a tensor's name is empty"},
        {"second", 1, {8}, 0, 0, TDL_ERROR_FORMAT, "gguf: tensor 'second' appears twice"},
        {"w\xc0", 1, {8}, 0, 0, TDL_ERROR_FORMAT, "not valid UTF-8"},
        {"w", 1, {8}, 0, 0, TDL_OK, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const tensor_case *c = &cases[i];
        gguf_bytes g = {0};
        gguf_put_header(&g, 3, 2, 0);
        gguf_put_tensor(&g, c->name, c->n_dims, c->dims, c->type, c->offset);
        gguf_put_tensor(&g, "second", 1, (uint64_t[]){8}, 0, 32);
        gguf_put_data(&g, 32, 64);
        if (c->status) expect_failure(&g, c->status, c->message);
        else expect_success(&g);
    }
}

// ---- limits, each just below and just above

static void test_limit_names(void **state) {
    (void)state;
    for (size_t over = 0; over <= 1; over++) {
        gguf_bytes g = {0};
        char *text = calloc(TDL_META_KEY_SIZE_MAX + 2, 1);
        assert_non_null(text);
        memset(text, 'n', TDL_TENSOR_NAME_SIZE_MAX + over);
        gguf_put_header(&g, 3, 1, 0);
        gguf_put_tensor(&g, text, 1, (uint64_t[]){8}, 0, 0);
        gguf_put_data(&g, 32, 32);
        if (over) expect_failure(&g, TDL_ERROR_LIMIT, "256 bytes, at most 255");
        else expect_success(&g);

        memset(text, 'k', TDL_META_KEY_SIZE_MAX + over);
        gguf_put_header(&g, 3, 1, 1);
        gguf_put_key_u32(&g, text, 1);
        put_small_tensor(&g);
        if (over) expect_failure(&g, TDL_ERROR_LIMIT, "65536 bytes, at most 65535");
        else expect_success(&g);
        free(text);
    }
}

static void test_limit_strings(void **state) {
    (void)state;
    char *text = calloc(TDL_META_STRING_SIZE_MAX + 1, 1);
    assert_non_null(text);
    for (size_t over = 0; over <= 1; over++) {
        for (int in_array = 0; in_array <= 1; in_array++) {
            gguf_bytes g = {0};
            gguf_put_header(&g, 3, 1, 1);
            if (in_array) gguf_put_array(&g, "k", TDL_GGUF_STRING, 1);
            else gguf_put_key(&g, "k", TDL_GGUF_STRING);
            gguf_put_text(&g, text, TDL_META_STRING_SIZE_MAX + over);
            put_small_tensor(&g);
            if (over) expect_failure(&g, TDL_ERROR_LIMIT, "67108865 bytes, at most 67108864");
            else expect_success(&g);
        }
    }
    free(text);
}

static void test_limit_arrays(void **state) {
    (void)state;
    uint8_t *zeros = calloc(TDL_META_ARRAY_MAX + 1, 1);
    assert_non_null(zeros);
    for (size_t over = 0; over <= 1; over++) {
        gguf_bytes g = {0};
        gguf_put_header(&g, 3, 1, 1);
        gguf_put_array(&g, "k", TDL_GGUF_BOOL, TDL_META_ARRAY_MAX + over);
        gguf_put(&g, zeros, TDL_META_ARRAY_MAX + over);
        put_small_tensor(&g);
        if (over) expect_failure(&g, TDL_ERROR_LIMIT, "an array of 16777217 elements, at most 16777216");
        else expect_success(&g);
    }
    free(zeros);
}

static void test_limit_keys(void **state) {
    (void)state;
    for (uint32_t over = 0; over <= 1; over++) {
        gguf_bytes g = {0};
        gguf_put_header(&g, 3, 1, TDL_META_KEYS_MAX + over);
        for (uint32_t i = 0; i < TDL_META_KEYS_MAX + over; i++) {
            char key[16];
            snprintf(key, sizeof key, "k%u", i);
            gguf_put_key_u32(&g, key, i);
        }
        put_small_tensor(&g);
        if (over) expect_failure(&g, TDL_ERROR_LIMIT, "65537 metadata keys, at most 65536");
        else expect_success(&g);
    }
}

// The data of each tensor lies before that of the one listed before it, so that the order must be sorted out.
static void test_limit_tensors(void **state) {
    (void)state;
    for (uint32_t over = 0; over <= 1; over++) {
        gguf_bytes g = {0};
        uint32_t n = TDL_TENSORS_MAX + over;
        gguf_put_header(&g, 3, n, 1);
        gguf_put_key_u32(&g, "general.alignment", 1);
        for (uint32_t i = 0; i < n; i++) {
            char name[16];
            snprintf(name, sizeof name, "%x", i);
            gguf_put_tensor(&g, name, 1, (uint64_t[]){1}, 24, n - 1 - i);
        }
        gguf_put_data(&g, 1, n);
        if (over) expect_failure(&g, TDL_ERROR_LIMIT, "1048577 tensors, at most 1048576");
        else expect_success(&g);
    }
}

// ---- the rest

static void test_extents(void **state) {
    (void)state;
    enum { N = 1000 };
    tdl_extent extents[N];
    for (size_t i = 0; i < N; i++) extents[i] = (tdl_extent){.offset = (i * 389) % N * 10, .size = 10, .owner = i};
    tdl_extent_sort(extents, N);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(extents[i].offset, i * 10);
        assert_int_equal((extents[i].owner * 389) % N, i);
    }
    assert_int_equal(tdl_extent_find_overlap(extents, N), N);
    extents[500].size = 11;
    assert_int_equal(tdl_extent_find_overlap(extents, N), 501);
    tdl_extent_sort(extents, 0);
    assert_int_equal(tdl_extent_find_overlap(extents, 0), 0);
    assert_int_equal(tdl_extent_find_overlap(extents, 1), 1);
}

static tdl_status open_close(const tdl_allocator *allocator, void *arg) {
    tdl_weights_desc desc = *(const tdl_weights_desc *)arg;
    tdl_weights *w = NULL;
    tdl_error err = {0};
    desc.mem = allocator;
    tdl_status status = tdl_weights_open(&desc, &w, &err);
    if (status && !err.message[0]) fail_msg("%s without a message", tdl_status_name(status));
    tdl_weights_close(w);
    return status;
}

static void test_failing_allocations(void **state) {
    (void)state;
    size_t size;
    uint8_t *file = test_file_read(TYPES_PATH, &size);
    uint8_t *bytes = malloc(size + 1);
    assert_non_null(bytes);
    memcpy(bytes + 1, file, size);
    memory_file source = {.bytes = file};
    tdl_reader reader = {.read = read_memory, .user = &source, .size = size};
    assert_true(fail_alloc_each(open_close, &(tdl_weights_desc){.path = TYPES_PATH}) > 4);
    assert_true(fail_alloc_each(open_close, &(tdl_weights_desc){.path = TDL_TEST_DATA "/gguf/" SPLIT_1}) > 4);
    assert_true(fail_alloc_each(open_close, &(tdl_weights_desc){.bytes = bytes + 1, .bytes_size = size}) > 4);
    assert_true(fail_alloc_each(open_close, &(tdl_weights_desc){.reader = &reader}) > 4);
    free(bytes);
    free(file);
}

// Real files of other tools, where they are at hand.
static void test_shared_files(void **state) {
    (void)state;
    static const char *const names[] = {
        "models/novelist-7m-f16.gguf",          "models/stories260K-f32.gguf",  "vocab/ggml-vocab-bert-bge.gguf",
        "vocab/ggml-vocab-deepseek-coder.gguf", "vocab/ggml-vocab-falcon.gguf", "vocab/ggml-vocab-gpt-2.gguf",
        "vocab/ggml-vocab-llama-spm.gguf",      "vocab/ggml-vocab-phi-3.gguf",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[TEST_PATH_SIZE];
        tdl_weights *w = NULL;
        tdl_error err = {0};
        if (!test_file_exists(test_path(path, TDL_SHARED_DATA, names[i]))) {
            print_message("%s is absent: skipped\n", names[i]);
            continue;
        }
        bool has_tensors = strncmp(names[i], "models/", 7) == 0;
        tdl_weights_desc desc = {.mem = mem(), .path = path, .metadata_only = !has_tensors};
        if (tdl_weights_open(&desc, &w, &err)) fail_msg("%s", err.message);
        assert_int_equal(tdl_weights_meta(w, "general.architecture").type, TDL_META_STRING);
        assert_int_equal(tdl_weights_meta(w, "tokenizer.ggml.tokens").type, TDL_META_ARRAY);
        assert_true((tdl_weights_n_tensors(w) > 0) == has_tensors);
        tdl_weights_close(w);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_version_2_unaligned),
        cmocka_unit_test(test_reader),
        cmocka_unit_test(test_reader_long_header),
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_metadata_only),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_split_wrong),
        cmocka_unit_test(test_split_contradictions),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_bad_metadata),
        cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_bad_tensors),
        cmocka_unit_test(test_limit_names),
        cmocka_unit_test(test_limit_strings),
        cmocka_unit_test(test_limit_arrays),
        cmocka_unit_test(test_limit_keys),
        cmocka_unit_test(test_limit_tensors),
        cmocka_unit_test(test_extents),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_shared_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
