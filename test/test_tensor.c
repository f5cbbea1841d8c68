// SPDX-License-Identifier: MIT
// test_tensor.c - shapes, strides, views, broadcasting and packing; the dtype table and the half-precision types.
#include "tensor/tensor.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static tdl_tensor make(tdl_dtype dtype, int32_t n_dims, const int64_t *shape, void *data) {
    tdl_tensor t;
    tdl_error err = {0};
    if (tdl_tensor_make(dtype, n_dims, shape, data, &t, &err) != TDL_OK) fail_msg("%s", err.message);
    return t;
}

#define SHAPE(...) \
    (int32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]) { __VA_ARGS__ }

static void test_make(void **state) {
    (void)state;
    tdl_tensor t = make(TDL_DTYPE_F16, SHAPE(2, 3, 4), NULL);
    assert_int_equal(t.strides[0], 24);
    assert_int_equal(t.strides[1], 8);
    assert_int_equal(t.strides[2], 2);
    assert_int_equal(t.shape[3], 1);
    assert_int_equal(tdl_tensor_n_elements(&t), 24);
    assert_int_equal(tdl_tensor_n_rows(&t), 6);
    assert_int_equal(tdl_tensor_size(&t), 48);
    assert_true(tdl_tensor_contiguous(&t));

    t = make(TDL_DTYPE_Q4_K, SHAPE(3, 512), NULL);
    assert_int_equal(t.strides[0], 288);
    assert_int_equal(t.strides[1], 144);
    assert_int_equal(tdl_tensor_n_elements(&t), 1536);
    assert_int_equal(tdl_tensor_size(&t), 864);

    t = make(TDL_DTYPE_F32, 0, NULL, NULL); // a scalar
    assert_int_equal(tdl_tensor_n_elements(&t), 1);
    assert_int_equal(tdl_tensor_n_rows(&t), 1);
    assert_int_equal(tdl_tensor_size(&t), 4);

    t = make(TDL_DTYPE_F32, SHAPE(0, 7), NULL); // empty
    assert_int_equal(tdl_tensor_n_elements(&t), 0);
    assert_int_equal(tdl_tensor_size(&t), 0);
    assert_true(tdl_tensor_contiguous(&t));
}

static void check_refused(tdl_dtype dtype, int32_t n_dims, const int64_t *shape, tdl_status status, const char *what) {
    tdl_tensor t;
    tdl_error err = {0};
    assert_int_equal(tdl_tensor_make(dtype, n_dims, shape, NULL, &t, &err), status);
    if (!strstr(err.message, what)) fail_msg("'%s' has no '%s'", err.message, what);
}

static void test_make_refuses(void **state) {
    (void)state;
    int64_t five[] = {1, 1, 1, 1, 1};
    make(TDL_DTYPE_F32, TDL_DIMS_MAX, five, NULL);
    check_refused(TDL_DTYPE_F32, TDL_DIMS_MAX + 1, five, TDL_ERROR_LIMIT, "5 dimensions, at most 4");
    check_refused(TDL_DTYPE_F32, -1, five, TDL_ERROR_LIMIT, "-1 dimensions");
    check_refused(TDL_DTYPE_NONE, 1, five, TDL_ERROR_FORMAT, "element type 0, expected 1 to ");
    check_refused(TDL_DTYPE_COUNT, 1, five, TDL_ERROR_FORMAT, "element type");
    check_refused((tdl_dtype)-1, 1, five, TDL_ERROR_FORMAT, "element type");
    check_refused(TDL_DTYPE_F32, SHAPE(4, -2), TDL_ERROR_FORMAT, "[4, -2] F32: dimension 1 is negative");
    check_refused(TDL_DTYPE_Q8_0, SHAPE(32, 40), TDL_ERROR_FORMAT, "rows of 40 elements are no whole blocks of 32");
    check_refused(TDL_DTYPE_Q8_0, 0, NULL, TDL_ERROR_FORMAT, "rows of 1 elements");
    make(TDL_DTYPE_I8, SHAPE(INT64_MAX / 2, 2), NULL);
    check_refused(TDL_DTYPE_I8, SHAPE(INT64_MAX / 2 + 1, 2), TDL_ERROR_FORMAT, "does not fit");
    check_refused(TDL_DTYPE_F32, SHAPE(INT64_MAX / 4 + 1), TDL_ERROR_FORMAT, "does not fit");
    check_refused(TDL_DTYPE_F32, SHAPE(0, INT64_MAX, INT64_MAX), TDL_ERROR_FORMAT, "does not fit");
    check_refused(TDL_DTYPE_F32, SHAPE(INT64_MAX, INT64_MAX, 0), TDL_ERROR_FORMAT, "does not fit");
    // Fewer bytes than elements: the bytes would fit.
    check_refused(TDL_DTYPE_Q4_0, SHAPE(3, (INT64_MAX / 2) & ~31ll), TDL_ERROR_FORMAT, "does not fit");
}

