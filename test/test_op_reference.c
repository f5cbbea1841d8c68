// SPDX-License-Identifier: MIT
// test_op_reference.c - the ops' plain references against vectors that NumPy and PyTorch computed (test/data/ops/ORIGIN.md).
//
// What every kernel is tested against must itself be true.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/json.h"
#include "ops/op.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCKS_MAX = 32 };

// Memory of one case.
typedef struct memory {
    void *blocks[BLOCKS_MAX];
    int n_blocks;
} memory;

static void check_case(tdl_op op, const json_t *golden);

static void test_op_golden(void **state) {
    tdl_op op = (tdl_op)(intptr_t)*state;
    char path[512];
    snprintf(path, sizeof path, TDL_TEST_DATA "/ops/%s.json", tdl_op_get(op)->name);
    json_t *cases = NULL;
    tdl_error err = {0};
    if (tdl_json_load(tdl_allocator_or_default(NULL), path, &cases, &err) != TDL_OK) fail_msg("%s", err.message);
    assert_true(json_array_size(cases) > 0);
    size_t index;
    const json_t *golden;
    json_array_foreach(cases, index, golden) check_case(op, golden);
    json_decref(cases);
}

int main(void) {
    struct CMUnitTest tests[TDL_OP_COUNT - 1];
    for (int op = 1; op < TDL_OP_COUNT; op++)
        tests[op - 1] = (struct CMUnitTest){
            .name = tdl_op_get((tdl_op)op)->name, .test_func = test_op_golden, .initial_state = (void *)(intptr_t)op};
    return cmocka_run_group_tests_name("op references", tests, NULL, NULL);
}

// ---- reading --------------------------------------------------------------------------------------------------------

static void *take(memory *m, size_t size) {
    assert_true(m->n_blocks < BLOCKS_MAX);
    void *block = calloc(size + 1, 1);
    assert_non_null(block);
    return m->blocks[m->n_blocks++] = block;
}

// The type and shape of a golden tensor, zeros in memory.
static tdl_tensor read_shape(memory *m, const json_t *golden) {
    int64_t shape[TDL_DIMS_MAX];
    const json_t *sizes = json_object_get(golden, "shape");
    int32_t n_dims = (int32_t)json_array_size(sizes);
    assert_in_range(n_dims, 1, TDL_DIMS_MAX);
    for (int32_t d = 0; d < n_dims; d++) shape[d] = json_integer_value(json_array_get(sizes, (size_t)d));
    tdl_tensor t;
    tdl_dtype dtype = tdl_dtype_from_name(json_string_value(json_object_get(golden, "dtype")));
    assert_int_equal(tdl_tensor_make(dtype, n_dims, shape, NULL, &t, NULL), TDL_OK);
    t.data = take(m, tdl_tensor_size(&t));
    return t;
}

static float *read_numbers(memory *m, const json_t *golden, int64_t n) {
    const json_t *data = json_object_get(golden, "data");
    assert_int_equal(json_array_size(data), n);
    float *numbers = take(m, (size_t)n * sizeof *numbers);
    for (int64_t i = 0; i < n; i++) numbers[i] = (float)json_number_value(json_array_get(data, (size_t)i));
    return numbers;
}

static tdl_tensor read_tensor(memory *m, const json_t *golden) {
    tdl_tensor t = read_shape(m, golden);
    int64_t n = tdl_tensor_n_elements(&t);
    const float *numbers = read_numbers(m, golden, n);
    if (t.dtype == TDL_DTYPE_I32)
        for (int64_t i = 0; i < n; i++) ((int32_t *)(void *)t.data)[i] = (int32_t)numbers[i];
    else tdl_dtype_get(t.dtype)->encode(numbers, t.data, n);
    return t;
}

static void read_attrs(const json_t *golden, tdl_attrs *attrs) {
    size_t n_read = 0;
    const json_t *value;
#define TDL_ATTR(type, name)                          \
    if ((value = json_object_get(golden, #name))) {   \
        attrs->name = (type)json_number_value(value); \
        n_read++;                                     \
    }
#include "ops/attrs.def"
#undef TDL_ATTR
    assert_int_equal(n_read, json_object_size(golden));
}

// ---- checking -------------------------------------------------------------------------------------------------------

static void check_output(tdl_op op, memory *m, const tdl_tensor *out, const json_t *golden) {
    tdl_tensor expected = read_shape(m, golden);
    assert_true(tdl_tensor_same_shape(out, &expected));
    int64_t n = tdl_tensor_n_elements(out);
    const float *want = read_numbers(m, golden, n);
    float *have = take(m, (size_t)n * sizeof *have);
    if (out->dtype != TDL_DTYPE_I32) tdl_tensor_to_f32(out, have);
    for (int64_t i = 0; i < n && out->dtype == TDL_DTYPE_I32; i++)
        have[i] = (float)((const int32_t *)(const void *)out->data)[i];
    for (int64_t i = 0; i < n; i++)
        if (!(fabs((double)have[i] - want[i]) <= 3e-7 * (1 + fabs(want[i]))))
            fail_msg("%s: element %d is %.9g, expected %.9g", tdl_op_get(op)->name, (int)i, have[i], want[i]);
}

static void check_case(tdl_op op, const json_t *golden) {
    memory m = {0};
    tdl_call call = {0};
    size_t index;
    const json_t *tensor;
    read_attrs(json_object_get(golden, "attrs"), &call.attrs);
    json_array_foreach(json_object_get(golden, "in"), index, tensor) call.in[index] = read_tensor(&m, tensor);
    call.n_in = (int32_t)json_array_size(json_object_get(golden, "in"));
    call.n_out = (int32_t)json_array_size(json_object_get(golden, "out"));
    assert_int_equal(call.n_out, tdl_op_get(op)->n_out);
    if (tdl_op_get(op)->outs_given) // zero where the case does not say
        json_array_foreach(json_object_get(golden, "out"), index, tensor) call.out[index] = read_shape(&m, tensor);
    json_array_foreach(json_object_get(golden, "given"), index, tensor) call.out[index] = read_tensor(&m, tensor);

    tdl_error err = {0};
    if (tdl_op_get(op)->infer(&call, &err) != TDL_OK) fail_msg("%s", err.message);
    for (int32_t i = 0; i < call.n_out; i++)
        if (!call.out[i].data) call.out[i].data = take(&m, tdl_tensor_size(&call.out[i]));
    tdl_op_get(op)->reference(&call);
    json_array_foreach(json_object_get(golden, "out"), index, tensor) check_output(op, &m, &call.out[index], tensor);
    for (int i = 0; i < m.n_blocks; i++) free(m.blocks[i]);
}
