// matmul_webgpu.c - when and how matmul.wgsl runs, with a bias and without. How many tokens a step has decides between its
// two ways.
#include "ops/dispatch.h"
#include "ops/weight.h"
#include "wgsl.h"

enum { FEW_TOKENS = 7, FEW_OUTPUTS = 8, TILE = 64 };

static bool takes(const tdl_call *call) {
    return call->in[0].n_dims == 2 && tdl_webgpu_rows(&call->in[0]) && tdl_weight_decodes(&call->in[1]) &&
           tdl_webgpu_rows(&call->out[0]);
}

static bool accepts(const tdl_call *call) { return call->n_in == 2 && takes(call); }

static bool accepts_bias(const tdl_call *call) {
    return call->n_in == 3 && takes(call) && tdl_webgpu_vector(&call->in[2]);
}

static const char *decoder(const tdl_call *call) { return tdl_weight_decoder(&call->in[1]); }

static void dispatch(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    const tdl_tensor *x = &call->in[0], *y = &call->out[0];
    int64_t n_tokens = y->shape[0], n_outputs = y->shape[1], n_tiles = tdl_div_up(n_outputs, TILE);
    bool few = n_tokens <= FEW_TOKENS;
    tdl_put_word(out, offsets->in[0]);
    tdl_put_word(out, tdl_stride_words(x, 0));
    tdl_put_word(out, offsets->in[1]);
    tdl_put_word(out, offsets->in[2]);
    tdl_put_word(out, offsets->out[0]);
    tdl_put_word(out, tdl_stride_words(y, 0));
    tdl_put_word(out, n_tokens);
    tdl_put_word(out, x->shape[1]);
    tdl_put_word(out, n_outputs);
    tdl_put_word(out, n_tiles);
    tdl_put_word(out, few);
    tdl_dispatch_groups(out, few ? tdl_div_up(n_outputs, FEW_OUTPUTS) : tdl_div_up(n_tokens, TILE) * n_tiles);
    if (few) out->groups[2] = (uint32_t)n_tokens;
}

const tdl_kernel tdl_kernel_matmul_webgpu = {.name = "matmul_webgpu",
                                             .op = TDL_OP_MATMUL,
                                             .backend = TDL_BACKEND_WEBGPU,
                                             .accepts = accepts,
                                             .wgsl = {tdl_wgsl_matmul_args, tdl_wgsl_matmul, tdl_wgsl_quant_block},
                                             .wgsl_decoder = decoder,
                                             .dispatch = dispatch};

const tdl_kernel tdl_kernel_matmul_bias_webgpu = {
    .name = "matmul_bias_webgpu",
    .op = TDL_OP_MATMUL,
    .backend = TDL_BACKEND_WEBGPU,
    .accepts = accepts_bias,
    .wgsl = {tdl_wgsl_matmul_bias_args, tdl_wgsl_matmul, tdl_wgsl_quant_block},
    .wgsl_decoder = decoder,
    .dispatch = dispatch};