static void test_views(void **state) {
    (void)state;
    int32_t data[24];
    for (int i = 0; i < 24; i++) data[i] = i;
    tdl_tensor t = make(TDL_DTYPE_I32, SHAPE(2, 3, 4), data);
    tdl_tensor turned = tdl_tensor_transpose(&t, 0, 2); // [4, 3, 2]
    assert_int_equal(turned.shape[0], 4);
    assert_false(tdl_tensor_contiguous(&turned));
    assert_int_equal(tdl_tensor_extent(&turned), 24 * sizeof *data);
    int32_t packed[24];
    tdl_tensor_pack(&turned, packed);
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 3; k++) {
            for (int l = 0; l < 2; l++) assert_int_equal(packed[(i * 3 + k) * 2 + l], (l * 3 + k) * 4 + i);
        }
    }
    tdl_tensor part = tdl_tensor_slice(&t, 2, 1, 2); // [2, 3, 2]
    assert_false(tdl_tensor_contiguous(&part));
    assert_int_equal(tdl_tensor_extent(&part), (12 + 8 + 1 + 1) * sizeof *data); // to element [1, 2, 1]
    tdl_tensor_pack(&part, packed);
    for (int i = 0; i < 12; i++) assert_int_equal(packed[i], i / 2 * 4 + 1 + i % 2);
    part = tdl_tensor_slice(&t, 0, 1, 1); // a stride that is never taken does not matter
    assert_true(tdl_tensor_contiguous(&part));
    assert_ptr_equal(part.data, (uint8_t *)(data + 12));
    part = tdl_tensor_slice(&t, 1, 3, 0);
    assert_int_equal(tdl_tensor_n_elements(&part), 0);
    assert_int_equal(tdl_tensor_extent(&part), 0);
    tdl_tensor_pack(&part, packed);
    part = tdl_tensor_transpose(&part, 1, 2); // empty rows
    tdl_tensor_pack(&part, packed);

    tdl_tensor nowhere = make(TDL_DTYPE_I32, SHAPE(5, 5), NULL);
    assert_null(tdl_tensor_slice(&nowhere, 0, 2, 2).data);
    assert_true(tdl_tensor_same_shape(&t, &t));
    assert_false(tdl_tensor_same_shape(&t, &turned));
    assert_false(tdl_tensor_same_shape(&t, &nowhere));
}

static void test_block_views(void **state) {
    (void)state;
    enum { ROWS = 4, COLS = 96, BLOCK = 34 };
    float values[ROWS * COLS], expected[ROWS * COLS], got[ROWS * COLS];
    uint8_t blocks[ROWS * COLS / 32 * BLOCK], packed[sizeof blocks];
    for (int i = 0; i < ROWS * COLS; i++) values[i] = sinf((float)i);
    tdl_dtype_get(TDL_DTYPE_Q8_0)->encode(values, blocks, ROWS * COLS);
    tdl_dtype_get(TDL_DTYPE_Q8_0)->decode(blocks, expected, ROWS * COLS);
    tdl_tensor t = make(TDL_DTYPE_Q8_0, SHAPE(ROWS, COLS), blocks);
    tdl_tensor_to_f32(&t, got);
    assert_memory_equal(got, expected, sizeof got);

    tdl_tensor part = tdl_tensor_slice(&t, 1, 32, 64); // the last two blocks of each row
    assert_false(tdl_tensor_contiguous(&part));
    assert_int_equal(tdl_tensor_size(&part), ROWS * 2 * BLOCK);
    tdl_tensor_to_f32(&part, got);
    tdl_tensor_pack(&part, packed);
    for (int row = 0; row < ROWS; row++) {
        assert_memory_equal(got + row * 64, expected + row * COLS + 32, 64 * sizeof(float));
        assert_memory_equal(packed + row * 2 * BLOCK, blocks + (row * 3 + 1) * BLOCK, 2 * BLOCK);
    }
    part.strides[1] = 2 * BLOCK; // every second block, as no file has it but the type can say
    part = tdl_tensor_slice(&part, 0, 0, 2);
    part.data = blocks;
    tdl_tensor_to_f32(&part, got);
    tdl_tensor_pack(&part, packed);
    for (int i = 0; i < 4; i++) {
        int block = i / 2 * 3 + i % 2 * 2;
        assert_memory_equal(got + i * 32, expected + block * 32, 32 * sizeof(float));
        assert_memory_equal(packed + i * BLOCK, blocks + block * BLOCK, BLOCK);
    }
}

