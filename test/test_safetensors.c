// SPDX-License-Identifier: MIT
// test_safetensors.c - reading and writing safetensors.
//
// test/data/safetensors was written by the format's own implementation (see ORIGIN.md there). Wrong files are made from
// a header in JSON and a number of data bytes.
#include "base/limits.h"
#include "format/safetensors.h"
#include "format/safetensors_write.h"
#include "support/fail_alloc.h"
#include "support/test_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TYPES_PATH TDL_TEST_DATA "/safetensors/types.safetensors"

static const tdl_allocator *mem(void) { return tdl_allocator_or_default(NULL); }

static tdl_status parse_bytes(const uint8_t *bytes, size_t size, tdl_safetensors *file, tdl_error *err) {
    return tdl_safetensors_parse(mem(), &(tdl_safetensors_source){.bytes = bytes, .size = size, .file_size = size},
                                 file, err);
}

// Parses a file made of this header and n_data bytes; the caller deinits *file where that is OK.
static tdl_status parse(const char *header, size_t header_size, size_t n_data, tdl_safetensors *file, tdl_error *err) {
    size_t size = 8 + header_size + n_data;
    uint8_t *bytes = calloc(1, size);
    assert_non_null(bytes);
    memcpy(bytes, &(uint64_t){header_size}, 8);
    memcpy(bytes + 8, header, header_size);
    tdl_status status = parse_bytes(bytes, size, file, err);
    free(bytes);
    return status;
}

static const tdl_safetensors_tensor *find(const tdl_safetensors *file, const char *name) {
    const tdl_safetensors_tensor *t = tdl_safetensors_find(file, name);
    if (!t) fail_msg("no tensor %s", name);
    return t;
}

static void check(const tdl_safetensors *file, const char *name, const char *described, const void *data) {
    char text[96];
    const tdl_safetensors_tensor *t = find(file, name);
    assert_null(t->odd_type.ptr);
    assert_string_equal(tdl_tensor_describe(&t->tensor, text), described);
    assert_memory_equal(t->tensor.data, data, tdl_tensor_size(&t->tensor));
}

static void test_types(void **state) {
    (void)state;
    size_t size;
    uint8_t *bytes = test_file_read(TYPES_PATH, &size);
    tdl_safetensors file;
    tdl_error err = {0};
    if (parse_bytes(bytes, size, &file, &err)) fail_msg("%s", err.message);
    assert_int_equal(file.tensors.n, 9);
    check(&file, "f32", "[2, 3] F32", (float[]){-3, -2, -1, 0, 1, 2});
    check(&file, "f16", "[5] F16", (uint16_t[]){0xbc00, 0xbb00, 0xba00, 0xb900, 0xb800}); // -1, -0.875, ... -0.5
    check(&file, "i8", "[3, 1] I8", (int8_t[]){-1, 0, 1});
    check(&file, "u8", "[4] U8", (uint8_t[]){0, 1, 2, 3});
    check(&file, "i32", "[2, 2, 2] I32", (int32_t[]){-4, -3, -2, -1, 0, 1, 2, 3});
    check(&file, "scalar", "[1] F32", (float[]){2.5f});
    assert_true(tdl_text_is(find(&file, "mask")->odd_type, "BOOL"));
    assert_true(tdl_text_is(find(&file, "steps")->odd_type, "I64"));
    assert_true(tdl_text_is(find(&file, "double")->odd_type, "F64"));
    assert_true(tdl_text_is(tdl_safetensors_metadata(&file, "note"), "caf\xc3\xa9"));
    tdl_safetensors_deinit(&file);
    free(bytes);
}

