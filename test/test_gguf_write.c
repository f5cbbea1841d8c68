// SPDX-License-Identifier: MIT
// test_gguf_write.c - writing GGUF, and that what was written reads back the same.
//
// The reader is itself held against files of another implementation in test_gguf.c. The bytes of a small file are also
// compared with the same file made by hand, so that a mistake that reader and writer share would show.
#include "base/limits.h"
#include "format/gguf.h"
#include "format/gguf_write.h"
#include "support/fail_alloc.h"
#include "support/gguf_bytes.h"
#include "support/load_all.h"
#include "support/test_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const tdl_allocator *mem(void) { return tdl_allocator_or_default(NULL); }

static tdl_gguf_writer *create(void) {
    tdl_gguf_writer *writer = NULL;
    assert_int_equal(tdl_gguf_writer_create(mem(), &writer, NULL), TDL_OK);
    return writer;
}

static tdl_tensor tensor_f32(int32_t n_dims, const int64_t *shape, float *data) {
    tdl_tensor tensor;
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, n_dims, shape, data, &tensor, NULL), TDL_OK);
    return tensor;
}

static tdl_weights *open_file(const char *path) {
    tdl_weights *weights = NULL;
    tdl_error err = {0};
    if (tdl_weights_open(&(tdl_weights_desc){.mem = mem(), .path = path}, &weights, &err)) fail_msg("%s", err.message);
    return weights;
}

static void test_bytes(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
    test_dir_make(dir);
    test_path(path, dir, "a.gguf");
    tdl_gguf_writer *writer = create();
    tdl_error err = {0};
    float small[3] = {1, 2, 3}, large[8] = {0};
    for (int i = 0; i < 8; i++) large[i] = (float)i;
    tdl_tensor a = tensor_f32(1, (int64_t[]){3}, small), b = tensor_f32(2, (int64_t[]){2, 4}, large);
    assert_int_equal(tdl_gguf_writer_string(writer, "s", "text", &err), TDL_OK);
    assert_int_equal(tdl_gguf_writer_u32(writer, "u", 7, &err), TDL_OK);
    assert_int_equal(tdl_gguf_writer_f32(writer, "f", 0.25f, &err), TDL_OK);
    assert_int_equal(tdl_gguf_writer_bool(writer, "b", true, &err), TDL_OK);
    assert_int_equal(tdl_gguf_writer_tensor(writer, "small", &a, &err), TDL_OK);
    assert_int_equal(tdl_gguf_writer_tensor(writer, "large", &b, &err), TDL_OK);

    gguf_bytes g = {0};
    gguf_put_header(&g, 3, 2, 4);
    gguf_put_key(&g, "s", TDL_GGUF_STRING);
    gguf_put_text(&g, "text", 4);
    gguf_put_key_u32(&g, "u", 7);
    gguf_put_key(&g, "f", TDL_GGUF_F32);
    gguf_put(&g, &(float){0.25f}, 4);
    gguf_put_key(&g, "b", TDL_GGUF_BOOL);
    gguf_put(&g, "\1", 1);
    gguf_put_tensor(&g, "small", 1, (uint64_t[]){3}, 0, 0);
    gguf_put_tensor(&g, "large", 2, (uint64_t[]){4, 2}, 0, 32);
    gguf_put_data(&g, 32, 0);
    gguf_put(&g, small, sizeof small);
    gguf_put_data(&g, 32, 0);
    gguf_put(&g, large, sizeof large);

    for (int round = 0; round < 2; round++) { // a writer can save again
        size_t size;
        assert_int_equal(tdl_gguf_writer_save(writer, path, &err), TDL_OK);
        uint8_t *bytes = test_file_read(path, &size);
        assert_int_equal(size, g.size);
        assert_memory_equal(bytes, g.data, size);
        free(bytes);
    }
    gguf_bytes_free(&g);
    tdl_gguf_writer_destroy(writer);
    test_dir_remove(dir);
}

static void check_same_meta(const tdl_meta *a, const tdl_meta *b) {
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->element, b->element);
    assert_int_equal(a->gguf_type, b->gguf_type);
    assert_int_equal(a->gguf_element, b->gguf_element);
    assert_int_equal(a->boolean, b->boolean);
    assert_true(a->integer == b->integer && a->uinteger == b->uinteger && a->number == b->number);
    assert_true(tdl_text_equal(a->string, b->string));
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; a->element == TDL_META_STRING && i < a->n; i++)
        assert_true(tdl_text_equal(((const tdl_text *)a->array)[i], ((const tdl_text *)b->array)[i]));
    if (a->element == TDL_META_BOOL) assert_memory_equal(a->array, b->array, a->n * sizeof(bool));
    else if (a->n && a->element != TDL_META_STRING) assert_memory_equal(a->array, b->array, a->n * 8);
}

