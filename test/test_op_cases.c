// SPDX-License-Identifier: MIT
// test_op_cases.c - what the ops' cases must have for the op suites to see a fault: a constant that is the same in all cases of an op
// could be written into its kernels, or left out of them, and nothing would fail.
#include "ops/op_impl.h"
#include "support/op_cases.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct attr {
    const char *name;
    size_t offset;
    bool is_float;
} attr;

static const attr attrs[] = {
#define TDL_ATTR(type, name) {#name, offsetof(tdl_attrs, name), _Generic((type){0}, float: true, default: false)},
#include "ops/attrs.def"
#undef TDL_ATTR
};
enum { N_ATTRS = sizeof attrs / sizeof *attrs, VALUES_MAX = 64 };

static double value_of(const tdl_attrs *from, const attr *a) {
    const char *at = (const char *)from + a->offset;
    return a->is_float ? (double)*(const float *)(const void *)at : (double)*(const int32_t *)(const void *)at;
}

// Distinct values of an attribute, of floats those that are not 0, over an op's cases, as their make leaves it.
typedef struct seen {
    double values[VALUES_MAX];
    size_t n;
    bool matters; // another of the values gives another result, beyond the bound; asked of floats
} seen;

static void note(seen *of, double value) {
    for (size_t i = 0; i < of->n; i++)
        if (of->values[i] == value) return;
    if (of->n < VALUES_MAX) of->values[of->n++] = value;
}

// The reference's result with another value of the attribute.
static bool differs(op_fixture *f, const attr *a, double value) {
    uint8_t *got[TDL_OP_OUT_MAX] = {NULL};
    tdl_call call = f->call;
    *(float *)(void *)((char *)&call.attrs + a->offset) = (float)value;
    op_fixture_reset(f);
    tdl_op_get(f->op)->reference(&call);
    for (int32_t i = 0; i < call.n_out; i++) {
        got[i] = calloc(f->expected_size[i] + 1, 1);
        tdl_tensor_pack(&call.out[i], got[i]);
    }
    op_bound bound = op_bound_of(f->op, TDL_BACKEND_CPU, false);
    bool different = op_fixture_error(f, got, bound) > (bound.metric == OP_METRIC_EXACT ? 0 : 1);
    for (int32_t i = 0; i < call.n_out; i++) free(got[i]);
    op_fixture_reset(f);
    return different;
}

// Cases that the op suite runs and that are quickly made.
static bool small(const op_case *c) {
    int64_t size = 1;
    for (int i = 0; i < OP_DIMS_MAX; i++) size *= c->dims[i] > 1 ? c->dims[i] : 1;
    for (int i = 0; i < c->n_seqs; i++) size *= 1 + (c->seqs[i][0] + c->seqs[i][1]) / 64;
    return !c->slow && !c->bench && !c->bench_gpu && size < 200000;
}

static int check_op(tdl_op op) {
    const op_case_set *set = op_case_set_of(op);
    const char *name = tdl_op_get(op)->name;
    seen all[N_ATTRS] = {0};
    int n_bad = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t c = 0; c < set->n; c++) {
            op_fixture f;
            tdl_error err = {0};
            if (!small(&set->list[c])) continue;
            if (!op_fixture_init(&f, op, &set->list[c], 1, pass == 1, &err)) fail_msg("%s", err.message);
            for (size_t a = 0; a < N_ATTRS; a++) {
                double value = value_of(&f.call.attrs, &attrs[a]);
                if (pass == 0 && (value != 0 || !attrs[a].is_float)) note(&all[a], value);
                if (value == 0) continue; // of floats: the case does without
                for (size_t i = 0; i < all[a].n && pass == 1 && attrs[a].is_float && !all[a].matters; i++)
                    if (all[a].values[i] != value) all[a].matters = differs(&f, &attrs[a], all[a].values[i]);
            }
            op_fixture_deinit(&f);
        }
    for (size_t a = 0; a < N_ATTRS; a++) {
        if (all[a].n == 0 || (all[a].n == 1 && all[a].values[0] == 0)) continue; // 0 alone: not the op's
        if (all[a].n == 1) print_message("%s: %s is %g in every case\n", name, attrs[a].name, all[a].values[0]);
        else if (attrs[a].is_float && !all[a].matters)
            print_message("%s: no case shows which %s it has\n", name, attrs[a].name);
        else continue;
        n_bad++;
    }
    return n_bad;
}

static void every_attribute_varies_and_matters(void **state) {
    (void)state;
    int n_bad = 0;
    for (int op = TDL_OP_NONE + 1; op < TDL_OP_COUNT; op++) n_bad += check_op((tdl_op)op);
    assert_int_equal(n_bad, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_attribute_varies_and_matters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
