// SPDX-License-Identifier: MIT
// test_quant.c - the block formats against golden vectors (test/data/quant/ORIGIN.md), and what encoders must hold for
// any input.
#include "base/alloc.h"
#include "base/file.h"
#include "base/rng.h"
#include "tensor/dtype.h"
#include "tensor/quant/quant_fit.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { N_ROWS = 16, ROW_N = 256, ROW_SIZE_MAX = 8 * 34 };

typedef struct format {
    tdl_dtype dtype;
    const char *name;
    bool exact;           // the encoder's bytes are given by the format's plain formulas
    float errors[N_ROWS]; // root mean square error of llama.cpp's reference quantizer on each row of encode.f32
} format;

static const format formats[] = {
    {TDL_DTYPE_Q8_0, "q8_0", true, {0}},
    {TDL_DTYPE_Q4_0, "q4_0", true, {0}},
    {TDL_DTYPE_Q4_1, "q4_1", true, {0}},
    {TDL_DTYPE_Q4_K,
     "q4_k",
     false,
     {0.001447f, 0.001537f, 0.001291f, 0.001427f, 0.001412f, 0.001427f, 0.05519f, 0.02562f, 0.01672f, 0.0f, 9.155e-05f,
      0.01141f, 0.5001f, 2.963e-06f, 1401.0f, 0.0006987f}},
    {TDL_DTYPE_Q5_K,
     "q5_k",
     false,
     {0.0007387f, 0.0007766f, 0.0006718f, 0.0007293f, 0.0006845f, 0.0007241f, 0.02813f, 0.01213f, 0.008217f, 0.0f,
      6.616e-05f, 0.01165f, 0.002254f, 2.956e-06f, 707.1f, 0.0004561f}},
    {TDL_DTYPE_Q6_K,
     "q6_k",
     false,
     {0.000356f, 0.0003714f, 0.0003291f, 0.0003707f, 0.0003305f, 0.0003384f, 0.01437f, 0.0109f, 0.01105f, 0.0f, 0.0f,
      0.009746f, 0.05101f, 9.841e-07f, 338.9f, 3.052e-05f}},
};
enum { N_FORMATS = sizeof formats / sizeof *formats };

static tdl_file_map open_data(const char *name, const char *suffix) {
    char path[512];
    snprintf(path, sizeof path, "%s/quant/%s%s", TDL_TEST_DATA, name, suffix);
    tdl_file_map map;
    tdl_error err = {0};
    if (tdl_file_map_open(tdl_allocator_or_default(NULL), path, &map, &err) != TDL_OK) fail_msg("%s", err.message);
    return map;
}

static size_t row_size(tdl_dtype dtype) {
    size_t size;
    assert_true(tdl_dtype_row_size(dtype, ROW_N, &size));
    assert_true(size <= ROW_SIZE_MAX);
    return size;
}

static void test_decode_golden(void **state) {
    (void)state;
    static float values[12 * ROW_N];
    static uint8_t shifted[12 * ROW_SIZE_MAX + 1];
    for (int f = 0; f < N_FORMATS; f++) {
        const tdl_dtype_info *info = tdl_dtype_get(formats[f].dtype);
        tdl_file_map blocks = open_data(formats[f].name, ".blocks"), expected = open_data(formats[f].name, ".f32");
        assert_int_equal(blocks.size, 12 * info->block_size);
        assert_int_equal(expected.size, 12 * (size_t)info->block_n * sizeof(float));
        info->decode(blocks.data, values, 12 * info->block_n);
        assert_memory_equal(values, expected.data, expected.size);
        memset(values, 0, sizeof values);
        memcpy(shifted + 1, blocks.data, blocks.size); // a file may have them at any address
        info->decode(shifted + 1, values, 12 * info->block_n);
        assert_memory_equal(values, expected.data, expected.size);
        tdl_file_map_close(&blocks);
        tdl_file_map_close(&expected);
    }
}