// Everything of another implementation's file, read, written and read again.
static void test_round_trip(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
    test_dir_make(dir);
    test_path(path, dir, "copy.gguf");
    tdl_error err = {0};
    tdl_weights *from = open_file(TDL_TEST_DATA "/gguf/types.gguf");
    load_all(from);
    tdl_gguf_writer *writer = create();
    for (size_t i = 0; i < tdl_weights_n_meta(from); i++) {
        tdl_text key;
        tdl_meta value = tdl_weights_meta_at(from, i, &key);
        if (tdl_gguf_writer_meta(writer, key, &value, &err)) fail_msg("%s", err.message);
    }
    for (size_t i = 0; i < tdl_weights_n_tensors(from); i++) {
        const tdl_weights_tensor *t = tdl_weights_at(from, i);
        if (tdl_gguf_writer_tensor(writer, t->name, &t->tensor, &err)) fail_msg("%s", err.message);
    }
    assert_int_equal(tdl_gguf_writer_save(writer, path, &err), TDL_OK);
    tdl_gguf_writer_destroy(writer);

    tdl_weights *to = open_file(path);
    assert_int_equal(tdl_weights_n_meta(to), tdl_weights_n_meta(from) - 1); // but for the alignment
    assert_int_equal(tdl_weights_meta(to, "general.alignment").type, TDL_META_NONE);
    for (size_t i = 0; i < tdl_weights_n_meta(to); i++) {
        tdl_text key;
        char name[64] = {0};
        tdl_meta b = tdl_weights_meta_at(to, i, &key);
        memcpy(name, key.ptr, key.size);
        tdl_meta a = tdl_weights_meta(from, name);
        check_same_meta(&a, &b);
    }
    assert_int_equal(tdl_weights_n_tensors(to), tdl_weights_n_tensors(from));
    load_all(to);
    for (size_t i = 0; i < tdl_weights_n_tensors(to); i++) {
        const tdl_weights_tensor *a = tdl_weights_at(from, i), *b = tdl_weights_at(to, i);
        assert_string_equal(a->name, b->name);
        assert_int_equal(a->tensor.dtype, b->tensor.dtype);
        assert_true(tdl_tensor_same_shape(&a->tensor, &b->tensor));
        assert_memory_equal(a->tensor.data, b->tensor.data, tdl_tensor_size(&a->tensor));
    }
    tdl_weights_close(to);
    tdl_weights_close(from);
    test_dir_remove(dir);
}

