// SPDX-License-Identifier: MIT
// rope_cpu.c - x' = x cos - y sin, y' = y cos + x sin on pairs of each head's elements; a unit is a token with all its
// heads.
#include "backend/cpu/cpu_kernel.h"
#include "backend/cpu/simd.h"
#include "ops/op_impl.h"

static void rotate_halves(const float *x, const float *angles, float sign, float *out, int64_t half);
static void rotate_neighbours(const float *x, const float *angles, float sign, float *out, int64_t half);

static bool accepts(const tdl_call *call) { return tdl_f32_rows(&call->in[0]) && tdl_f32_rows(&call->in[1]); }

static int64_t units(const tdl_call *call) { return call->in[0].shape[0]; }

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    const tdl_tensor *x = &call->in[0], *table = &call->in[1], *out = &call->out[0];
    int64_t n_heads = x->shape[1], head_dim = x->shape[2], turned = table->shape[1];
    float sign = call->attrs.inverse ? -1 : 1; // of the sines
    for (int64_t t = first; t < first + count; t++) {
        const float *angles = tdl_f32_row(table, t); // [R]: cos, then sin
        for (int64_t h = 0; h < n_heads; h++) {
            const float *from = tdl_f32_row(x, t * n_heads + h);
            float *to = tdl_f32_row(out, t * n_heads + h);
            if (call->attrs.rope_pairs) rotate_neighbours(from, angles, sign, to, turned / 2);
            else rotate_halves(from, angles, sign, to, turned / 2);
            if (from != to) memcpy(to + turned, from + turned, (size_t)(head_dim - turned) * sizeof *to);
        }
    }
}

const tdl_kernel TDL_KERNEL_NAME(rope) = {
    .name = "rope", .op = TDL_OP_ROPE, TDL_KERNEL_CPU, .accepts = accepts, .units = units, .run = run};

// Pairs (i, i + half). out may be x.
static void rotate_halves(const float *x, const float *angles, float sign, float *out, int64_t half) {
    const float *cosines = angles, *sines = angles + half;
    int64_t i = 0;
    for (; i + TDL_VF_LANES <= half; i += TDL_VF_LANES) {
        vf a = vf_load(x + i), b = vf_load(x + half + i), c = vf_load(cosines + i);
        vf s = vf_mul(vf_set1(sign), vf_load(sines + i));
        vf_store(out + i, vf_sub(vf_mul(a, c), vf_mul(b, s)));
        vf_store(out + half + i, vf_add(vf_mul(b, c), vf_mul(a, s)));
    }
    for (; i < half; i++) {
        float a = x[i], b = x[half + i], s = sign * sines[i];
        out[i] = a * cosines[i] - b * s;
        out[half + i] = b * cosines[i] + a * s;
    }
}

// Pairs (2i, 2i + 1). out may be x. Blocks go through small arrays, which a compiler turns into shuffles.
static void rotate_neighbours(const float *x, const float *angles, float sign, float *out, int64_t half) {
    enum { BLOCK = 16 };
    const float *cosines = angles, *sines = angles + half;
    int64_t i = 0;
    for (; i + BLOCK <= half; i += BLOCK) {
        float a[BLOCK], b[BLOCK], turned[2 * BLOCK];
        for (int j = 0; j < BLOCK; j++) {
            a[j] = x[2 * (i + j)];
            b[j] = x[2 * (i + j) + 1];
        }
        for (int j = 0; j < BLOCK; j++) {
            float s = sign * sines[i + j];
            turned[2 * j] = a[j] * cosines[i + j] - b[j] * s;
            turned[2 * j + 1] = b[j] * cosines[i + j] + a[j] * s;
        }
        memcpy(out + 2 * i, turned, sizeof turned);
    }
    for (; i < half; i++) {
        float a = x[2 * i], b = x[2 * i + 1], s = sign * sines[i];
        out[2 * i] = a * cosines[i] - b * s;
        out[2 * i + 1] = b * cosines[i] + a * s;
    }
}