static void test_wrong(void **state) {
    (void)state;
    static const struct {
        const char *header;
        size_t n_data;
        tdl_status status;
        const char *message;
    } cases[] = {
        {"[]", 0, TDL_ERROR_FORMAT, "safetensors: the header is no JSON object"},
        {"{", 0, TDL_ERROR_FORMAT, "safetensors: json: header: line 1"},
        {"{\"a\":1}", 0, TDL_ERROR_FORMAT, "tensor 'a': no JSON object"},
        {"{\"__metadata__\":1}", 0, TDL_ERROR_FORMAT, "__metadata__ is no JSON object"},
        {"{\"__metadata__\":{\"k\":1}}", 0, TDL_ERROR_FORMAT, "__metadata__ key 'k' is no string"},
        {"{\"a\":{\"shape\":[],\"data_offsets\":[0,4]}}", 4, TDL_ERROR_FORMAT, "tensor 'a': no string 'dtype'"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, TDL_ERROR_FORMAT, "tensor 'a': no array 'shape'"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, TDL_ERROR_FORMAT, "tensor 'a': no 'data_offsets'"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, TDL_ERROR_FORMAT,
         "tensor 'a': 'data_offsets' is no array of two"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 4, TDL_ERROR_FORMAT,
         "tensor 'a': 'data_offsets' is no array of two"},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, TDL_ERROR_FORMAT,
         "tensor 'a': 'dtype' appears twice"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, TDL_ERROR_FORMAT, "__metadata__ appears twice"},
        {"{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[4],\"data_offsets\":[0,3]}}", 3, TDL_ERROR_FORMAT,
         "data_offsets span 3 bytes, its dtype and shape need 4"},
        {"{\"a\":{\"dtype\":\"F3\",\"shape\":[4],\"data_offsets\":[0,3]}}", 4, TDL_ERROR_FORMAT,
         "the tensors end at byte 3 of the data, the file at byte 4"},

        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, TDL_ERROR_LIMIT,
         "tensor 'a': 5 dimensions, at most 4"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, TDL_ERROR_FORMAT,
         "no integer from 0 on"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", 4, TDL_ERROR_FORMAT,
         "no integer from 0 on"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,2147483648],\"data_offsets\":[0,4]}}", 4, TDL_ERROR_FORMAT,
         "more than 2^63-1 elements"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[9223372036854775807],\"data_offsets\":[0,4]}}", 4, TDL_ERROR_FORMAT,
         "more than 2^64-1 bytes"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}", 4, TDL_ERROR_FORMAT,
         "data_offsets [0, 8] of a data section of 4 bytes"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, TDL_ERROR_FORMAT,
         "data_offsets [4, 0]"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, TDL_ERROR_FORMAT,
         "data_offsets [-4, 0]"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, TDL_ERROR_FORMAT,
         "data_offsets span 4 bytes, its dtype and shape need 8"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\",\"shape\":[4],"
         "\"data_offsets\":[3,7]}}",
         7, TDL_ERROR_FORMAT, "tensors 'a' and 'b' overlap at byte 3"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[5,9]},\"b\":{\"dtype\":\"U8\",\"shape\":[4],"
         "\"data_offsets\":[0,4]}}",
         9, TDL_ERROR_FORMAT, "bytes 4 to 5 of the data, before tensor 'a', belong to no tensor"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[1,5]}}", 5, TDL_ERROR_FORMAT,
         "bytes 0 to 1 of the data"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 5, TDL_ERROR_FORMAT,
         "the tensors end at byte 4 of the data, the file at byte 5"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"U8\",\"shape\":[0],"
         "\"data_offsets\":[4,4]}}",
         4, TDL_ERROR_FORMAT, "tensor 'a' appears twice"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}   ", 4, TDL_OK, ""},
        {"{}", 0, TDL_OK, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tdl_safetensors file;
        tdl_error err = {0};
        tdl_status status = parse(cases[i].header, strlen(cases[i].header), cases[i].n_data, &file, &err);
        if (cases[i].status) assert_error(status, cases[i].status, &err, cases[i].message);
        else if (status) fail_msg("%s: %s", cases[i].header, err.message);
        else tdl_safetensors_deinit(&file);
    }
}

static void test_header_size(void **state) {
    (void)state;
    tdl_safetensors file;
    tdl_error err = {0};
    uint8_t bytes[16] = {0};
    assert_error(parse_bytes(bytes, 7, &file, &err), TDL_ERROR_FORMAT, &err, "a file of 7 bytes");
    assert_error(parse_bytes(bytes, 16, &file, &err), TDL_ERROR_FORMAT, &err, "json: header");
    memcpy(bytes, &(uint64_t){9}, 8);
    assert_error(parse_bytes(bytes, 16, &file, &err), TDL_ERROR_FORMAT, &err, "a header of 9 bytes in a file of 16");

    // The limit: a header of spaces but for its braces.
    char *header = malloc(TDL_SAFETENSORS_HEADER_MAX + 1);
    assert_non_null(header);
    memset(header, ' ', TDL_SAFETENSORS_HEADER_MAX + 1);
    memcpy(header, "{}", 2);
    if (parse(header, TDL_SAFETENSORS_HEADER_MAX, 0, &file, &err)) fail_msg("%s", err.message);
    tdl_safetensors_deinit(&file);
    assert_error(parse(header, TDL_SAFETENSORS_HEADER_MAX + 1, 0, &file, &err), TDL_ERROR_LIMIT, &err,
                 "a header of 104857601 bytes, at most 104857600");
    free(header);
}

// ---- writing

static void fill(tdl_weights_tensor *t, const char *name, tdl_dtype dtype, int32_t n_dims, const int64_t *shape,
                 void *data) {
    t->name = name;
    assert_int_equal(tdl_tensor_make(dtype, n_dims, shape, data, &t->tensor, NULL), TDL_OK);
}

static tdl_status save(const tdl_allocator *allocator, void *path) {
    static uint8_t u8[3] = {1, 2, 3};
    static uint16_t bf16[2] = {0x3f80, 0x4000};
    static float f32[6] = {0, 1, 2, 3, 4, 5};
    static int32_t i32[1] = {-7};
    tdl_weights_tensor tensors[4];
    tdl_error err = {0};
    fill(&tensors[0], "bytes \"quoted\\\x01\"", TDL_DTYPE_U8, 1, (int64_t[]){3}, u8);
    fill(&tensors[1], "halves", TDL_DTYPE_BF16, 2, (int64_t[]){1, 2}, bf16);
    fill(&tensors[2], "turned", TDL_DTYPE_F32, 2, (int64_t[]){2, 3}, f32);
    fill(&tensors[3], "scalar", TDL_DTYPE_I32, 0, NULL, i32);
    tensors[2].tensor = tdl_tensor_transpose(&tensors[2].tensor, 0, 1);
    return tdl_safetensors_save(allocator, path, tensors, 4, &err);
}