// Values that come from JSON have no GGUF type of their own.
static void test_chosen_types(void **state) {
    (void)state;
    static const int64_t integers[2] = {-1, INT64_MAX};
    static const uint64_t uintegers[1] = {UINT64_MAX};
    static const double numbers[2] = {0.1, 1e300};
    static const bool bools[2] = {false, true};
    const tdl_text texts[2] = {tdl_text_of("a", 1), tdl_text_of("", 0)};
    const struct {
        tdl_meta value;
        int32_t type, element;
    } cases[] = {
        {{.type = TDL_META_BOOL, .boolean = true}, TDL_GGUF_BOOL, -1},
        {{.type = TDL_META_INT, .integer = UINT32_MAX}, TDL_GGUF_U32, -1},
        {{.type = TDL_META_INT, .integer = -1}, TDL_GGUF_I32, -1},
        {{.type = TDL_META_INT, .integer = INT64_MIN}, TDL_GGUF_I64, -1},
        {{.type = TDL_META_UINT, .uinteger = UINT64_MAX}, TDL_GGUF_U64, -1},
        {{.type = TDL_META_FLOAT, .number = 1e-6}, TDL_GGUF_F64, -1},
        {{.type = TDL_META_STRING, .string = texts[0]}, TDL_GGUF_STRING, -1},
        {{.type = TDL_META_ARRAY, .element = TDL_META_INT, .n = 2, .array = integers}, TDL_GGUF_ARRAY, TDL_GGUF_I64},
        {{.type = TDL_META_ARRAY, .element = TDL_META_UINT, .n = 1, .array = uintegers}, TDL_GGUF_ARRAY, TDL_GGUF_U64},
        {{.type = TDL_META_ARRAY, .element = TDL_META_FLOAT, .n = 2, .array = numbers}, TDL_GGUF_ARRAY, TDL_GGUF_F64},
        {{.type = TDL_META_ARRAY, .element = TDL_META_BOOL, .n = 2, .array = bools}, TDL_GGUF_ARRAY, TDL_GGUF_BOOL},
        {{.type = TDL_META_ARRAY, .element = TDL_META_STRING, .n = 2, .array = texts}, TDL_GGUF_ARRAY, TDL_GGUF_STRING},
        {{.type = TDL_META_ARRAY, .element = TDL_META_INT, .n = 0, .array = NULL}, TDL_GGUF_ARRAY, TDL_GGUF_I64},
    };
    enum { N = sizeof cases / sizeof *cases };
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
    test_dir_make(dir);
    test_path(path, dir, "a.gguf");
    tdl_gguf_writer *writer = create();
    tdl_error err = {0};
    tdl_tensor tensor = tensor_f32(1, (int64_t[]){1}, (float[]){1});
    for (size_t i = 0; i < N; i++) {
        tdl_meta value = cases[i].value;
        value.gguf_type = value.gguf_element = -1;
        char key[8];
        snprintf(key, sizeof key, "k%zu", i);
        if (tdl_gguf_writer_meta(writer, tdl_text_cstr(key), &value, &err)) fail_msg("%zu: %s", i, err.message);
    }
    assert_int_equal(tdl_gguf_writer_tensor(writer, "w", &tensor, &err), TDL_OK);
    assert_int_equal(tdl_gguf_writer_save(writer, path, &err), TDL_OK);
    tdl_gguf_writer_destroy(writer);
    tdl_weights *weights = open_file(path);
    for (size_t i = 0; i < N; i++) {
        tdl_text key;
        tdl_meta expected = cases[i].value, found = tdl_weights_meta_at(weights, i, &key);
        expected.gguf_type = cases[i].type;
        expected.gguf_element = cases[i].element;
        check_same_meta(&expected, &found);
    }
    tdl_weights_close(weights);
    test_dir_remove(dir);
}

static void test_strided(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
    test_dir_make(dir);
    test_path(path, dir, "a.gguf");
    tdl_gguf_writer *writer = create();
    float data[6] = {0, 1, 2, 3, 4, 5};
    tdl_tensor tensor = tensor_f32(2, (int64_t[]){2, 3}, data);
    tdl_tensor turned = tdl_tensor_transpose(&tensor, 0, 1);
    assert_int_equal(tdl_gguf_writer_tensor(writer, "w", &turned, NULL), TDL_OK);
    assert_int_equal(tdl_gguf_writer_save(writer, path, NULL), TDL_OK);
    tdl_gguf_writer_destroy(writer);
    tdl_weights *weights = open_file(path);
    load_all(weights);
    assert_memory_equal(tdl_weights_at(weights, 0)->tensor.data, ((float[]){0, 3, 1, 4, 2, 5}), sizeof data);
    tdl_weights_close(weights);
    test_dir_remove(dir);
}

