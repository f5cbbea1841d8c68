// SPDX-License-Identifier: MIT
// matvec_webgpu.c - when and how matvec.wgsl runs: matmul and linear for one token and for up to eight; in a plan that is
// invariant for any number, eight at a time.
//
// A module is put together from the decoder of the weight's type (matvec_<type>.wgsl), what x is (plain, or normalized on
// the way), what y is (outputs with something added, or a gated unit), and matvec.wgsl. Block formats have a second decoder
// (matvec_dot_<type>.wgsl), which rounds x to whole numbers of 8 bits: for plans that may round. Rows whose length is no
// multiple of a chunk, and rows of x that begin beside a multiple of 16 bytes, are matmul_few's.
#include "ops/dispatch.h"
#include "ops/linear/linear.h"
#include "ops/weight.h"
#include "wgsl.h"

enum { GROUP = 256, ROWS = 4, LANES_MIN = 32, LANES_ENOUGH = 1 << 18, TOKENS_MAX = 8 };
// matvec_dot.wgsl: the first and the last are a segment's chunks, for one token and for eight.
enum { DOT_LANES_MAX = 128, DOT_LANES_ENOUGH = 1 << 16, DOT_LANES_8 = 16 };

// How a type's rows are cut up. Rows are read in units of 16 bytes where they are whole ones, else by element.
typedef struct row_chunks {
    const char *decoder;
    int32_t n_columns; // of a chunk
    bool wide;         // units of 16 bytes
} row_chunks;

static const row_chunks chunks_of[TDL_DTYPE_COUNT] = {
    [TDL_DTYPE_F32] = {tdl_wgsl_matvec_f32, 4, true},     [TDL_DTYPE_F16] = {tdl_wgsl_matvec_f16, 8, true},
    [TDL_DTYPE_BF16] = {tdl_wgsl_matvec_bf16, 8, true},   [TDL_DTYPE_Q8_0] = {tdl_wgsl_matvec_q8_0, 8, false},
    [TDL_DTYPE_Q4_0] = {tdl_wgsl_matvec_q4_0, 16, false}, [TDL_DTYPE_Q4_1] = {tdl_wgsl_matvec_q4_1, 16, false},
    [TDL_DTYPE_Q4_K] = {tdl_wgsl_matvec_q4_k, 32, true},  [TDL_DTYPE_Q5_K] = {tdl_wgsl_matvec_q5_k, 32, true},
    [TDL_DTYPE_Q6_K] = {tdl_wgsl_matvec_q6_k, 16, false},
};

static const row_chunks dot_chunks_of[TDL_DTYPE_COUNT] = {
    [TDL_DTYPE_Q8_0] = {tdl_wgsl_matvec_dot_q8_0, 64, false}, [TDL_DTYPE_Q4_0] = {tdl_wgsl_matvec_dot_q4_0, 64, false},
    [TDL_DTYPE_Q4_1] = {tdl_wgsl_matvec_dot_q4_1, 64, false}, [TDL_DTYPE_Q4_K] = {tdl_wgsl_matvec_dot_q4_k, 64, true},
    [TDL_DTYPE_Q5_K] = {tdl_wgsl_matvec_dot_q5_k, 64, true},  [TDL_DTYPE_Q6_K] = {tdl_wgsl_matvec_dot_q6_k, 64, false},
};

static const char *decoder(const tdl_call *call) { return chunks_of[call->in[1].dtype].decoder; }
static const char *dot_decoder(const tdl_call *call) { return dot_chunks_of[call->in[1].dtype].decoder; }

// What a part is of the op: matmul's bias is an input like any other.
static int32_t part_input(const tdl_call *call, int32_t part) {
    if (call->attrs.linear) return tdl_linear_input(&call->attrs, part);
    return part == TDL_LINEAR_BIAS && call->n_in == 3 ? 2 : -1;
}

