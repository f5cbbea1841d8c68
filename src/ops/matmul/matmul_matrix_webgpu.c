// matmul_matrix_webgpu.c - when and how matmul_matrix.wgsl runs: on devices that multiply matrices by hardware, for as many tokens
// as fill one; with tiles by how many there are; with a bias and without; with rows of results that are no whole quads.
#include "ops/matmul/matmul_webgpu.h"
#include "ops/matmul/tiles_webgpu.h"
#include "wgsl.h"

static bool takes(const tdl_call *call, int32_t n_in) {
    return call->n_in == n_in && tdl_matmul_takes(call) && tdl_whole_quads(&call->in[0]);
}

static bool accepts_small(const tdl_call *call) { return takes(call, 2) && tdl_whole_quads(&call->out[0]); }
static bool accepts_small_bias(const tdl_call *call) { return takes(call, 3) && tdl_whole_quads(&call->out[0]); }
static bool accepts_small_any(const tdl_call *call) { return takes(call, 2); }
static bool accepts_large(const tdl_call *call) { return accepts_small(call) && tdl_matrices_large(&call->out[0]); }
static bool accepts_large_bias(const tdl_call *call) {
    return accepts_small_bias(call) && tdl_matrices_large(&call->out[0]);
}
static bool accepts_large_any(const tdl_call *call) { return takes(call, 2) && tdl_matrices_large(&call->out[0]); }

static const char *decoder(const tdl_call *call) { return tdl_weight_row_decoder(&call->in[1]); }

static void dispatch_small(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    tdl_dispatch_tiles(call, offsets, call->in[0].shape[1], TDL_TILE_SMALL, out);
}

static void dispatch_large(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    tdl_dispatch_tiles(call, offsets, call->in[0].shape[1], TDL_TILE_LARGE, out);
}

#define KERNEL(size, suffix, y)                                                                       \
    const tdl_kernel tdl_kernel_matmul_matrix_##size##suffix##_webgpu = {                             \
        .name = "matmul_matrix_" #size #suffix "_webgpu",                                             \
        .op = TDL_OP_MATMUL,                                                                          \
        .backend = TDL_BACKEND_WEBGPU,                                                                \
        .needs = TDL_FEATURE_GPU_MATRIX,                                                              \
        .rounds = true,                                                                               \
        .accepts = accepts_##size##suffix,                                                            \
        .wgsl = {tdl_wgsl_matrix_##size, tdl_wgsl_tile_matrix, tdl_wgsl_matmul_matrix, tdl_wgsl_##y}, \
        .wgsl_decoder = decoder,                                                                      \
        .dispatch = dispatch_##size};

KERNEL(large, , matmul_y)
KERNEL(large, _bias, matmul_y_bias)
KERNEL(large, _any, matmul_y_any)
KERNEL(small, , matmul_y)
KERNEL(small, _bias, matmul_y_bias)
KERNEL(small, _any, matmul_y_any)