static void test_refused(void **state) {
    (void)state;
    tdl_error err = {0};
    tdl_gguf_writer *writer = create();
    char *text = calloc(TDL_META_KEY_SIZE_MAX + 2, 1);
    assert_non_null(text);
    assert_int_equal(tdl_gguf_writer_u32(writer, "k", 1, &err), TDL_OK);
    assert_error(tdl_gguf_writer_u32(writer, "k", 1, &err), TDL_ERROR_ARGUMENT, &err, "'k' was added before");
    assert_error(tdl_gguf_writer_u32(writer, "", 1, &err), TDL_ERROR_ARGUMENT, &err, "a metadata key is empty");
    assert_error(tdl_gguf_writer_u32(writer, "\xff", 1, &err), TDL_ERROR_ARGUMENT, &err, "not valid UTF-8");
    memset(text, 'k', TDL_META_KEY_SIZE_MAX);
    assert_int_equal(tdl_gguf_writer_u32(writer, text, 1, &err), TDL_OK);
    memset(text, 'k', TDL_META_KEY_SIZE_MAX + 1);
    assert_error(tdl_gguf_writer_u32(writer, text, 1, &err), TDL_ERROR_LIMIT, &err, "65536 bytes, at most 65535");

    tdl_meta value = {.type = TDL_META_INT, .integer = 256, .gguf_type = TDL_GGUF_U8};
    assert_error(tdl_gguf_writer_meta(writer, tdl_text_of("v", 1), &value, &err), TDL_ERROR_ARGUMENT, &err,
                 "'v': value 0 does not fit GGUF type 0");
    value.gguf_type = TDL_GGUF_TYPE_COUNT;
    assert_error(tdl_gguf_writer_meta(writer, tdl_text_of("v", 1), &value, &err), TDL_ERROR_ARGUMENT, &err, "no value");
    value = (tdl_meta){.type = TDL_META_NONE, .gguf_type = -1};
    assert_error(tdl_gguf_writer_meta(writer, tdl_text_of("v", 1), &value, &err), TDL_ERROR_ARGUMENT, &err, "no value");
    value = (tdl_meta){.type = TDL_META_ARRAY, .element = TDL_META_INT, .n = TDL_META_ARRAY_MAX + 1, .gguf_type = -1};
    assert_error(tdl_gguf_writer_meta(writer, tdl_text_of("v", 1), &value, &err), TDL_ERROR_LIMIT, &err,
                 "at most 16777216");
    value = (tdl_meta){.type = TDL_META_ARRAY,
                       .element = TDL_META_INT,
                       .n = 1,
                       .gguf_type = -1,
                       .gguf_element = TDL_GGUF_I8,
                       .array = (int64_t[]){128}};
    assert_error(tdl_gguf_writer_meta(writer, tdl_text_of("v", 1), &value, &err), TDL_ERROR_ARGUMENT, &err,
                 "value 0 does not fit GGUF type 1");

    tdl_tensor tensor = tensor_f32(1, (int64_t[]){1}, (float[]){1}), bytes;
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_U8, 1, (int64_t[]){1}, text, &bytes, &err), TDL_OK);
    assert_error(tdl_gguf_writer_tensor(writer, "u8", &bytes, &err), TDL_ERROR_UNSUPPORTED, &err,
                 "GGUF has no type U8");
    assert_int_equal(tdl_gguf_writer_tensor(writer, "w", &tensor, &err), TDL_OK);
    assert_error(tdl_gguf_writer_tensor(writer, "w", &tensor, &err), TDL_ERROR_ARGUMENT, &err, "'w' was added before");
    text[TDL_TENSOR_NAME_SIZE_MAX + 1] = 0;
    assert_error(tdl_gguf_writer_tensor(writer, text, &tensor, &err), TDL_ERROR_LIMIT, &err, "256 bytes, at most 255");
    text[TDL_TENSOR_NAME_SIZE_MAX] = 0;
    assert_int_equal(tdl_gguf_writer_tensor(writer, text, &tensor, &err), TDL_OK);
    assert_error(tdl_gguf_writer_save(writer, "/nonexistent/a.gguf", &err), TDL_ERROR_IO, &err, "/nonexistent/");
    tdl_gguf_writer_destroy(writer);
    tdl_gguf_writer_destroy(NULL);
    free(text);
}

// What a failed addition leaves behind must not change the file.
static tdl_status write_with(const tdl_allocator *allocator, void *path) {
    tdl_gguf_writer *writer = NULL;
    tdl_error err = {0};
    float data[6] = {0};
    tdl_tensor tensor = tensor_f32(2, (int64_t[]){2, 3}, data);
    tdl_tensor turned = tdl_tensor_transpose(&tensor, 0, 1);
    tdl_status first_error = tdl_gguf_writer_create(allocator, &writer, &err);
    if (first_error) return first_error;
    const tdl_status statuses[] = {
        tdl_gguf_writer_string(writer, "a", "some text that is long enough to need new memory", &err),
        tdl_gguf_writer_u32(writer, "b", 1, &err),
        tdl_gguf_writer_tensor(writer, "w", &tensor, &err),
        tdl_gguf_writer_tensor(writer, "v", &turned, &err),
        tdl_gguf_writer_save(writer, path, &err),
    };
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (!first_error) first_error = statuses[i];
    tdl_gguf_writer_destroy(writer);
    if (statuses[4] == TDL_OK) {
        tdl_weights *weights = NULL;
        tdl_weights_desc desc = {.mem = mem(), .path = path, .metadata_only = true};
        if (tdl_weights_open(&desc, &weights, &err)) fail_msg("%s", err.message);
        assert_int_equal(tdl_weights_n_meta(weights), (statuses[0] == TDL_OK) + (statuses[1] == TDL_OK));
        tdl_weights_close(weights);
    }
    return first_error;
}

static void test_failing_allocations(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
    test_dir_make(dir);
    assert_true(fail_alloc_each(write_with, (void *)(uintptr_t)test_path(path, dir, "a.gguf")) > 4);
    test_dir_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),   cmocka_unit_test(test_round_trip), cmocka_unit_test(test_chosen_types),
        cmocka_unit_test(test_strided), cmocka_unit_test(test_refused),    cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
