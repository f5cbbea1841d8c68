// SPDX-License-Identifier: MIT
// op_cases.c - makes a case into a call: inputs in memory that ends where none is, guarded outputs, expected results.
#include "support/op_cases.h"

#include "base/checked.h"
#include "ops/op_impl.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ops/act/act_cases.h"
#include "ops/act_grad/act_grad_cases.h"
#include "ops/adamw/adamw_cases.h"
#include "ops/add/add_cases.h"
#include "ops/add_layer_norm/add_layer_norm_cases.h"
#include "ops/add_rms_norm/add_rms_norm_cases.h"
#include "ops/add_rows/add_rows_cases.h"
#include "ops/attention/attention_cases.h"
#include "ops/clip/clip_cases.h"
#include "ops/combine/combine_cases.h"
#include "ops/combine_grad/combine_grad_cases.h"
#include "ops/copy/copy_cases.h"
#include "ops/cross_entropy/cross_entropy_cases.h"
#include "ops/cross_entropy_grad/cross_entropy_grad_cases.h"
#include "ops/dropout/dropout_cases.h"
#include "ops/embed/embed_cases.h"
#include "ops/embed_grad/embed_grad_cases.h"
#include "ops/expert_matmul/expert_matmul_cases.h"
#include "ops/expert_matmul_grad_w/expert_matmul_grad_w_cases.h"
#include "ops/expert_matmul_grad_x/expert_matmul_grad_x_cases.h"
#include "ops/fill/fill_cases.h"
#include "ops/glu/glu_cases.h"
#include "ops/glu_grad/glu_grad_cases.h"
#include "ops/group/group_cases.h"
#include "ops/kv_append/kv_append_cases.h"
#include "ops/layer_norm/layer_norm_cases.h"
#include "ops/layer_norm_grad/layer_norm_grad_cases.h"
#include "ops/linear/linear_cases.h"
#include "ops/matmul/matmul_cases.h"
#include "ops/matmul_grad_w/matmul_grad_w_cases.h"
#include "ops/matmul_grad_x/matmul_grad_x_cases.h"
#include "ops/quantize/quantize_cases.h"
#include "ops/rms_norm/rms_norm_cases.h"
#include "ops/rms_norm_grad/rms_norm_grad_cases.h"
#include "ops/rope/rope_cases.h"
#include "ops/rope_attention/rope_attention_cases.h"
#include "ops/rope_table/rope_table_cases.h"
#include "ops/route/route_cases.h"
#include "ops/route_grad/route_grad_cases.h"
#include "ops/sample/sample_cases.h"
#include "ops/scale/scale_cases.h"
#include "ops/self_attention/self_attention_cases.h"
#include "ops/self_attention_grad_kv/self_attention_grad_kv_cases.h"
#include "ops/self_attention_grad_q/self_attention_grad_q_cases.h"
#include "ops/self_attention_stats/self_attention_stats_cases.h"
#include "ops/sum_parts/sum_parts_cases.h"
#include "ops/sum_squares/sum_squares_cases.h"
#include "ops/take_rows/take_rows_cases.h"

// Random numbers take most of a large case's time: of a tensor with more than ROWS_RANDOM rows that are ROW_LONG, the others
// repeat those. It is a prime, so no tile has that period.
enum { GUARD_SIZE = 64, GUARD_BYTE = 0xa5, PREPARE_ROWS = 64, ROWS_RANDOM = 211, ROW_LONG = 32 };

static bool guard_before; // see op_guard_before

static bool make_fixture(op_fixture *f, tdl_error *err);
static void make_outputs(op_fixture *f);
static bool gaps_intact(const op_fixture *f, int32_t i);
static void expect(op_fixture *f, op_rounding rounding, const tdl_call *call);

const op_case_set *op_case_set_of(tdl_op op) {
    static const op_case_set *const sets[TDL_OP_COUNT] = {
#define TDL_OP(id, name, n_in_min, n_in_max, n_out, rows_from, in_place, given) [TDL_OP_##id] = &name##_cases,
#include "ops/ops.def"
#undef TDL_OP
    };
    return sets[op];
}