static void test_encode_exact(void **state) {
    (void)state;
    static uint8_t blocks[N_ROWS * ROW_SIZE_MAX];
    tdl_file_map rows = open_data("encode", ".f32");
    assert_int_equal(rows.size, N_ROWS * ROW_N * sizeof(float));
    for (int f = 0; f < N_FORMATS; f++) {
        if (!formats[f].exact) continue;
        tdl_file_map expected = open_data(formats[f].name, ".encoded");
        assert_int_equal(expected.size, N_ROWS * row_size(formats[f].dtype));
        tdl_dtype_get(formats[f].dtype)->encode((const float *)(const void *)rows.data, blocks, N_ROWS * ROW_N);
        assert_memory_equal(blocks, expected.data, expected.size);
        tdl_file_map_close(&expected);
    }
    tdl_file_map_close(&rows);
}

static double row_error(tdl_dtype dtype, const float *row) {
    uint8_t blocks[ROW_SIZE_MAX];
    float decoded[ROW_N];
    double sum = 0.0;
    tdl_dtype_get(dtype)->encode(row, blocks, ROW_N);
    tdl_dtype_get(dtype)->decode(blocks, decoded, ROW_N);
    for (int i = 0; i < ROW_N; i++) sum += pow((double)decoded[i] - (double)row[i], 2);
    return sqrt(sum / ROW_N);
}

// No encoder is best on every row. Over all rows ours may not be worse (geometric mean), on one not much worse.
static void test_encode_quality(void **state) {
    (void)state;
    tdl_file_map rows = open_data("encode", ".f32");
    for (int f = 0; f < N_FORMATS; f++) {
        if (formats[f].exact) continue;
        double log_sum = 0.0;
        for (int i = 0; i < N_ROWS; i++) {
            const float *row = (const float *)(const void *)rows.data + i * ROW_N;
            double error = row_error(formats[f].dtype, row), bound = (double)formats[f].errors[i];
            if (error > 1.5 * bound) fail_msg("%s, row %d: error %g, bound %g", formats[f].name, i, error, bound);
            if (bound > 0.0 && error > 0.0) log_sum += log(error / bound);
        }
        if (log_sum / N_ROWS > 1e-3) fail_msg("%s: error %g of the bound", formats[f].name, exp(log_sum / N_ROWS));
    }
    tdl_file_map_close(&rows);
}

// The error of each element stays within what the format's step allows.
static void test_encode_bounds_every_element(void **state) {
    (void)state;
    // In units of the block's largest magnitude. Half a step where codes are rounded from the exact range; the K
    // formats' searches may trade a larger error on one element for smaller ones on others.
    static const float bounds[N_FORMATS] = {0.5f / 127, 1.0f / 8, 1.0f / 15, 2.5f / 15, 2.5f / 31, 1.5f / 32};
    tdl_rng rng = tdl_rng_make(11, 12);
    for (int round = 0; round < 400; round++) {
        float row[ROW_N], decoded[ROW_N], largest = 0.0f;
        uint8_t blocks[ROW_SIZE_MAX];
        float scale = powf(10.0f, (float)(tdl_rng_uniform(&rng) * 6.0 - 3.0));
        for (int i = 0; i < ROW_N; i++) {
            row[i] = (float)tdl_rng_normal(&rng) * scale;
            if (fabsf(row[i]) > largest) largest = fabsf(row[i]);
        }
        for (int f = 0; f < N_FORMATS; f++) {
            const tdl_dtype_info *info = tdl_dtype_get(formats[f].dtype);
            info->encode(row, blocks, ROW_N);
            info->decode(blocks, decoded, ROW_N);
            float bound = (bounds[f] + 0.002f) * largest; // and the scale is a half
            for (int i = 0; i < ROW_N; i++) {
                if (!(fabsf(decoded[i] - row[i]) <= bound)) {
                    fail_msg("%s: %g for %g, largest %g", info->name, (double)decoded[i], (double)row[i],
                             (double)largest);
                }
            }
        }
    }
}