static void test_to_f32_strided(void **state) {
    (void)state;
    uint16_t halves[6];
    for (int i = 0; i < 6; i++) halves[i] = tdl_f16_from_f32((float)i + 0.5f);
    tdl_tensor t = make(TDL_DTYPE_F16, SHAPE(2, 3), halves);
    tdl_tensor turned = tdl_tensor_transpose(&t, 0, 1);
    float got[6];
    tdl_tensor_to_f32(&turned, got);
    static const float expected[] = {0.5f, 3.5f, 1.5f, 4.5f, 2.5f, 5.5f};
    assert_memory_equal(got, expected, sizeof got);
    float scalar = -2.0f;
    tdl_tensor s = make(TDL_DTYPE_F32, 0, NULL, &scalar);
    tdl_tensor_to_f32(&s, got);
    assert_true(got[0] == -2.0f);
    tdl_tensor_pack(&s, got + 1);
    assert_true(got[1] == -2.0f);
}

static void test_broadcast(void **state) {
    (void)state;
    tdl_tensor a = make(TDL_DTYPE_F32, SHAPE(8, 1, 6, 1), NULL), b = make(TDL_DTYPE_F32, SHAPE(7, 1, 5), NULL);
    tdl_tensor scalar = make(TDL_DTYPE_F32, 0, NULL, NULL), empty = make(TDL_DTYPE_F32, SHAPE(0), NULL);
    tdl_tensor c = make(TDL_DTYPE_F16, SHAPE(7, 6, 4), NULL);
    int32_t n_dims;
    int64_t shape[TDL_DIMS_MAX];
    tdl_error err = {0};
    assert_int_equal(tdl_tensor_broadcast(&a, &b, &n_dims, shape, &err), TDL_OK);
    assert_int_equal(n_dims, 4);
    assert_memory_equal(shape, ((int64_t[]){8, 7, 6, 5}), sizeof shape);
    assert_int_equal(tdl_tensor_broadcast(&b, &a, &n_dims, shape, &err), TDL_OK);
    assert_memory_equal(shape, ((int64_t[]){8, 7, 6, 5}), sizeof shape);
    assert_int_equal(tdl_tensor_broadcast(&scalar, &b, &n_dims, shape, &err), TDL_OK);
    assert_int_equal(n_dims, 3);
    assert_memory_equal(shape, b.shape, 3 * sizeof *shape);
    assert_int_equal(tdl_tensor_broadcast(&scalar, &scalar, &n_dims, shape, &err), TDL_OK);
    assert_int_equal(n_dims, 0);
    assert_int_equal(tdl_tensor_broadcast(&empty, &a, &n_dims, shape, &err), TDL_OK); // 0 against 1 is 0
    assert_int_equal(shape[3], 0);
    assert_int_equal(tdl_tensor_broadcast(&b, &c, &n_dims, shape, &err), TDL_ERROR_ARGUMENT);
    assert_string_equal(err.message, "tensor: shapes [7, 1, 5] F32 and [7, 6, 4] F16 do not broadcast: 5 against 4");
}

static void test_describe(void **state) {
    (void)state;
    char text[96];
    tdl_tensor t = make(TDL_DTYPE_F16, SHAPE(4096, 256), NULL);
    assert_string_equal(tdl_tensor_describe(&t, text), "[4096, 256] F16");
    t = make(TDL_DTYPE_BF16, 0, NULL, NULL);
    assert_string_equal(tdl_tensor_describe(&t, text), "[] BF16");
    t = (tdl_tensor){.dtype = TDL_DTYPE_BF16, .n_dims = 4, .shape = {INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN}};
    assert_int_equal(strlen(tdl_tensor_describe(&t, text)), 4 * 20 + 3 * 2 + 2 + 5); // the longest there can be
}

