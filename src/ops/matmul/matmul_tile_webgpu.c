// matmul_tile_webgpu.c - when and how matmul_tile.wgsl runs: with large tiles where they are enough to keep a GPU busy, with
// small ones otherwise; with a bias and without.
#include "ops/matmul/matmul_webgpu.h"
#include "ops/matmul/tiles_webgpu.h"
#include "wgsl.h"

static bool takes(const tdl_call *call) {
    return tdl_matmul_takes(call) && call->in[0].shape[1] > 0 && call->in[0].shape[1] % 16 == 0 &&
           tdl_stride_words(&call->in[0], 0) % 4 == 0;
}

static bool takes_large(const tdl_call *call) {
    return takes(call) && tdl_tiles_large(&call->out[0]);
}

static bool accepts_small(const tdl_call *call) { return call->n_in == 2 && takes(call); }
static bool accepts_small_bias(const tdl_call *call) { return call->n_in == 3 && takes(call); }
static bool accepts_large(const tdl_call *call) { return call->n_in == 2 && takes_large(call); }
static bool accepts_large_bias(const tdl_call *call) { return call->n_in == 3 && takes_large(call); }

static const char *decoder(const tdl_call *call) { return tdl_weight_row_decoder(&call->in[1]); }

static void dispatch_tiles(const tdl_call *call, const tdl_offsets *offsets, int64_t tile, tdl_dispatch *out) {
    const tdl_tensor *y = &call->out[0];
    assert(offsets->in[0] % 4 == 0 && offsets->in[1] % 4 == 0);
    tdl_matmul_put_params(call, offsets, tdl_div_up(y->shape[1], tile), out);
    tdl_dispatch_tiles(y, tile, out);
}

static void dispatch_small(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    dispatch_tiles(call, offsets, TDL_TILE_SMALL, out);
}

static void dispatch_large(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    dispatch_tiles(call, offsets, TDL_TILE_LARGE, out);
}

const tdl_kernel tdl_kernel_matmul_large_webgpu = {
    .name = "matmul_large_webgpu",
    .op = TDL_OP_MATMUL,
    .backend = TDL_BACKEND_WEBGPU,
    .accepts = accepts_large,
    .wgsl = {tdl_wgsl_matmul_tile_args, tdl_wgsl_tile_large, tdl_wgsl_matmul_tile, tdl_wgsl_quant_row},
    .wgsl_decoder = decoder,
    .dispatch = dispatch_large};

const tdl_kernel tdl_kernel_matmul_large_bias_webgpu = {
    .name = "matmul_large_bias_webgpu",
    .op = TDL_OP_MATMUL,
    .backend = TDL_BACKEND_WEBGPU,
    .accepts = accepts_large_bias,
    .wgsl = {tdl_wgsl_matmul_tile_bias_args, tdl_wgsl_tile_large, tdl_wgsl_matmul_tile, tdl_wgsl_quant_row},
    .wgsl_decoder = decoder,
    .dispatch = dispatch_large};

const tdl_kernel tdl_kernel_matmul_small_webgpu = {
    .name = "matmul_small_webgpu",
    .op = TDL_OP_MATMUL,
    .backend = TDL_BACKEND_WEBGPU,
    .accepts = accepts_small,
    .wgsl = {tdl_wgsl_matmul_tile_args, tdl_wgsl_tile_small, tdl_wgsl_matmul_tile, tdl_wgsl_quant_row},
    .wgsl_decoder = decoder,
    .dispatch = dispatch_small};

const tdl_kernel tdl_kernel_matmul_small_bias_webgpu = {
    .name = "matmul_small_bias_webgpu",
    .op = TDL_OP_MATMUL,
    .backend = TDL_BACKEND_WEBGPU,
    .accepts = accepts_small_bias,
    .wgsl = {tdl_wgsl_matmul_tile_bias_args, tdl_wgsl_tile_small, tdl_wgsl_matmul_tile, tdl_wgsl_quant_row},
    .wgsl_decoder = decoder,
    .dispatch = dispatch_small};