op_bound op_bound_of(tdl_op op, tdl_backend_id backend, bool rounds) {
    const op_case_set *set = op_case_set_of(op);
    op_bound bound = {.metric = set->metric, .abs = set->bound_abs, .rel = set->bound_rel};
    if (backend == TDL_BACKEND_WEBGPU && rounds) {
        bound.abs = set->half_abs;
        bound.rel = set->half_rel;
    } else if (backend == TDL_BACKEND_WEBGPU && (set->webgpu_abs > 0 || set->webgpu_rel > 0)) {
        bound.abs = set->webgpu_abs;
        bound.rel = set->webgpu_rel;
        if (bound.metric == OP_METRIC_EXACT) bound.metric = OP_METRIC_ELEMENT;
    }
    return bound;
}

const char *op_isa_name(uint32_t needs) {
    if (needs & TDL_FEATURE_AVX512_BF16) return "avx512_bf16";
    if (needs & TDL_FEATURE_AVX512) return "avx512";
    if (needs & TDL_FEATURE_AVX2) return "avx2";
    return needs & TDL_FEATURE_NEON ? "neon" : "plain";
}

void op_case_describe(tdl_op op, const op_case *c, char *text, size_t size) {
    int n = snprintf(text, size, "%s", tdl_op_get(op)->name);
#define APPEND(...) n += snprintf(text + n, n < (int)size ? size - (size_t)n : 0, __VA_ARGS__)
    const char *separator = " ";
    int n_dims = OP_DIMS_MAX;
    while (n_dims > 0 && c->dims[n_dims - 1] == 0) n_dims--;
    for (int i = 0; i < n_dims; i++, separator = "x") APPEND("%s%" PRId64, separator, c->dims[i]);
    for (int32_t i = 0; i < c->n_seqs; i++) APPEND(" %d+%d", c->seqs[i][0], c->seqs[i][1]);
    if (c->dtype != TDL_DTYPE_NONE) APPEND(" %s", tdl_dtype_get(c->dtype)->name);
#define TDL_ATTR(type, name) \
    if (c->attrs.name != 0) APPEND(" " #name "=%g", (double)c->attrs.name);
#include "ops/attrs.def"
#undef TDL_ATTR
    if (c->strided) APPEND(" strided");
    if (c->in_place) APPEND(" in place");
    if (c->far_rows || c->far_columns) APPEND(" far");
    if (c->note) APPEND(" (%s)", c->note);
#undef APPEND
    assert(n < (int)size);
}

// ---- memory ---------------------------------------------------------------------------------------------------------

void *op_memory(op_fixture *f, size_t size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), inner = (size + page - 1) / page * page;
    assert(f->n_blocks < OP_BLOCKS_MAX);
    uint8_t *map = mmap(NULL, inner + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || (inner && mprotect(map + page, inner, PROT_READ | PROT_WRITE) != 0)) {
        fprintf(stderr, "op_cases: no memory for %zu bytes\n", size);
        exit(1);
    }
    f->blocks[f->n_blocks++] = (op_block){map, inner + 2 * page};
    if (guard_before) return map + page;
    // As near to the end as an element's alignment allows: the smallest is a block's of 2 bytes.
    size_t align = size % 64 == 0 ? 64 : size % 4 == 0 ? 4 : 2;
    return map + page + (inner - (size + align - 1) / align * align);
}

void op_guard_before(void) { guard_before = true; }

int64_t op_random(op_fixture *f, int64_t below) { return (int64_t)(tdl_rng_u32(&f->rng) % (uint64_t)below); }

float op_far(int64_t i) {
    static const float factors[] = {1, 0x1p20f, 0x1p-20f, 0x1p-40f, 1, 0x1p15f, 0x1p60f, 0x1p-12f};
    return factors[i % (int64_t)(sizeof factors / sizeof *factors)];
}

// A number below n that has nothing to do with its neighbours'.
static int64_t mixed(int64_t i, int64_t d, int64_t n) {
    uint64_t h = ((uint64_t)i * 1021 + (uint64_t)d + 1) * 0x9e3779b97f4a7c15u;
    return (int64_t)((h >> 40) % (uint64_t)n);
}

float op_score_query(const op_case *c, int64_t token, int64_t d) {
    bool any_sign = c->scores == OP_SCORES_LARGE;
    return 16 * (float)(any_sign ? mixed(token, d, 17) - 8 : mixed(token, d, 8) + 1);
}

