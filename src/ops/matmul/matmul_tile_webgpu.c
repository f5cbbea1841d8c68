// matmul_tile_webgpu.c - when and how matmul_tile.wgsl and, on devices that multiply matrices by hardware, matmul_matrix.wgsl run:
// with large tiles where they are enough to keep a GPU busy, with small ones otherwise; with a bias and without; with rows of
// results that are no whole quads.
//
// A plan for long prompts also runs steps of some dozens of sequences with a token each. Those have too few large tiles of matrices:
// they get small ones, and where these are few too, workgroups that share the sums of one (matrix_merge.wgsl).
#include "ops/matmul/matmul_webgpu.h"
#include "ops/matmul/tiles_webgpu.h"
#include "wgsl.h"

enum { FEW_ROWS = 128 };

static bool takes(const tdl_call *call, int32_t n_in) {
    return call->n_in == n_in && tdl_matmul_takes(call) && tdl_whole_quads(&call->in[0]);
}

// Blocks of 256 columns lie so far apart that a large tile's rows of them do not stay in a processor's cache.
static bool large(const tdl_call *call) {
    return tdl_tiles_large(&call->out[0]) && tdl_dtype_get(call->in[1].dtype)->block_n < 256;
}

static bool matrix_large(const tdl_call *call) { return tdl_matrices_large(&call->out[0]); }

static bool accepts_small(const tdl_call *call) { return takes(call, 2) && tdl_whole_quads(&call->out[0]); }
static bool accepts_small_bias(const tdl_call *call) { return takes(call, 3) && tdl_whole_quads(&call->out[0]); }
static bool accepts_small_any(const tdl_call *call) { return takes(call, 2); }
static bool accepts_large(const tdl_call *call) { return accepts_small(call) && large(call); }
static bool accepts_large_bias(const tdl_call *call) { return accepts_small_bias(call) && large(call); }
static bool accepts_large_any(const tdl_call *call) { return accepts_small_any(call) && large(call); }
static bool accepts_matrix(const tdl_call *call) { return accepts_small(call) && matrix_large(call); }
static bool accepts_matrix_bias(const tdl_call *call) { return accepts_small_bias(call) && matrix_large(call); }
static bool accepts_matrix_any(const tdl_call *call) { return accepts_small_any(call) && matrix_large(call); }

static tdl_shares shares(const tdl_call *call) { return tdl_few_shares(&call->out[0], call->in[0].shape[1]); }

static bool accepts_shared(const tdl_call *call) { return accepts_small(call) && shares(call).n > 1; }
static bool accepts_shared_bias(const tdl_call *call) { return accepts_small_bias(call) && shares(call).n > 1; }

static size_t shares_size(const tdl_call *call) {
    const tdl_tensor *y = &call->out[0];
    return tdl_shares_size(tdl_min_i64(y->shape[0], FEW_ROWS), y->shape[1], TDL_TILE_SMALL);
}

static const char *decoder(const tdl_call *call) { return tdl_weight_row_decoder(&call->in[1]); }

static void dispatch_small(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    tdl_dispatch_tiles(call, offsets, call->in[0].shape[1], TDL_TILE_SMALL, out);
}

static void dispatch_large(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    tdl_dispatch_tiles(call, offsets, call->in[0].shape[1], TDL_TILE_LARGE, out);
}

static void dispatch_shared(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    tdl_dispatch_tiles_shared(call, offsets, call->in[0].shape[1], TDL_TILE_SMALL, shares(call), out);
}

static void dispatch_merge(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out) {
    tdl_dispatch_merge(call, offsets, shares(call), false, out);
}

static const tdl_kernel merge = {.name = "matmul_merge_webgpu",
                                 .op = TDL_OP_MATMUL,
                                 .backend = TDL_BACKEND_WEBGPU,
                                 .wgsl = {tdl_wgsl_matrix_merge},
                                 .dispatch = dispatch_merge,
                                 .is_merge = true};

#define KERNEL(kind, size, takes, ...)                                                       \
    const tdl_kernel tdl_kernel_matmul_##kind##_webgpu = {.name = "matmul_" #kind "_webgpu", \
                                                          .op = TDL_OP_MATMUL,               \
                                                          .backend = TDL_BACKEND_WEBGPU,     \
                                                          .accepts = accepts_##takes,        \
                                                          .wgsl_decoder = decoder,           \
                                                          .dispatch = dispatch_##size,       \
                                                          __VA_ARGS__};
#define TILES(size, suffix, y)               \
    KERNEL(size##suffix, size, size##suffix, \
           .wgsl = {tdl_wgsl_tile_##size, tdl_wgsl_tile, tdl_wgsl_matmul_tile, tdl_wgsl_##y})
#define OF_MATRICES(size, y)                         \
    .needs = TDL_FEATURE_GPU_MATRIX, .rounds = true, \
    .wgsl = {tdl_wgsl_matrix_##size, tdl_wgsl_tile_matrix, tdl_wgsl_matmul_matrix, tdl_wgsl_##y}
#define MATRICES(size, suffix, takes, y) KERNEL(matrix_##size##suffix, size, takes, OF_MATRICES(size, y))
#define FEW(suffix, y) KERNEL(matrix_few##suffix, small, small##suffix, .rows_max = FEW_ROWS, OF_MATRICES(small, y))
#define FEW_SHARED(suffix, y)                                                                              \
    KERNEL(matrix_few_shared##suffix, shared, shared##suffix, .rows_max = FEW_ROWS, OF_MATRICES(small, y), \
           .scratch_size = shares_size, .merge = &merge)

TILES(large, , matmul_y)
TILES(large, _bias, matmul_y_bias)
TILES(large, _any, matmul_y_any)
TILES(small, , matmul_y)
TILES(small, _bias, matmul_y_bias)
TILES(small, _any, matmul_y_any)
FEW_SHARED(, matrix_y_share)
FEW_SHARED(_bias, matrix_y_share_bias)
FEW(, matmul_y)
FEW(_bias, matmul_y_bias)
MATRICES(large, , matrix, matmul_y)
MATRICES(large, _bias, matrix_bias, matmul_y_bias)
MATRICES(large, _any, matrix_any, matmul_y_any)
MATRICES(small, , small, matmul_y)
MATRICES(small, _bias, small_bias, matmul_y_bias)
MATRICES(small, _any, small_any, matmul_y_any)
