// SPDX-License-Identifier: MIT
// experts_webgpu.h - what the dispatch rules of the WebGPU kernels of experts share: the uniforms of expert_params.wgsl.
#ifndef TDL_OPS_EXPERTS_WEBGPU_H
#define TDL_OPS_EXPERTS_WEBGPU_H

#include "ops/dispatch.h"
#include "ops/weight.h"

enum { TDL_EXPERT_TILE = 64 };

// Whether the shaders read in[0]'s rows and in[1], all experts' matrices, and write out[0]'s rows.
static inline bool tdl_experts_take(const tdl_call *call) {
    return tdl_webgpu_rows(&call->in[0]) && tdl_weight_decodes(&call->in[1]) && tdl_webgpu_rows(&call->out[0]);
}

static inline const char *tdl_experts_decoder(const tdl_call *call) { return tdl_weight_decoder(&call->in[1]); }

// Offset, stride from token to token, and from choice to choice: 0 where all choices share a row.
static inline void tdl_put_choice_rows(tdl_dispatch *out, const tdl_tensor *t, uint32_t offset) {
    tdl_put_word(out, offset);
    tdl_put_word(out, tdl_stride_words(t, 0));
    tdl_put_word(out, t->n_dims == 3 ? tdl_stride_words(t, 1) : 0);
}

// b: rows as in[0] has them, or a matrix of which only the offset is used. n_outputs, n_columns: of an expert's matrix.
static inline void tdl_put_experts(const tdl_call *call, const tdl_offsets *offsets, int64_t n_rows, int64_t n_outputs,
                                   int64_t n_columns, tdl_dispatch *out) {
    bool blocks = call->in[1].dtype != TDL_DTYPE_F32;
    tdl_put_choice_rows(out, &call->in[0], offsets->in[0]);
    if (blocks) {
        tdl_put_word(out, offsets->in[1]);
        tdl_put_word(out, 0);
        tdl_put_word(out, 0);
    } else {
        tdl_put_choice_rows(out, &call->in[1], offsets->in[1]);
    }
    tdl_put_word(out, offsets->in[2]);
    tdl_put_choice_rows(out, &call->out[0], offsets->out[0]);
    tdl_put_word(out, n_rows);
    tdl_put_word(out, n_outputs);
    tdl_put_word(out, n_columns);
    tdl_put_word(out, call->attrs.experts);
    tdl_put_word(out, call->attrs.top_k);
}

// Tiles over the rows of all experts, `across` columns of y: each expert's last tile may not be full.
static inline void tdl_dispatch_expert_rows(tdl_dispatch *out, const tdl_call *call, int64_t n_rows, int64_t across) {
    int64_t n_tiles = tdl_div_up(across, TDL_EXPERT_TILE);
    int64_t down = tdl_min_i64(n_rows, n_rows / TDL_EXPERT_TILE + call->attrs.experts);
    tdl_put_word(out, n_tiles);
    tdl_dispatch_groups(out, down * n_tiles);
}

#endif