static void test_dtype_table(void **state) {
    (void)state;
    for (int i = 1; i < TDL_DTYPE_COUNT; i++) {
        tdl_dtype dtype = (tdl_dtype)i;
        const tdl_dtype_info *info = tdl_dtype_get(dtype);
        assert_int_equal(tdl_dtype_from_name(info->name), dtype);
        if (info->ggml_id >= 0) assert_int_equal(tdl_dtype_from_ggml((uint32_t)info->ggml_id), dtype);
        bool is_integer = dtype == TDL_DTYPE_I8 || dtype == TDL_DTYPE_U8 || dtype == TDL_DTYPE_I32;
        assert_true((info->decode == NULL) == is_integer);
        assert_true((info->encode == NULL) == is_integer);
    }
    assert_string_equal(tdl_dtype_get(TDL_DTYPE_Q8_0)->name, "Q8_0");
    assert_int_equal(tdl_dtype_get(TDL_DTYPE_Q6_K)->block_size, 210);
    assert_int_equal(tdl_dtype_from_ggml(30), TDL_DTYPE_BF16);
    assert_int_equal(tdl_dtype_from_ggml(4), TDL_DTYPE_NONE);
    assert_int_equal(tdl_dtype_from_ggml(UINT32_MAX), TDL_DTYPE_NONE); // not U8, which has no number
    assert_int_equal(tdl_dtype_from_name("q8_0"), TDL_DTYPE_NONE);
    assert_int_equal(tdl_dtype_from_name("none"), TDL_DTYPE_NONE);
    assert_int_equal(tdl_dtype_get((tdl_dtype)1000)->block_n, 1);
    assert_int_equal(tdl_dtype_get((tdl_dtype)-1)->block_size, 0);
}

static void test_row_size(void **state) {
    (void)state;
    size_t size;
    assert_true(tdl_dtype_row_size(TDL_DTYPE_Q4_K, 512, &size) && size == 288);
    assert_true(tdl_dtype_row_size(TDL_DTYPE_F16, 0, &size) && size == 0);
    assert_false(tdl_dtype_row_size(TDL_DTYPE_Q4_K, 500, &size));
    assert_false(tdl_dtype_row_size(TDL_DTYPE_F32, -4, &size));
    assert_true(tdl_dtype_row_size(TDL_DTYPE_F16, INT64_MAX, &size) && size == SIZE_MAX - 1);
    assert_false(tdl_dtype_row_size(TDL_DTYPE_F32, INT64_MAX, &size));
}

static uint32_t bits_of(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

// The definition of the format, by ldexp.
static double half_value(uint16_t h) {
    int exponent = h >> 10 & 31, mantissa = h & 1023;
    double magnitude = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
    if (exponent == 31) magnitude = mantissa ? NAN : INFINITY;
    return h >> 15 ? -magnitude : magnitude;
}

static void test_every_half(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 1 << 16; i++) {
        uint16_t h = (uint16_t)i;
        float f = tdl_f16_to_f32(h);
        if (isnan(half_value(h))) {
            assert_true(isnan(f) && bits_of(f) >> 31 == i >> 15);
            uint16_t back = tdl_f16_from_f32(f);
            assert_true((back & 0x7C00) == 0x7C00 && (back & 0x3FF) && back >> 15 == h >> 15);
        } else {
            assert_true((double)f == half_value(h) && bits_of(f) >> 31 == i >> 15);
            assert_int_equal(tdl_f16_from_f32(f), h);
        }
    }
}

