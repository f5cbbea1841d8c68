// SPDX-License-Identifier: MIT
// rope_attention_webgpu.c - when and how rope_attention.wgsl and attention_merge.wgsl run: how many parts the cache is in, what
// is done to queries and keys, how large heads are. The one with a table and norms binds eight storage buffers, as many as
// every adapter has; so queries, keys and values lie in one.
#include "ops/dispatch.h"
#include "ops/rope_attention/rope_attention.h"
#include "wgsl.h"

// A cache of up to WHOLE_PAGES is one part and needs no merge; a longer one has parts of PART_PAGES or more.
enum { HEADS = 4, WHOLE_PAGES = 4, PART_PAGES = 2, PARTS_MAX = 64, HEAD_DIM_MAX = 128, WIDE_MAX = 256, ROWS_MAX = 8 };

static_assert(TDL_KV_PAGE == 64, "rope_attention.wgsl has it too");

static int64_t pages_of_part(const tdl_call *call) {
    int64_t n_pages = call->in[3].shape[1];
    return n_pages <= WHOLE_PAGES ? WHOLE_PAGES : tdl_max_i64(PART_PAGES, tdl_div_up(n_pages, PARTS_MAX));
}

static int64_t count_parts(const tdl_call *call) {
    return tdl_max_i64(1, tdl_div_up(call->in[3].shape[1], pages_of_part(call)));
}

static int64_t count_blocks(const tdl_call *call) {
    return tdl_div_up(call->out[0].shape[1] / call->out[1].shape[1], HEADS);
}

// heads: what is done to them, of head_dim above `above` up to `up_to`.
static bool takes(const tdl_call *call, int32_t heads, int64_t above, int64_t up_to) {
    int32_t turn = tdl_heads_input(&call->attrs, TDL_HEADS_TURN), norm = tdl_heads_input(&call->attrs, TDL_HEADS_NORM);
    const tdl_tensor *out = &call->out[0];
    for (int i = 1; i <= 2; i++) {
        const tdl_tensor *cache = &call->out[i];
        if (cache->dtype != TDL_DTYPE_F32 || !tdl_tensor_contiguous(cache) || !tdl_words_fit(cache)) return false;
    }
    for (int i = 1; i <= 3; i++)
        if (!tdl_webgpu_indices(&call->in[i])) return false;
    return call->attrs.heads == heads && call->out[1].shape[0] > 0 && call->in[3].shape[1] > 0 &&
           tdl_webgpu_rows(&call->in[0]) && (turn < 0 || tdl_webgpu_rows(&call->in[turn])) &&
           (norm < 0 || tdl_webgpu_vector(&call->in[norm])) && tdl_webgpu_rows(out) &&
           out->strides[1] == out->shape[2] * (int64_t)sizeof(float) && out->shape[2] > above &&
           out->shape[2] <= up_to && out->shape[1] * PARTS_MAX <= TDL_GROUPS_MAX;
}

static size_t scratch_size(const tdl_call *call) {
    const tdl_tensor *out = &call->out[0];
    return (size_t)(out->shape[0] * out->shape[1] * (out->shape[2] + 2) * PARTS_MAX) * sizeof(float);
}

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    const tdl_tensor *x = &call->in[0], *pages = &call->in[3], *y = &call->out[0];
    int32_t turn = tdl_heads_input(&call->attrs, TDL_HEADS_TURN), norm = tdl_heads_input(&call->attrs, TDL_HEADS_NORM);
    int64_t n_kv_heads = call->out[1].shape[1], n_parts = count_parts(call), n_blocks = count_blocks(call);
    tdl_put_word(out, offsets->in[0]);
    tdl_put_word(out, tdl_stride_words(x, 0));
    tdl_put_word(out, turn < 0 ? 0 : offsets->in[turn]);
    tdl_put_word(out, turn < 0 ? 0 : tdl_stride_words(&call->in[turn], 0));
    tdl_put_word(out, norm < 0 ? 0 : offsets->in[norm]);
    tdl_put_word(out, offsets->out[0]);
    tdl_put_word(out, tdl_stride_words(y, 0));
    tdl_put_word(out, offsets->out[1]);
    tdl_put_word(out, offsets->out[2]);
    for (int i = 1; i <= 3; i++) tdl_put_word(out, offsets->in[i]);
    tdl_put_word(out, tdl_stride_words(pages, 0));
    tdl_put_word(out, pages->shape[0]);
    tdl_put_word(out, y->shape[0]);
    tdl_put_word(out, y->shape[1]);
    tdl_put_word(out, n_kv_heads);
    tdl_put_word(out, y->shape[2]);
    tdl_put_word(out, turn < 0 ? 0 : call->in[turn].shape[1] / 2);
    tdl_put_word(out, call->attrs.rope_pairs == 1);
    tdl_put_word(out, call->attrs.window);
    tdl_put_float(out, call->attrs.scale);
    tdl_put_float(out, call->attrs.eps);
    tdl_put_word(out, n_blocks);
    tdl_put_word(out, n_parts);
    tdl_put_word(out, pages_of_part(call));
    tdl_put_word(out, call->out[1].shape[0]);
    out->groups[0] = (uint32_t)(n_kv_heads * n_blocks * n_parts);
    out->groups[1] = (uint32_t)y->shape[0];
    out->groups[2] = 1;
}