float op_score_key(const op_case *c, int64_t pos, int64_t d) {
    if (c->scores == OP_SCORES_EQUAL) return mixed(0, d, 2) ? 1 : -1;
    if (c->scores == OP_SCORES_HUGE && pos / 2 == 2) return 1;
    if (c->scores == OP_SCORES_LOWEST) return mixed(pos / 2, d, 6) ? -1 : 1;
    return mixed(pos / 2, d, 2) ? 1 : -1;
}

// ---- inputs ---------------------------------------------------------------------------------------------------------

// Rows of normal numbers, through the dtype's encoder.
static void fill(op_fixture *f, const tdl_tensor *t) {
    const tdl_dtype_info *dtype = tdl_dtype_get(t->dtype);
    int64_t n = tdl_last_dim(t);
    float *row = calloc((size_t)n + 1, sizeof *row);
    if (!row) exit(1);
    size_t row_size = tdl_tensor_n_rows(t) > 0 ? tdl_tensor_size(t) / (size_t)tdl_tensor_n_rows(t) : 0;
    for (int64_t r = 0; r < tdl_tensor_n_rows(t); r++) {
        if (r >= ROWS_RANDOM && n >= ROW_LONG) {
            memcpy(tdl_row(t, r), tdl_row(t, r - ROWS_RANDOM), row_size);
            continue;
        }
        for (int64_t i = 0; i < n; i++) row[i] = (float)tdl_rng_normal(&f->rng);
        dtype->encode(row, tdl_row(t, r), n);
    }
    free(row);
}

static tdl_tensor *make_tensor(op_fixture *f, tdl_tensor *t, tdl_dtype dtype, int32_t n_dims, const int64_t *shape,
                               int64_t pad) {
    tdl_error err = {0};
    if (tdl_tensor_make(dtype, n_dims, shape, NULL, t, &err) != TDL_OK) {
        fprintf(stderr, "op_cases: %s\n", err.message);
        exit(1);
    }
    size_t size = tdl_tensor_size(t);
    if (pad > 0 && shape[0] > 0) {
        assert(dtype == TDL_DTYPE_F32 && n_dims >= 2);
        t->strides[0] += pad * (int64_t)sizeof(float);
        size = (size_t)(t->strides[0] * (shape[0] - 1)) + size / (size_t)shape[0];
    }
    t->data = op_memory(f, size);
    if (f->shapes_only) return t;
    memset(t->data, 0xff, size); // NaN where it is a float
    if (tdl_dtype_get(dtype)->encode) fill(f, t);
    else memset(t->data, 0, size);
    return t;
}

tdl_tensor *op_input(op_fixture *f, int32_t i, tdl_dtype dtype, int32_t n_dims, const int64_t *shape, int64_t pad) {
    f->call.n_in = i + 1 > f->call.n_in ? i + 1 : f->call.n_in;
    return make_tensor(f, &f->call.in[i], dtype, n_dims, shape, pad);
}

tdl_tensor *op_given(op_fixture *f, int32_t i, tdl_dtype dtype, int32_t n_dims, const int64_t *shape, int64_t pad) {
    return make_tensor(f, &f->call.out[i], dtype, n_dims, shape, pad);
}

int32_t *op_input_i32(op_fixture *f, int32_t i, int32_t n_dims, const int64_t *shape) {
    return (int32_t *)(void *)op_input(f, i, TDL_DTYPE_I32, n_dims, shape, 0)->data;
}

// ---- the fixture ----------------------------------------------------------------------------------------------------

bool op_fixture_init(op_fixture *f, tdl_op op, const op_case *c, uint64_t seed, bool checked, tdl_error *err) {
    *f = (op_fixture){.op = op, .c = c, .checked = checked, .rng = tdl_rng_make(seed, (uint64_t)op)};
    if (!make_fixture(f, err)) return false;
    make_outputs(f);
    if (checked) expect(f, OP_ROUNDING_NONE, &f->call);
    return true;
}

bool op_fixture_init_shapes(op_fixture *f, tdl_op op, const op_case *c, tdl_error *err) {
    *f = (op_fixture){.op = op, .c = c, .shapes_only = true, .rng = tdl_rng_make(1, 0)};
    if (!make_fixture(f, err)) return false;
    make_outputs(f);
    return true;
}

static bool make_fixture(op_fixture *f, tdl_error *err) {
    const tdl_op_info *info = tdl_op_get(f->op);
    f->call.attrs = f->c->attrs;
    op_case_set_of(f->op)->make(f, f->c);
    f->call.n_out = info->n_out;
    return info->infer(&f->call, err) == TDL_OK;
}