// Between two neighbouring halves: the middle goes to the even one, the floats next to it to the nearer.
static void test_half_rounding(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 0x7C00; h++) {
        double low = half_value((uint16_t)h), high = h == 0x7BFF ? 65536.0 : half_value((uint16_t)(h + 1));
        float middle = (float)((low + high) / 2); // exact
        uint32_t even = h & 1 ? h + 1 : h;
        for (uint32_t sign = 0; sign <= 0x8000; sign += 0x8000) {
            float s = sign ? -1.0f : 1.0f;
            assert_int_equal(tdl_f16_from_f32(s * middle), sign | even);
            assert_int_equal(tdl_f16_from_f32(s * float_of(bits_of(middle) - 1)), sign | h);
            assert_int_equal(tdl_f16_from_f32(s * float_of(bits_of(middle) + 1)), sign | (h + 1));
        }
    }
    assert_int_equal(tdl_f16_from_f32(1e30f), 0x7C00);
    assert_int_equal(tdl_f16_from_f32(-INFINITY), 0xFC00);
    assert_int_equal(tdl_f16_from_f32(float_of(1)), 0);
    assert_int_equal(tdl_f16_from_f32(-float_of(1)), 0x8000);
    // NaNs whose payload lies in the bits that are cut off.
    assert_int_equal(tdl_f16_from_f32(float_of(0x7F800001)) & 0x7E00, 0x7E00);
    assert_int_equal(tdl_f16_from_f32(float_of(0xFF800001)) & 0xFE00, 0xFE00);
}

#ifdef __FLT16_MANT_DIG__
// The compiler's own half type, on floats of every exponent.
static void test_half_against_compiler(void **state) {
    (void)state;
    for (uint32_t bits = 0; bits < 0xFF000000u; bits += 4099) {
        float f = float_of(bits);
        if (isnan(f)) continue;
        _Float16 native = (_Float16)f;
        uint16_t expected;
        memcpy(&expected, &native, sizeof expected);
        if (tdl_f16_from_f32(f) != expected) fail_msg("%08x", bits);
    }
}
#endif

static void test_bfloat(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 1 << 16; h++) {
        float f = tdl_bf16_to_f32((uint16_t)h);
        assert_int_equal(bits_of(f), h << 16);
        uint16_t back = tdl_bf16_from_f32(f);
        if (isnan(f)) assert_true(isnan(tdl_bf16_to_f32(back)));
        else assert_int_equal(back, h);
        if ((h & 0x7F80) == 0x7F80) continue;
        uint32_t even = h & 1 ? h + 1 : h;
        assert_int_equal(tdl_bf16_from_f32(float_of(h << 16 | 0x8000)), even);
        assert_int_equal(tdl_bf16_from_f32(float_of(h << 16 | 0x7FFF)), h);
        assert_int_equal(tdl_bf16_from_f32(float_of(h << 16 | 0x8001)), h + 1);
    }
    assert_true(isnan(tdl_bf16_to_f32(tdl_bf16_from_f32(float_of(0x7F800001)))));
    assert_true(isnan(tdl_bf16_to_f32(tdl_bf16_from_f32(float_of(0xFFFFFFFF)))));
}

static void test_plain_rows(void **state) {
    (void)state;
    static const float values[] = {0.0f, -0.0f, 1.5f, -2.25f, 0x1p-20f, 65504.0f, 3.140625f};
    enum { N = sizeof values / sizeof *values };
    static const tdl_dtype dtypes[] = {TDL_DTYPE_F32, TDL_DTYPE_F16, TDL_DTYPE_BF16};
    for (int i = 0; i < 3; i++) {
        const tdl_dtype_info *info = tdl_dtype_get(dtypes[i]);
        uint8_t bytes[N * 4 + 1];
        float got[N];
        info->encode(values, bytes + 1, N); // at an odd address
        info->decode(bytes + 1, got, N);
        for (int k = 0; k < N; k++) {
            float expected = values[k];
            if (i == 1) expected = tdl_f16_to_f32(tdl_f16_from_f32(expected));
            if (i == 2) expected = tdl_bf16_to_f32(tdl_bf16_from_f32(expected));
            assert_int_equal(bits_of(got[k]), bits_of(expected));
        }
        info->encode(values, NULL, 0);
        info->decode(NULL, got, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_make),
        cmocka_unit_test(test_make_refuses),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_block_views),
        cmocka_unit_test(test_to_f32_strided),
        cmocka_unit_test(test_broadcast),
        cmocka_unit_test(test_describe),
        cmocka_unit_test(test_dtype_table),
        cmocka_unit_test(test_row_size),
        cmocka_unit_test(test_every_half),
        cmocka_unit_test(test_half_rounding),
#ifdef __FLT16_MANT_DIG__
        cmocka_unit_test(test_half_against_compiler),
#endif
        cmocka_unit_test(test_bfloat),
        cmocka_unit_test(test_plain_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