// parts: the op's; acts: whether it has a function.
static bool takes(const tdl_call *call, const row_chunks *chunks, int32_t parts, bool acts) {
    const tdl_tensor *x = &call->in[0], *w = &call->in[1];
    int32_t residual = part_input(call, TDL_LINEAR_RESIDUAL);
    for (int32_t part = TDL_LINEAR_NORM; part <= TDL_LINEAR_RESIDUAL; part *= 2) {
        int32_t input = part_input(call, part);
        if ((input >= 0) != ((parts & part) != 0)) return false;
        if (input >= 0 && part != TDL_LINEAR_RESIDUAL && !tdl_webgpu_vector(&call->in[input])) return false;
    }
    bool gated = call->attrs.linear & TDL_LINEAR_GATE;
    return gated == ((parts & TDL_LINEAR_GATE) != 0) && acts == (call->attrs.act != 0) && tdl_webgpu_rows(x) &&
           x->strides[0] % 16 == 0 && chunks->decoder && tdl_weight_decodes(w) && x->shape[1] > 0 &&
           x->shape[1] % chunks->n_columns == 0 && (residual < 0 || tdl_webgpu_rows(&call->in[residual])) &&
           tdl_webgpu_rows(&call->out[0]);
}

// Words of a tensor's beginning as vectors of four.
static void put_fours(tdl_dispatch *out, uint32_t n_words) {
    assert(n_words % 4 == 0); // tensors begin at multiples of 16 bytes
    tdl_put_word(out, n_words / 4);
}

// How many invocations share four rows: enough of them in all to keep a GPU busy.
static int64_t lanes_for(const tdl_tensor *w, const row_chunks *chunks, int64_t max, int64_t enough) {
    int64_t n_chunks = w->shape[1] / chunks->n_columns, n_fours = tdl_div_up(w->shape[0], ROWS), n_lanes = LANES_MIN;
    while (n_lanes < max && n_lanes < n_chunks && n_lanes * n_fours < enough) n_lanes *= 2;
    return n_lanes;
}

static void put(const tdl_call *call, const row_chunks *chunks, int64_t n_lanes, const tdl_offsets *offsets,
                tdl_dispatch *out) {
    const tdl_tensor *x = &call->in[0], *w = &call->in[1], *y = &call->out[0];
    int32_t norm = part_input(call, TDL_LINEAR_NORM), shift = part_input(call, TDL_LINEAR_SHIFT),
            bias = part_input(call, TDL_LINEAR_BIAS), residual = part_input(call, TDL_LINEAR_RESIDUAL);
    put_fours(out, offsets->in[0]);
    tdl_put_word(out, tdl_stride_words(x, 0) / 4);
    if (chunks->wide) put_fours(out, offsets->in[1]);
    else tdl_put_word(out, offsets->in[1]);
    tdl_put_word(out, chunks->wide ? w->strides[0] / 16 : w->shape[1]);
    tdl_put_word(out, offsets->out[0]);
    tdl_put_word(out, tdl_stride_words(y, 0));
    tdl_put_word(out, y->shape[0]);
    tdl_put_word(out, w->shape[1]);
    tdl_put_word(out, y->shape[1]);
    tdl_put_word(out, w->shape[1] / chunks->n_columns);
    tdl_put_word(out, n_lanes);
    put_fours(out, norm < 0 ? 0 : offsets->in[norm]);
    put_fours(out, shift < 0 ? 0 : offsets->in[shift]);
    tdl_put_word(out, bias < 0 ? 0 : offsets->in[bias]);
    tdl_put_word(out, residual < 0 ? 0 : offsets->in[residual]);
    tdl_put_word(out, residual < 0 ? 0 : tdl_stride_words(&call->in[residual], 0));
    tdl_put_word(out, call->attrs.act);
    tdl_put_float(out, call->attrs.eps);
    tdl_dispatch_groups(out, tdl_div_up(tdl_div_up(w->shape[0], ROWS), GROUP / n_lanes));
    out->groups[2] = (uint32_t)tdl_div_up(y->shape[0], TOKENS_MAX);
}

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    const tdl_tensor *w = &call->in[1];
    const row_chunks *chunks = &chunks_of[w->dtype];
    put(call, chunks, lanes_for(w, chunks, GROUP, LANES_ENOUGH), offsets, out);
}