void op_fixture_trim(op_fixture *f, int32_t n_blocks) {
    for (; f->n_blocks > n_blocks; f->n_blocks--)
        munmap(f->blocks[f->n_blocks - 1].map, f->blocks[f->n_blocks - 1].map_size);
}

void op_fixture_deinit(op_fixture *f) {
    op_fixture_trim(f, 0);
    for (int32_t i = 0; i < TDL_OP_OUT_MAX; i++) {
        free(f->initial[i]);
        for (int r = 0; r < OP_ROUNDING_COUNT; r++) free(f->expected_of[r][i]);
    }
    *f = (op_fixture){0};
}

// Bytes from the first to the last element, gaps included.
static size_t extent(const tdl_tensor *t) {
    if (tdl_tensor_n_elements(t) == 0) return 0;
    size_t size = tdl_tensor_size(t) / (size_t)tdl_tensor_n_rows(t);
    for (int32_t d = 0; d < t->n_dims - 1; d++) size += (size_t)((t->shape[d] - 1) * t->strides[d]);
    return size;
}

static void *copy_of(const void *from, size_t size) {
    void *copy = malloc(size + 1);
    if (!copy) exit(1);
    if (size) memcpy(copy, from, size);
    return copy;
}

// Moves out[i] into guarded memory that begins with what it has to hold: a cache's or an input's contents, or garbage.
static void make_outputs(op_fixture *f) {
    const tdl_op_info *info = tdl_op_get(f->op);
    for (int32_t i = 0; i < f->call.n_out; i++) {
        tdl_tensor *out = &f->call.out[i];
        tdl_tensor *shared = i == 0 && f->c->in_place ? &f->call.in[info->in_place] : NULL;
        if (shared) *out = *shared;
        size_t size = f->extent[i] = extent(out);
        uint8_t *guarded = (uint8_t *)op_memory(f, size + 2 * GUARD_SIZE) + GUARD_SIZE;
        if (f->shapes_only) {
            f->initial[i] = calloc(size + 1, 1);
            if (!f->initial[i]) exit(1);
            out->data = guarded;
            if (shared) shared->data = guarded;
            continue;
        }
        memset(guarded - GUARD_SIZE, GUARD_BYTE, size + 2 * GUARD_SIZE);
        if (out->data) f->initial[i] = copy_of(out->data, size);
        else f->initial[i] = memset(copy_of(guarded, size), 0xff, size + 1);
        out->data = guarded;
        if (shared) shared->data = guarded;
    }
    if (!f->shapes_only) op_fixture_reset(f);
}

void op_fixture_reset(op_fixture *f) {
    for (int32_t i = 0; i < f->call.n_out; i++) memcpy(f->call.out[i].data, f->initial[i], f->extent[i]);
}

bool op_fixture_guards_intact(const op_fixture *f) {
    for (int32_t i = 0; i < f->call.n_out; i++) {
        const uint8_t *data = f->call.out[i].data, *end = data + f->extent[i];
        for (int j = 1; j <= GUARD_SIZE; j++)
            if (data[-j] != GUARD_BYTE || end[j - 1] != GUARD_BYTE) return false;
        if (!gaps_intact(f, i)) return false;
    }
    return true;
}

// Puts the initial rows back into a copy of out[i]: all must be as it was.
static bool gaps_intact(const op_fixture *f, int32_t i) {
    const tdl_tensor *out = &f->call.out[i];
    if (f->extent[i] == 0) return true;
    uint8_t *copy = copy_of(out->data, f->extent[i]);
    size_t row_size = tdl_tensor_size(out) / (size_t)tdl_tensor_n_rows(out);
    for (int64_t row = 0; row < tdl_tensor_n_rows(out); row++) {
        ptrdiff_t at = tdl_row(out, row) - out->data;
        memcpy(copy + at, f->initial[i] + at, row_size);
    }
    bool intact = memcmp(copy, f->initial[i], f->extent[i]) == 0;
    free(copy);
    return intact;
}

bool op_fixture_same_bits(const op_fixture *f, uint8_t *const *a, uint8_t *const *b) {
    for (int32_t i = 0; i < f->call.n_out; i++)
        if (memcmp(a[i], b[i], f->expected_size[i]) != 0) return false;
    return true;
}

