// rope_attention_webgpu.c - when and how rope_attention.wgsl and attention_merge.wgsl run: how many parts the cache is in.
#include "ops/dispatch.h"
#include "wgsl.h"

// A cache of up to WHOLE_PAGES is one part and needs no merge; a longer one has parts of PART_PAGES or more.
enum { HEADS = 4, WHOLE_PAGES = 4, PART_PAGES = 2, PARTS_MAX = 64, HEAD_DIM_MAX = 128, ROWS_MAX = 8 };

static_assert(TDL_KV_PAGE == 64, "rope_attention.wgsl has it too");

static int64_t pages_of_part(const tdl_call *call) {
    int64_t n_pages = call->in[5].shape[1];
    return n_pages <= WHOLE_PAGES ? WHOLE_PAGES : tdl_max_i64(PART_PAGES, tdl_div_up(n_pages, PARTS_MAX));
}

static int64_t count_parts(const tdl_call *call) {
    return tdl_max_i64(1, tdl_div_up(call->in[5].shape[1], pages_of_part(call)));
}

static int64_t count_blocks(const tdl_call *call) {
    return tdl_div_up(call->out[0].shape[1] / call->out[1].shape[1], HEADS);
}

static bool accepts(const tdl_call *call) {
    const tdl_tensor *out = &call->out[0];
    for (int i = 1; i <= 2; i++) {
        const tdl_tensor *cache = &call->out[i];
        if (cache->dtype != TDL_DTYPE_F32 || !tdl_tensor_contiguous(cache) || !tdl_words_fit(cache)) return false;
    }
    for (int i = 3; i <= 5; i++)
        if (!tdl_webgpu_indices(&call->in[i])) return false;
    return call->out[1].shape[0] > 0 && call->in[5].shape[1] > 0 && tdl_webgpu_rows(&call->in[0]) &&
           tdl_webgpu_rows(&call->in[1]) && tdl_webgpu_rows(&call->in[2]) && tdl_webgpu_rows(out) &&
           call->in[1].strides[1] == out->strides[1] && out->strides[1] == out->shape[2] * (int64_t)sizeof(float) &&
           out->shape[2] <= HEAD_DIM_MAX && out->shape[1] * PARTS_MAX <= TDL_GROUPS_MAX;
}

static size_t scratch_size(const tdl_call *call) {
    const tdl_tensor *out = &call->out[0];
    return (size_t)(out->shape[0] * out->shape[1] * (out->shape[2] + 2) * PARTS_MAX) * sizeof(float);
}

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    const tdl_tensor *x = &call->in[0], *v = &call->in[1], *table = &call->in[2], *pages = &call->in[5],
                     *y = &call->out[0];
    int64_t n_kv_heads = call->out[1].shape[1], n_parts = count_parts(call), n_blocks = count_blocks(call);
    tdl_put_word(out, offsets->in[0]);
    tdl_put_word(out, tdl_stride_words(x, 0));
    tdl_put_word(out, offsets->in[1]);
    tdl_put_word(out, tdl_stride_words(v, 0));
    tdl_put_word(out, offsets->in[2]);
    tdl_put_word(out, tdl_stride_words(table, 0));
    tdl_put_word(out, offsets->out[0]);
    tdl_put_word(out, tdl_stride_words(y, 0));
    tdl_put_word(out, offsets->out[1]);
    tdl_put_word(out, offsets->out[2]);
    for (int i = 3; i <= 5; i++) tdl_put_word(out, offsets->in[i]);
    tdl_put_word(out, tdl_stride_words(pages, 0));
    tdl_put_word(out, pages->shape[0]);
    tdl_put_word(out, y->shape[0]);
    tdl_put_word(out, y->shape[1]);
    tdl_put_word(out, n_kv_heads);
    tdl_put_word(out, y->shape[2]);
    tdl_put_word(out, table->shape[1] / 2);
    tdl_put_word(out, call->attrs.rope_pairs == 1);
    tdl_put_word(out, call->attrs.window);
    tdl_put_float(out, call->attrs.scale);
    tdl_put_word(out, n_blocks);
    tdl_put_word(out, n_parts);
    tdl_put_word(out, pages_of_part(call));
    tdl_put_word(out, call->out[1].shape[0]);
    tdl_put_word(out, y->shape[1] + call->attrs.gap);
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

const tdl_kernel tdl_kernel_rope_attention_webgpu = {.name = "rope_attention_webgpu",
                                                     .op = TDL_OP_ROPE_ATTENTION,
                                                     .backend = TDL_BACKEND_WEBGPU,
                                                     .rows_max = ROWS_MAX,
                                                     .accepts = accepts,
                                                     .scratch_size = scratch_size,
                                                     .wgsl = {tdl_wgsl_rope_attention},
                                                     .dispatch = dispatch,
                                                     .merge = &merge};