static void dispatch_dot(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    const tdl_tensor *w = &call->in[1];
    const row_chunks *chunks = &dot_chunks_of[w->dtype];
    put(call, chunks, lanes_for(w, chunks, DOT_LANES_MAX, DOT_LANES_ENOUGH), offsets, out);
}

static void dispatch_dot_8(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    put(call, &dot_chunks_of[call->in[1].dtype], DOT_LANES_8, offsets, out);
}

// ---- modules --------------------------------------------------------------------------------------------------------

#define INPUT(i, name, element) "@group(0) @binding(" #i ") var<storage, read> " #name ": array<" #element ">;\n"
#define OUTPUT(i) "@group(0) @binding(" #i ") var<storage, read_write> y: array<f32>;\n"
#define ARGS(n) "const TOKENS: u32 = " #n "u;\n@group(0) @binding(0) var<uniform> p: Params;\n" INPUT(1, x, vec4<f32>)
#define NORM INPUT(3, norm, vec4<f32>)
#define LAYER_NORM NORM INPUT(4, shift, vec4<f32>)
#define ADDED(sum) "fn added(t: u32, n: u32) -> f32 { return " sum "; }\n"
#define ADDS(sum) ADDED(sum) "fn made(sum: f32) -> f32 { return sum; }\n"
#define ADDS_ACT(sum) ADDED(sum) "fn made(sum: f32) -> f32 { return activate(p.act, sum); }\n"
#define A_BIAS "bias[p.bias_offset + n]"
#define A_RESIDUAL "residual[p.residual_offset + t * p.residual_stride + n]"

// What a kernel takes; the kernels for one token, and those for up to eight. args: what its module has after ARGS.
#define KERNEL(id, op_id, n_rows, ...)                                          \
    const tdl_kernel tdl_kernel_##id##_webgpu = {.name = #id "_webgpu",         \
                                                 .op = op_id,                   \
                                                 .backend = TDL_BACKEND_WEBGPU, \
                                                 .rows_max = n_rows,            \
                                                 .one_order = (n_rows) > 1,     \
                                                 __VA_ARGS__}
