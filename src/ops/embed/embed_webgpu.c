// SPDX-License-Identifier: MIT
// embed_webgpu.c - when and how embed.wgsl runs.
#include "ops/dispatch.h"
#include "ops/weight.h"
#include "wgsl.h"

static bool accepts(const tdl_call *call) {
    return call->n_in == 2 && tdl_weight_decodes(&call->in[0]) && tdl_webgpu_indices(&call->in[1]) &&
           tdl_webgpu_rows(&call->out[0]);
}

static bool accepts_picked(const tdl_call *call) {
    tdl_call plain = *call;
    plain.n_in = 2;
    return call->n_in == 3 && tdl_webgpu_indices(&call->in[2]) && accepts(&plain);
}

static const char *decoder(const tdl_call *call) { return tdl_weight_decoder(&call->in[0]); }

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    int64_t n_columns = call->in[0].shape[1], n_quads = tdl_div_up(n_columns, 4), n = n_quads * call->in[1].shape[0];
    tdl_put_rows(out, &call->out[0], offsets->out[0]);
    tdl_put_word(out, offsets->in[0]);
    tdl_put_word(out, offsets->in[1]);
    tdl_put_word(out, n_columns);
    tdl_put_word(out, n_quads);
    tdl_put_word(out, call->attrs.part_first);
    tdl_put_word(out, call->in[0].shape[0]);
    tdl_put_word(out, n);
    if (call->n_in == 3) tdl_put_word(out, offsets->in[2]);
    tdl_dispatch_items(out, n);
}

const tdl_kernel tdl_kernel_embed_webgpu = {
    .name = "embed_webgpu",
    .op = TDL_OP_EMBED,
    .backend = TDL_BACKEND_WEBGPU,
    .one_order = true,
    .accepts = accepts,
    .wgsl = {tdl_wgsl_embed, tdl_wgsl_embed_ids, tdl_wgsl_quant_block, tdl_wgsl_rows},
    .wgsl_decoder = decoder,
    .dispatch = dispatch};

const tdl_kernel tdl_kernel_embed_picked_webgpu = {
    .name = "embed_picked_webgpu",
    .op = TDL_OP_EMBED,
    .backend = TDL_BACKEND_WEBGPU,
    .one_order = true,
    .accepts = accepts_picked,
    .indices_apart = 1 << 2,
    .wgsl = {tdl_wgsl_embed, tdl_wgsl_embed_picked, tdl_wgsl_quant_block, tdl_wgsl_rows},
    .wgsl_decoder = decoder,
    .dispatch = dispatch};