static void test_write(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
    size_t size;
    tdl_safetensors file;
    tdl_error err = {0};
    test_dir_make(dir);
    test_path(path, dir, "a.safetensors");
    assert_int_equal(save(mem(), path), TDL_OK);
    uint8_t *bytes = test_file_read(path, &size);
    uint64_t header_size;
    memcpy(&header_size, bytes, 8);
    assert_int_equal(header_size % 8, 0);
    if (parse_bytes(bytes, size, &file, &err)) fail_msg("%s", err.message);
    check(&file, "bytes \"quoted\\\x01\"", "[3] U8", (uint8_t[]){1, 2, 3});
    check(&file, "halves", "[1, 2] BF16", (uint16_t[]){0x3f80, 0x4000});
    check(&file, "turned", "[3, 2] F32", (float[]){0, 3, 1, 4, 2, 5});
    check(&file, "scalar", "[1] I32", (int32_t[]){-7});
    assert_true(tdl_text_is(tdl_safetensors_metadata(&file, "format"), "pt"));
    size_t data_at = 8 + header_size; // every tensor is aligned for its elements
    assert_int_equal(((size_t)(find(&file, "turned")->tensor.data - bytes) - data_at) % 4, 0);
    assert_int_equal(((size_t)(find(&file, "scalar")->tensor.data - bytes) - data_at) % 4, 0);
    assert_int_equal(((size_t)(find(&file, "halves")->tensor.data - bytes) - data_at) % 2, 0);
    tdl_safetensors_deinit(&file);
    free(bytes);
    test_dir_remove(dir);
}

static void test_write_refused(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE], name[TDL_TENSOR_NAME_SIZE_MAX + 2];
    tdl_error err = {0};
    float data[32] = {0};
    tdl_weights_tensor tensors[2];
    test_dir_make(dir);
    test_path(path, dir, "a.safetensors");
    fill(&tensors[0], "a", TDL_DTYPE_F32, 1, (int64_t[]){1}, data);
    fill(&tensors[1], "a", TDL_DTYPE_F32, 1, (int64_t[]){1}, data);
    assert_error(tdl_safetensors_save(mem(), path, tensors, 2, &err), TDL_ERROR_ARGUMENT, &err, "both named 'a'");
    fill(&tensors[1], "__metadata__", TDL_DTYPE_F32, 1, (int64_t[]){1}, data);
    assert_error(tdl_safetensors_save(mem(), path, tensors, 2, &err), TDL_ERROR_ARGUMENT, &err, "reserved");
    fill(&tensors[1], "", TDL_DTYPE_F32, 1, (int64_t[]){1}, data);
    assert_error(tdl_safetensors_save(mem(), path, tensors, 2, &err), TDL_ERROR_ARGUMENT, &err, "empty");
    fill(&tensors[1], "q", TDL_DTYPE_Q8_0, 1, (int64_t[]){32}, data);
    assert_error(tdl_safetensors_save(mem(), path, tensors, 2, &err), TDL_ERROR_UNSUPPORTED, &err,
                 "tensor 'q': the format has no type Q8_0");
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = 0;
    fill(&tensors[1], name, TDL_DTYPE_F32, 1, (int64_t[]){1}, data);
    assert_error(tdl_safetensors_save(mem(), path, tensors, 2, &err), TDL_ERROR_LIMIT, &err, "256 bytes, at most 255");
    assert_false(test_file_exists(path));
    name[sizeof name - 2] = 0;
    assert_int_equal(tdl_safetensors_save(mem(), path, tensors, 2, &err), TDL_OK);
    assert_error(tdl_safetensors_save(mem(), "/nonexistent/a", tensors, 2, &err), TDL_ERROR_IO, &err, "/nonexistent/");
    test_dir_remove(dir);
}

// ---- memory

static tdl_status parse_types(const tdl_allocator *allocator, void *arg) {
    size_t size;
    uint8_t *bytes = test_file_read(arg, &size);
    tdl_safetensors file;
    tdl_status status = tdl_safetensors_parse(
        allocator, &(tdl_safetensors_source){.bytes = bytes, .size = size, .file_size = size}, &file, NULL);
    if (!status) tdl_safetensors_deinit(&file);
    free(bytes);
    return status;
}

static void test_failing_allocations(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE], types[] = TYPES_PATH;
    test_dir_make(dir);
    test_path(path, dir, "a.safetensors");
    assert_true(fail_alloc_each(parse_types, types) > 1);
    assert_true(fail_alloc_each(save, path) > 4);
    test_dir_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types), cmocka_unit_test(test_wrong),         cmocka_unit_test(test_header_size),
        cmocka_unit_test(test_write), cmocka_unit_test(test_write_refused), cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