#define FLOATS(id, op_id, n, parts, args, x, ...)                                                   \
    KERNEL(id, op_id, n, .accepts = accepts_##parts, .wgsl_decoder = decoder, .dispatch = dispatch, \
           .wgsl = {ARGS(n) args, tdl_wgsl_matvec, tdl_wgsl_matvec_blocks, tdl_wgsl_matvec_##x, __VA_ARGS__})
#define DOTS(id, op_id, n, n_rows, parts, dispatches, args, x, ...)                                                  \
    KERNEL(id, op_id, n_rows, .accepts = accepts_##parts##_dot, .wgsl_decoder = dot_decoder, .dispatch = dispatches, \
           .needs = TDL_FEATURE_GPU_DOT4, .rounds = true,                                                            \
           .wgsl = {ARGS(n) args, tdl_wgsl_matvec_dot, tdl_wgsl_matvec_dot_##x, __VA_ARGS__})
// With x in floats. x: its module; then what y is.
#define MATVEC_FLOATS(id, op_id, parts, acts, ...)                                                                     \
    static bool accepts_##id(const tdl_call *call) { return takes(call, &chunks_of[call->in[1].dtype], parts, acts); } \
    FLOATS(id, op_id, 1, id, __VA_ARGS__);                                                                             \
    FLOATS(id##_8, op_id, 8, id, __VA_ARGS__)
// And rounded.
#define MATVEC(id, op_id, parts, acts, ...)                                 \
    MATVEC_FLOATS(id, op_id, parts, acts, __VA_ARGS__);                     \
    static bool accepts_##id##_dot(const tdl_call *call) {                  \
        return takes(call, &dot_chunks_of[call->in[1].dtype], parts, acts); \
    }                                                                       \
    DOTS(id##_dot, op_id, 1, 1, id, dispatch_dot, __VA_ARGS__);             \
    DOTS(id##_dot_8, op_id, 8, 8, id, dispatch_dot_8, __VA_ARGS__)

MATVEC(matvec, TDL_OP_MATMUL, 0, false, OUTPUT(3) ADDS("0.0"), x, tdl_wgsl_matvec_y);
MATVEC(matvec_bias, TDL_OP_MATMUL, TDL_LINEAR_BIAS, false, INPUT(3, bias, f32) OUTPUT(4) ADDS(A_BIAS), x,
       tdl_wgsl_matvec_y);
// Of more tokens eight at a time, where no matrix units come first: a tile takes as long for a few as for 64. On a CPU, as a
// device, it takes less from 17 on.
DOTS(matvec_dot_16, TDL_OP_MATMUL, 8, 16, matvec, dispatch_dot_8, OUTPUT(3) ADDS("0.0"), x, tdl_wgsl_matvec_y);
DOTS(matvec_bias_dot_16, TDL_OP_MATMUL, 8, 16, matvec_bias, dispatch_dot_8, INPUT(3, bias, f32) OUTPUT(4) ADDS(A_BIAS),
     x, tdl_wgsl_matvec_y);
MATVEC(linear_norm, TDL_OP_LINEAR, TDL_LINEAR_NORM, false, NORM OUTPUT(4) ADDS("0.0"), x_norm, tdl_wgsl_matvec_y);
MATVEC(linear_norm_bias, TDL_OP_LINEAR, TDL_LINEAR_NORM | TDL_LINEAR_BIAS, false,
       NORM INPUT(4, bias, f32) OUTPUT(5) ADDS(A_BIAS), x_norm, tdl_wgsl_matvec_y);
MATVEC(linear_norm_glu, TDL_OP_LINEAR, TDL_LINEAR_NORM | TDL_LINEAR_GATE, true, NORM OUTPUT(4), x_norm,
       tdl_wgsl_matvec_y_glu, tdl_wgsl_activate);
MATVEC_FLOATS(linear_layer_norm, TDL_OP_LINEAR, TDL_LINEAR_NORM | TDL_LINEAR_SHIFT, false,
              LAYER_NORM OUTPUT(5) ADDS("0.0"), x_layer_norm, tdl_wgsl_matvec_y);
MATVEC_FLOATS(linear_layer_norm_bias, TDL_OP_LINEAR, TDL_LINEAR_NORM | TDL_LINEAR_SHIFT | TDL_LINEAR_BIAS, false,
              LAYER_NORM INPUT(5, bias, f32) OUTPUT(6) ADDS(A_BIAS), x_layer_norm, tdl_wgsl_matvec_y);
MATVEC_FLOATS(linear_layer_norm_bias_act, TDL_OP_LINEAR, TDL_LINEAR_NORM | TDL_LINEAR_SHIFT | TDL_LINEAR_BIAS, true,
              LAYER_NORM INPUT(5, bias, f32) OUTPUT(6) ADDS_ACT(A_BIAS), x_layer_norm, tdl_wgsl_matvec_y,
              tdl_wgsl_activate);
MATVEC(linear_residual, TDL_OP_LINEAR, TDL_LINEAR_RESIDUAL, false, INPUT(3, residual, f32) OUTPUT(4) ADDS(A_RESIDUAL),
       x, tdl_wgsl_matvec_y);
MATVEC(linear_bias_residual, TDL_OP_LINEAR, TDL_LINEAR_BIAS | TDL_LINEAR_RESIDUAL, false,
       INPUT(3, bias, f32) INPUT(4, residual, f32) OUTPUT(5) ADDS(A_BIAS " + " A_RESIDUAL), x, tdl_wgsl_matvec_y);