static void dispatch_merge(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    const tdl_tensor *y = &call->out[0];
    int64_t n_parts = count_parts(call), n_rows = y->shape[0] * y->shape[1];
    tdl_put_word(out, offsets->out[0]);
    tdl_put_word(out, tdl_stride_words(y, 0));
    tdl_put_word(out, n_rows);
    tdl_put_word(out, y->shape[1]);
    tdl_put_word(out, y->shape[2]);
    tdl_put_word(out, n_parts);
    tdl_dispatch_groups(out, n_parts > 1 ? n_rows : 0);
}

static const tdl_kernel merge = {.name = "attention_merge_webgpu",
                                 .op = TDL_OP_ROPE_ATTENTION,
                                 .backend = TDL_BACKEND_WEBGPU,
                                 .is_merge = true,
                                 .wgsl = {tdl_wgsl_attention_merge},
                                 .dispatch = dispatch_merge};

// ---- modules --------------------------------------------------------------------------------------------------------

#define INPUT(i, name) "@group(0) @binding(" #i ") var<storage, read> " #name ": array<f32>;\n"
#define OUTPUT(i, name) "@group(0) @binding(" #i ") var<storage, read_write> " #name ": array<f32>;\n"
#define OUTPUTS(a, b, c, d) OUTPUT(a, out) OUTPUT(b, k_cache) OUTPUT(c, v_cache) OUTPUT(d, scratch)
#define STILL "const TURNS: bool = false;\nfn angle_at(i: u32) -> f32 { return 0.0; }\n"
#define TURNED "const TURNS: bool = true;\nfn angle_at(i: u32) -> f32 { return table[i]; }\n" INPUT(3, table)
#define AS_IS "const NORMS: bool = false;\nfn gain_at(i: u32) -> f32 { return 1.0; }\n"
#define NORMED \
    "const NORMS: bool = true;\nfn gain_at(i: u32) -> f32 { return norms[p.norms_offset + i]; }\n" INPUT(4, norms)

// columns: of the values, of an invocation; head_dim is at most 64 of them.
#define KERNEL(id, heads, above, up_to, columns, head_dim_max, args)                                                  \
    static bool accepts_##id(const tdl_call *call) { return takes(call, heads, above, up_to); }                       \
    const tdl_kernel tdl_kernel_##id##_webgpu = {.name = #id "_webgpu",                                               \
                                                 .op = TDL_OP_ROPE_ATTENTION,                                         \
                                                 .backend = TDL_BACKEND_WEBGPU,                                       \
                                                 .rows_max = ROWS_MAX,                                                \
                                                 .accepts = accepts_##id,                                             \
                                                 .scratch_size = scratch_size,                                        \
                                                 .wgsl = {"const COLUMNS: u32 = " #columns                            \
                                                          "u;\nconst HEAD_DIM_MAX: u32 = " #head_dim_max "u;\n" args, \
                                                          tdl_wgsl_rope_attention},                                   \
                                                 .dispatch = dispatch,                                                \
                                                 .merge = &merge}
#define KERNELS(id, heads, args)                      \
    KERNEL(id, heads, 0, HEAD_DIM_MAX, 2, 128, args); \
    KERNEL(id##_wide, heads, HEAD_DIM_MAX, WIDE_MAX, 4, 256, args)

KERNELS(rope_attention, TDL_HEADS_TURN, TURNED AS_IS OUTPUTS(4, 5, 6, 7));
KERNELS(norm_rope_attention, TDL_HEADS_TURN | TDL_HEADS_NORM, TURNED NORMED OUTPUTS(5, 6, 7, 8));
KERNELS(append_attention, 0, STILL AS_IS OUTPUTS(3, 4, 5, 6));