// Values that a block holds exactly come back: what decodes can be encoded again without a further loss.
static void test_values_on_the_grid(void **state) {
    (void)state;
    float row[ROW_N], decoded[ROW_N];
    uint8_t blocks[ROW_SIZE_MAX];
    static const int mins[N_FORMATS] = {-127, -8, 0, 0, 0, -32}, maxes[N_FORMATS] = {127, 7, 15, 15, 31, 31};
    for (int f = 0; f < N_FORMATS; f++) {
        int n_codes = maxes[f] - mins[f] + 1;
        for (int i = 0; i < ROW_N; i++) {
            // Both ends in every group of 16, and all codes over the row.
            int code = i % 16 == 0 ? mins[f] : i % 16 == 1 ? maxes[f] : mins[f] + i * 7 % n_codes;
            row[i] = 0.25f * (float)code;
        }
        const tdl_dtype_info *info = tdl_dtype_get(formats[f].dtype);
        info->encode(row, blocks, ROW_N);
        info->decode(blocks, decoded, ROW_N);
        for (int i = 0; i < ROW_N; i++) {
            float tolerance =
                formats[f].exact ? 0.0f : 0.001f * 0.25f * (float)n_codes; // their scales are rounded twice
            if (!(fabsf(decoded[i] - row[i]) <= tolerance)) {
                fail_msg("%s: %g for %g", info->name, (double)decoded[i], (double)row[i]);
            }
        }
    }
}

// Nothing is promised about such values but that nothing breaks (sanitizers look on), and that zero stays zero.
static void test_extremes(void **state) {
    (void)state;
    static const float specials[] = {0.0f,    -0.0f,  FLT_MAX, -FLT_MAX, INFINITY, -INFINITY, NAN,
                                     FLT_MIN, 1e-45f, -1e-45f, 65504.0f, 1e-8f,    -1e-30f,   1e30f};
    enum { N_SPECIALS = sizeof specials / sizeof *specials };
    float row[ROW_N], decoded[ROW_N];
    uint8_t blocks[ROW_SIZE_MAX];
    for (int f = 0; f < N_FORMATS; f++) {
        const tdl_dtype_info *info = tdl_dtype_get(formats[f].dtype);
        for (int a = 0; a < N_SPECIALS; a++) {
            for (int b = 0; b < N_SPECIALS; b++) {
                for (int i = 0; i < ROW_N; i++) row[i] = i % 3 ? specials[a] : specials[b];
                info->encode(row, blocks, ROW_N);
                info->decode(blocks, decoded, ROW_N);
                bool zero = specials[a] == 0.0f && specials[b] == 0.0f;
                for (int i = 0; i < ROW_N && zero; i++) assert_true(decoded[i] == 0.0f);
            }
        }
        info->encode(NULL, NULL, 0);
        info->decode(NULL, NULL, 0);
    }
}

static void test_k_fields(void **state) {
    (void)state;
    tdl_rng rng = tdl_rng_make(1, 2);
    for (int round = 0; round < 1000; round++) {
        uint8_t scales[8], offsets[8], scales_back[8], offsets_back[8], packed[12];
        for (int i = 0; i < 8; i++) {
            scales[i] = tdl_rng_u32(&rng) & 63;
            offsets[i] = tdl_rng_u32(&rng) & 63;
        }
        tdl_quant_pack_k(scales, offsets, packed);
        tdl_quant_unpack_k(packed, scales_back, offsets_back);
        assert_memory_equal(scales, scales_back, 8);
        assert_memory_equal(offsets, offsets_back, 8);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode_golden),      cmocka_unit_test(test_encode_exact),
        cmocka_unit_test(test_encode_quality),     cmocka_unit_test(test_encode_bounds_every_element),
        cmocka_unit_test(test_values_on_the_grid), cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_k_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
