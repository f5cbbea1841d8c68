// SPDX-License-Identifier: MIT
// layer_norm_grad_cpu.c - dx = r (dy w - mean(dy w) - n mean(dy w n)), and the sums of dy n and dy over each group of rows; a
// unit is a group. Its sums lie in dw_parts and db_parts themselves, which the first cache holds.
#include "backend/cpu/cpu_kernel.h"
#include "backend/cpu/simd.h"
#include "ops/layer_norm/layer_norm_cpu.h"
#include "ops/op_impl.h"

#include <math.h>

// A row, and the group's sums.
typedef struct norm_rows {
    const float *x, *w, *dy;
    float *dx, *dw, *db;
} norm_rows;

static void grad_row(const norm_rows *rows, int64_t n, float eps);

static bool accepts(const tdl_call *call) {
    return tdl_f32_rows(&call->in[0]) && tdl_f32_rows(&call->in[1]) && tdl_f32_rows(&call->in[2]);
}

static int64_t units(const tdl_call *call) { return call->out[1].shape[0]; }

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    const tdl_tensor *x = &call->in[0], *dy = &call->in[2], *dw_parts = &call->out[1];
    int64_t n = tdl_last_dim(x);
    for (int64_t p = first; p < first + count; p++) {
        norm_rows rows = {
            .w = tdl_f32_row(&call->in[1], 0), .dw = tdl_f32_row(dw_parts, p), .db = tdl_f32_row(&call->out[2], p)};
        memset(rows.dw, 0, (size_t)n * sizeof *rows.dw);
        memset(rows.db, 0, (size_t)n * sizeof *rows.db);
        tdl_range group = tdl_part_of(tdl_tensor_n_rows(x), dw_parts->shape[0], p);
        for (int64_t row = group.first; row < group.end; row++) {
            rows.x = tdl_f32_row(x, row);
            rows.dy = tdl_f32_row(dy, row);
            rows.dx = tdl_f32_row(&call->out[0], row);
            grad_row(&rows, n, call->attrs.eps);
        }
    }
}

const tdl_kernel TDL_KERNEL_NAME(layer_norm_grad) = {.name = "layer_norm_grad",
                                                     .op = TDL_OP_LAYER_NORM_GRAD,
                                                     TDL_KERNEL_CPU,
                                                     .accepts = accepts,
                                                     .units = units,
                                                     .run = run};

static void grad_row(const norm_rows *rows, int64_t n, float eps) {
    const float *x = rows->x, *w = rows->w, *dy = rows->dy;
    float mean_x = tdl_sum_shifted(x, n, 0, false) / (float)n;
    float r = 1 / sqrtf(tdl_sum_shifted(x, n, mean_x, true) / (float)n + eps);
    // Two sums each, so that an addition need not wait for the one before.
    vf shift = vf_set1(mean_x), sums[2] = {vf_zero(), vf_zero()}, products[2] = {vf_zero(), vf_zero()};
    int64_t i = 0;
    for (; i + 2 * TDL_VF_LANES <= n; i += 2 * TDL_VF_LANES) TDL_UNROLL for (int j = 0; j < 2; j++) {
            vf d = vf_mul(vf_load(dy + i + j * TDL_VF_LANES), vf_load(w + i + j * TDL_VF_LANES));
            sums[j] = vf_add(d, sums[j]);
            products[j] = vf_fma(d, vf_sub(vf_load(x + i + j * TDL_VF_LANES), shift), products[j]);
        }
    for (; i < n; i += TDL_VF_LANES) {
        int64_t lanes = tdl_min_i64(TDL_VF_LANES, n - i);
        vf d = vf_mul(vf_load_n(dy + i, lanes), vf_load_n(w + i, lanes));
        sums[0] = vf_add(d, sums[0]);
        products[0] = vf_fma(d, vf_sub(vf_load_n(x + i, lanes), shift), products[0]);
    }
    vf minus = vf_set1(-vf_sum(vf_add(sums[0], sums[1])) / (float)n); // - mean(dy w), - mean(dy w n)
    vf minus_normed = vf_set1(-vf_sum(vf_add(products[0], products[1])) * r / (float)n), scale = vf_set1(r);
    for (i = 0; i + TDL_VF_LANES <= n; i += TDL_VF_LANES) {
        vf normed = vf_mul(vf_sub(vf_load(x + i), shift), scale), d = vf_load(dy + i);
        vf centred = vf_add(vf_mul(d, vf_load(w + i)), minus); // rounded as in the mean
        vf_store(rows->dx + i, vf_mul(scale, vf_fma(normed, minus_normed, centred)));
        vf_store(rows->dw + i, vf_fma(d, normed, vf_load(rows->dw + i)));
        vf_store(rows->db + i, vf_add(d, vf_load(rows->db + i)));
    }
    if (i < n) {
        int64_t lanes = n - i;
        vf normed = vf_mul(vf_sub(vf_load_n(x + i, lanes), shift), scale), d = vf_load_n(dy + i, lanes);
        vf centred = vf_add(vf_mul(d, vf_load_n(w + i, lanes)), minus);
        vf_store_n(rows->dx + i, vf_mul(scale, vf_fma(normed, minus_normed, centred)), lanes);
        vf_store_n(rows->dw + i, vf_fma(d, normed, vf_load_n(rows->dw + i, lanes)), lanes);
        vf_store_n(rows->db + i, vf_add(d, vf_load_n(rows->db + i, lanes)), lanes);
    }
}