static double far_of(const op_fixture *f, int64_t row, int64_t column) {
    return (f->c->far_rows ? (double)op_far(row) : 1) * (f->c->far_columns ? (double)op_far(column) : 1);
}

static double max_magnitude(const op_fixture *f, int64_t row, const float *values, int64_t n) {
    double max = 0;
    for (int64_t i = 0; i < n; i++) {
        double size = fabs(values[i]) / far_of(f, row, i);
        if (size > max) max = size; // fmax here stops gcc 12 for 64-bit Arm with an internal error
    }
    return max;
}

double op_fixture_error(const op_fixture *f, uint8_t *const *got, op_bound bound) {
    double worst = 0;
    if (f->c->scores) bound.abs *= fmax(1, op_case_set_of(f->op)->scores_slack);
    if (bound.metric == OP_METRIC_EXACT) return op_fixture_same_bits(f, got, f->expected) ? 0 : 1;
    for (int32_t i = 0; i < f->call.n_out; i++) {
        const tdl_tensor *out = &f->call.out[i];
        const float *y = (const float *)(const void *)got[i], *r = (const float *)(const void *)f->expected[i];
        int64_t n_columns = tdl_last_dim(out);
        if (out->dtype == TDL_DTYPE_I32) { // indices are right or wrong
            if (memcmp(got[i], f->expected[i], f->expected_size[i]) != 0) worst = INFINITY;
            continue;
        }
        for (int64_t row = 0; row < tdl_tensor_n_rows(out); row++, y += n_columns, r += n_columns) {
            double row_max = max_magnitude(f, row, r, n_columns);
            for (int64_t j = 0; j < n_columns; j++) {
                if (memcmp(&y[j], &r[j], sizeof *y) == 0) continue; // what the op leaves as it was may be NaN
                double far = far_of(f, row, j);
                double size = bound.metric == OP_METRIC_ROW ? row_max : fabs(r[j]) / far;
                double error = fabs((double)y[j] - r[j]) / far / (bound.abs + bound.rel * size);
                if (!(error <= worst)) worst = isnan(error) ? INFINITY : error;
            }
        }
    }
    return worst;
}

// Sets what is expected: at the first time for this rounding, runs the reference, in and out apart, into the fixture's own
// outputs and keeps a packed copy.
static void expect(op_fixture *f, op_rounding rounding, const tdl_call *given) {
    uint8_t **expected = f->expected_of[rounding];
    bool there = given->n_out == 0 || expected[0];
    for (int32_t i = 0; i < given->n_out && !there; i++) {
        f->expected_size[i] = tdl_tensor_size(&given->out[i]);
        expected[i] = calloc(f->expected_size[i] + 1, 1);
        if (!expected[i]) exit(1);
    }
    for (int32_t i = 0; i < TDL_OP_OUT_MAX; i++) f->expected[i] = expected[i];
    if (there) return;
    tdl_call apart = *given;
    op_fixture_reset(f);
    if (f->c->in_place) {
        tdl_tensor *in = &apart.in[tdl_op_get(f->op)->in_place];
        in->data = op_memory(f, f->extent[0]);
        memcpy(in->data, f->initial[0], f->extent[0]);
    }
    tdl_op_get(f->op)->reference(&apart);
    for (int32_t i = 0; i < apart.n_out; i++) tdl_tensor_pack(&apart.out[i], expected[i]);
    op_fixture_reset(f);
}

// ---- what a kernel wants --------------------------------------------------------------------------------------------

// in[0] quantized by the op of that name.
static bool quantize_input(op_fixture *f, tdl_dtype dtype, tdl_call *call) {
    tdl_call quantize = {.n_in = 1, .n_out = 1, .in = {call->in[0]}};
    if (dtype != TDL_DTYPE_A8 || tdl_op_get(TDL_OP_QUANTIZE)->infer(&quantize, NULL) != TDL_OK) return false;
    quantize.out[0].data = op_memory(f, tdl_tensor_size(&quantize.out[0]));
    tdl_op_get(TDL_OP_QUANTIZE)->reference(&quantize);
    call->in[0] = quantize.out[0];
    return true;
}

