// matmul_tile_webgpu.c - when and how matmul_tile.wgsl runs: with large tiles where they are enough to keep a GPU busy, with
// small ones otherwise; with a bias and without; with rows of results that are no whole quads.
#include "ops/matmul/matmul_webgpu.h"
#include "ops/matmul/tiles_webgpu.h"
#include "wgsl.h"

static bool takes(const tdl_call *call, int32_t n_in) {
    return call->n_in == n_in && tdl_matmul_takes(call) && tdl_whole_quads(&call->in[0]);
}

// Blocks of 256 columns lie so far apart that a large tile's rows of them do not stay in a processor's cache.
static bool large(const tdl_call *call) {
    return tdl_tiles_large(&call->out[0]) && tdl_dtype_get(call->in[1].dtype)->block_n < 256;
}

static bool accepts_small(const tdl_call *call) { return takes(call, 2) && tdl_whole_quads(&call->out[0]); }
static bool accepts_small_bias(const tdl_call *call) { return takes(call, 3) && tdl_whole_quads(&call->out[0]); }
static bool accepts_small_any(const tdl_call *call) { return takes(call, 2); }
static bool accepts_large(const tdl_call *call) { return accepts_small(call) && large(call); }
static bool accepts_large_bias(const tdl_call *call) { return accepts_small_bias(call) && large(call); }
static bool accepts_large_any(const tdl_call *call) { return takes(call, 2) && large(call); }

static const char *decoder(const tdl_call *call) { return tdl_weight_row_decoder(&call->in[1]); }

static void dispatch_small(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    tdl_dispatch_tiles(call, offsets, call->in[0].shape[1], TDL_TILE_SMALL, out);
}

static void dispatch_large(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    tdl_dispatch_tiles(call, offsets, call->in[0].shape[1], TDL_TILE_LARGE, out);
}

#define KERNEL(size, suffix, y)                                                            \
    const tdl_kernel tdl_kernel_matmul_##size##suffix##_webgpu = {                         \
        .name = "matmul_" #size #suffix "_webgpu",                                         \
        .op = TDL_OP_MATMUL,                                                               \
        .backend = TDL_BACKEND_WEBGPU,                                                     \
        .accepts = accepts_##size##suffix,                                                 \
        .wgsl = {tdl_wgsl_tile_##size, tdl_wgsl_tile, tdl_wgsl_matmul_tile, tdl_wgsl_##y}, \
        .wgsl_decoder = decoder,                                                           \
        .dispatch = dispatch_##size};

KERNEL(large, , matmul_y)
KERNEL(large, _bias, matmul_y_bias)
KERNEL(large, _any, matmul_y_any)
KERNEL(small, , matmul_y)
KERNEL(small, _bias, matmul_y_bias)
KERNEL(small, _any, matmul_y_any)
