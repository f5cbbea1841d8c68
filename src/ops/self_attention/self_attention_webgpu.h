// SPDX-License-Identifier: MIT
// self_attention_webgpu.h - what the dispatch rules of the attention kernels of training share. See attention_tiles.wgsl.
#ifndef TDL_OPS_SELF_ATTENTION_WEBGPU_H
#define TDL_OPS_SELF_ATTENTION_WEBGPU_H

#include "ops/dispatch.h"
#include "ops/dropout/dropout.h"

enum { ATTENTION_TILE = 64, ATTENTION_SPAN = 64 }; // rows of a workgroup; columns of a sum

// in[0] to in[n_rows - 1] and the outputs are rows of F32, in[positions] counts.
static inline bool attention_takes(const tdl_call *call, int32_t n_rows, int32_t positions) {
    for (int32_t i = 0; i < n_rows; i++)
        if (!tdl_webgpu_rows(&call->in[i])) return false;
    for (int32_t i = 0; i < call->n_out; i++)
        if (!tdl_webgpu_rows(&call->out[i])) return false;
    for (int32_t i = positions; i < call->n_in; i++) // and the seed
        if (!tdl_webgpu_indices(&call->in[i])) return false;
    return true;
}

// The text that says how many spans of 64 columns of its head a workgroup makes (as many as there are, up to `most`), and
// whether weights are dropped.
static inline const char *attention_constants(const tdl_call *call, int64_t most) {
#define TEXTS(drops)                                                                                       \
    {"const SPANS: u32 = 1u; const DROPS = " drops ";", "const SPANS: u32 = 2u; const DROPS = " drops ";", \
     "const SPANS: u32 = 3u; const DROPS = " drops ";", "const SPANS: u32 = 4u; const DROPS = " drops ";"}
    static const char *const texts[2][4] = {TEXTS("false"), TEXTS("true")};
#undef TEXTS
    return texts[call->attrs.rate > 0][tdl_min_i64(tdl_div_up(tdl_last_dim(&call->in[0]), ATTENTION_SPAN), most) - 1];
}

// Where [T, H, hd] begins, and how far its tokens and its heads lie apart.
static inline void attention_put_heads(tdl_dispatch *out, const tdl_tensor *t, uint32_t offset) {
    tdl_put_word(out, offset);
    tdl_put_word(out, tdl_stride_words(t, 0));
    tdl_put_word(out, tdl_stride_words(t, 1));
}

// Where the gradients' stats [T, H, 2] and positions begin.
static inline void attention_put_stats(tdl_dispatch *out, const tdl_offsets *offsets) {
    tdl_put_word(out, offsets->in[4]);
    tdl_put_word(out, offsets->in[5]);
}

// Whether heads of in[0] to in[n - 1] begin and end at multiples of four floats.
static inline bool attention_aligned(const tdl_call *call, const tdl_offsets *offsets, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        const tdl_tensor *t = &call->in[i];
        if (offsets->in[i] % 4 || tdl_stride_words(t, 0) % 4 || tdl_stride_words(t, 1) % 4) return false;
    }
    return tdl_last_dim(&call->in[0]) % 4 == 0;
}

// n: inputs that are read by fours. The last input is the seed, where weights are dropped.
static inline void attention_put_shape(tdl_dispatch *out, const tdl_call *call, const tdl_offsets *offsets, int32_t n) {
    const tdl_tensor *q = &call->in[0];
    tdl_put_word(out, q->shape[0]);
    tdl_put_word(out, q->shape[1]);
    tdl_put_word(out, call->in[1].shape[1]);
    tdl_put_word(out, q->shape[2]);
    tdl_put_word(out, call->attrs.window);
    tdl_put_float(out, call->attrs.scale);
    tdl_put_float(out, call->attrs.alibi);
    tdl_put_word(out, attention_aligned(call, offsets, n));
    tdl_put_word(out, offsets->in[call->n_in - 1]);
    tdl_put_word(out, (uint32_t)call->attrs.stream);
    tdl_put_word(out, tdl_dropout_threshold(call->attrs.rate));
    tdl_put_float(out, tdl_dropout_scale(call->attrs.rate));
}

// A workgroup for each tile of each head, as often as a workgroup's spans go into a head.
static inline void attention_dispatch_tiles(tdl_dispatch *out, const tdl_tensor *t, int64_t most_spans) {
    int64_t n_tiles = tdl_div_up(t->shape[0], ATTENTION_TILE) * t->shape[1];
    tdl_dispatch_groups(out, n_tiles * tdl_div_up(t->shape[2], most_spans * ATTENTION_SPAN));
}

#endif