// in[0] as a kernel with dot4I8Packed rounds it (matvec_dot.wgsl), so that it rounds nothing more: of every 32 columns, times what
// norm multiplies them by, whole multiples of a 127th of the largest, which both halves have.
static void whole_input(op_fixture *f, tdl_call *call) {
    enum { BLOCK = 32 };
    const tdl_tensor *x = &f->call.in[0];
    const tdl_tensor *norm = call->attrs.linear & TDL_LINEAR_NORM ? &call->in[2] : NULL;
    size_t size = (size_t)x->shape[0] * (size_t)x->strides[0];
    call->in[0].data = op_memory(f, size);
    memset(call->in[0].data, 0xff, size);
    for (int64_t t = 0; t < x->shape[0]; t++)
        for (int64_t first = 0; first < x->shape[1]; first += BLOCK) {
            double values[BLOCK], largest = 1e-30;
            int64_t n = tdl_min_i64(BLOCK, x->shape[1] - first), at[2] = {0, BLOCK / 2};
            for (int64_t i = 0; i < n; i++) {
                values[i] = tdl_at(x, tdl_row(x, t), first + i) * (norm ? tdl_at(norm, norm->data, first + i) : 1);
                largest = fmax(largest, fabs(values[i]));
                if (fabs(values[i]) > fabs(values[at[i >= BLOCK / 2]])) at[i >= BLOCK / 2] = i;
            }
            for (int64_t i = 0; i < n; i++) {
                bool most = i == at[0] || i == at[1];
                double code = most ? copysign(127, values[i]) : rint(values[i] / largest * 127);
                double factor = norm ? tdl_at(norm, norm->data, first + i) : 1;
                tdl_put(&call->in[0], tdl_row(&call->in[0], t), first + i, code * largest / 127 / factor);
            }
        }
}

// What a kernel that multiplies BF16 makes of an operand, as F32.
static void round_to_bf16(op_fixture *f, tdl_tensor *t) {
    tdl_tensor from = *t;
    tdl_tensor_make(TDL_DTYPE_F32, from.n_dims, from.shape, NULL, t, NULL);
    t->data = op_memory(f, tdl_tensor_size(t));
    int64_t n = tdl_last_dim(&from);
    for (int64_t row = 0; row < tdl_tensor_n_rows(&from); row++) {
        float *to = tdl_f32_row(t, row);
        tdl_dtype_get(from.dtype)->decode(tdl_row(&from, row), to, n);
        for (int64_t i = 0; i < n; i++) to[i] = tdl_bf16_to_f32(tdl_bf16_from_f32(to[i]));
    }
}

bool op_fixture_prepare(op_fixture *f, const tdl_kernel *kernel, tdl_call *call) {
    *call = f->call;
    bool any_rows =
        kernel->rows_max == 0 || kernel->one_order; // of rows_max, a plan that is invariant uses it for more
    if (!any_rows && call->out[0].shape[0] > kernel->rows_max) return false;
    op_rounding rounding = OP_ROUNDING_NONE;
    if (kernel->x != TDL_DTYPE_NONE && kernel->x != call->in[0].dtype) {
        if (!quantize_input(f, kernel->x, call)) return false;
        rounding = OP_ROUNDING_A8;
    }
    if (kernel->needs & TDL_FEATURE_GPU_DOT4) {
        if (kernel->accepts && !kernel->accepts(call)) return false;
        whole_input(f, call);
        rounding = OP_ROUNDING_DOT4;
    }
    tdl_call plain = *call;
    if (kernel->needs & TDL_FEATURE_AVX512_BF16) {
        rounding = OP_ROUNDING_BF16;
        bool needed = !f->expected_of[rounding][0] || kernel->layout != TDL_LAYOUT_ROWS;
        for (int32_t i = 0; i < 2 && needed; i++) round_to_bf16(f, &plain.in[i]);
    }
    if (kernel->layout != TDL_LAYOUT_ROWS) {
        const tdl_tensor *w = &plain.in[1];
        size_t size = tdl_layout_size(kernel->layout, w);
        if (size == 0) return false;
        call->layout = kernel->layout;
        call->in[1].data = op_memory(f, (size + 63) / 64 * 64);
        for (int64_t first = 0; first < w->shape[0]; first += PREPARE_ROWS)
            tdl_layout_prepare(kernel->layout, w, w->data + first * w->strides[0], call->in[1].data, first,
                               tdl_min_i64(PREPARE_ROWS, w->shape[0] - first));
    }
    if (kernel->accepts && !kernel->accepts(call)) return false;
    // With the rounded input nothing but the kernel's own arithmetic is left to differ.
    if (f->checked) expect(f, rounding, &plain);
    return true;
}
