// SPDX-License-Identifier: MIT
// matmul_cases.h - dims: tokens T, columns K, rows N; where the fourth is 1, a bias. dtype: the weight's.
#ifndef TDL_OPS_MATMUL_CASES_H
#define TDL_OPS_MATMUL_CASES_H

static void matmul_make(op_fixture *f, const op_case *c) {
    op_input(f, 0, TDL_DTYPE_F32, 2, (int64_t[]){c->dims[0], c->dims[1]}, c->strided ? 5 : 0);
    op_input(f, 1, c->dtype ? c->dtype : TDL_DTYPE_F32, 2, (int64_t[]){c->dims[2], c->dims[1]}, 0);
    if (c->dims[3]) op_input(f, 2, TDL_DTYPE_F32, 1, c->dims + 2, 0);
    for (int64_t t = 0; t < c->dims[0] && c->far_rows; t++)
        for (int64_t k = 0; k < c->dims[1]; k++) tdl_f32_row(&f->call.in[0], t)[k] *= op_far(t);
}

static double matmul_flops(const tdl_call *call) {
    return 2 * (double)call->in[0].shape[0] * (double)tdl_tensor_n_elements(&call->in[1]);
}

// Every size class of a block type: one token and few and many, rows that fill no tile, with and without a bias.
#define MATMUL_CASES(type, k)                                                                              \
    {.dims = {1, k, 16}, .dtype = type}, {.dims = {1, 3 * k, 61, 1}, .dtype = type},                       \
        {.dims = {2, k, 100}, .dtype = type}, {.dims = {7, 2 * k, 33, 1}, .dtype = type, .strided = true}, \
        {.dims = {13, k, 47}, .dtype = type}, {                                                            \
        .dims = {101, k, 19}, .dtype = type                                                                \
    }

// The K formats, whose scales are of 16 or 32 columns within blocks of 256: one block and several.
#define MATMUL_K_CASES(type)                                                                                   \
    {.dims = {1, 512, 39, 1}, .dtype = type}, {.dims = {1, 2048, 21}, .dtype = type},                          \
        {.dims = {6, 2048, 35, 1}, .dtype = type, .strided = true}, {.dims = {3, 512, 1, 1}, .dtype = type}, { \
        .dims = {9, 256, 31}, .dtype = type                                                                    \
    }

// Of an 8B model: a prompt's tokens, and those of many sequences, through its widest matrix and its attention's.
#define MATMUL_GPU_CASES(type)                                           \
    {.dims = {512, 4096, 14336}, .dtype = type, .bench_gpu = true},      \
        {.dims = {64, 4096, 14336}, .dtype = type, .bench_gpu = true}, { \
        .dims = {64, 4096, 4096}, .dtype = type, .bench_gpu = true       \
    }

static const op_case matmul_list[] = {
    {.dims = {0, 32, 8}},
    {.dims = {1, 1, 1}},
    {.dims = {3, 0, 5}, .note = "sums of nothing"},
    {.dims = {5, 33, 7, 1}},
    {.dims = {3, 5003, 9}},
    {.dims = {2, 8192, 17}, .dtype = TDL_DTYPE_Q8_0},
    {.dims = {2, 32, 4099}, .dtype = TDL_DTYPE_Q8_0},
    {.dims = {1, 7, 1}, .dtype = TDL_DTYPE_BF16},
    {.dims = {9, 31, 15, 1}, .dtype = TDL_DTYPE_F16},
    {.dims = {33, 100, 17, 1}, .dtype = TDL_DTYPE_F16, .strided = true},
    {.dims = {8, 172, 16}, .dtype = TDL_DTYPE_F32},
    {.dims = {33, 576, 192, 1}, .dtype = TDL_DTYPE_Q8_0, .strided = true},
    {.dims = {13, 1792, 65, 1}, .dtype = TDL_DTYPE_F16, .note = "K in three blocks"},
    {.dims = {67, 1537, 5}, .dtype = TDL_DTYPE_F32, .note = "K in three blocks, two units of tokens", .strided = true},
    {.dims = {12, 1024, 9}, .dtype = TDL_DTYPE_Q6_K, .note = "K in two blocks"},
    {.dims = {1, 1, 524309}, .slow = true, .note = "more workgroups than a dispatch is wide"},
    {.dims = {70, 132, 68, 1}, .note = "quads, but no tile is full"},
    {.dims = {65, 36, 130}, .dtype = TDL_DTYPE_F16},
    {.dims = {131, 96, 67}, .dtype = TDL_DTYPE_Q4_0, .note = "rows of y that are no quads"},
    {.dims = {64, 512, 64}, .dtype = TDL_DTYPE_Q6_K, .note = "full tiles"},
    {.dims = {66, 512, 68, 1}, .dtype = TDL_DTYPE_Q5_K},
    {.dims = {130, 64, 68}, .dtype = TDL_DTYPE_Q8_0, .note = "small tiles of matrices"},
    {.dims = {33, 32, 72, 1}, .dtype = TDL_DTYPE_Q4_1, .note = "small tiles of matrices, few rows"},
    {.dims = {19, 1600, 132}, .note = "sums in shares, the last one shorter"},
    {.dims = {20, 1056, 68, 1}, .dtype = TDL_DTYPE_Q4_1, .note = "sums in shares"},
    {.dims = {131, 1060, 132}, .dtype = TDL_DTYPE_F16, .note = "sums in shares, many rows"},
    {.dims = {100, 1024, 68, 1}, .dtype = TDL_DTYPE_Q4_0, .note = "sums in shares, many rows"},
    // 128 large tiles of matrices, which is enough, in one row.
    {.dims = {9, 256, 16260}, .dtype = TDL_DTYPE_Q4_K, .note = "large tiles of matrices"},
    {.dims = {2, 256, 16256}, .dtype = TDL_DTYPE_Q6_K, .note = "large tiles of matrices"},
    {.dims = {2, 32, 16260, 1}, .dtype = TDL_DTYPE_Q8_0, .note = "large tiles of matrices"},
    {.dims = {13, 192, 45, 1}, .dtype = TDL_DTYPE_Q8_0, .note = "more than eight tokens, rounded"},
    // Enough for large tiles on a GPU: 16 by 16 of 128 by 128, the last ones not full.
    {.dims = {1930, 8, 1924}, .note = "large tiles"},
    {.dims = {1921, 4, 2044, 1}, .dtype = TDL_DTYPE_F16, .note = "large tiles"},
    {.dims = {1922, 12, 1927}, .dtype = TDL_DTYPE_BF16, .note = "large tiles"},
    // Rows of x beyond F16, above and below, side by side; sums that end within a tile's steps, and in shares.
    {.dims = {70, 96, 68}, .dtype = TDL_DTYPE_Q8_0, .far_rows = true},
    {.dims = {20, 100, 67}, .dtype = TDL_DTYPE_F16, .far_rows = true},
    {.dims = {70, 100, 132, 1}, .far_rows = true},
    {.dims = {131, 1060, 132, 1}, .far_rows = true, .note = "sums in shares"},
    {.dims = {20, 1056, 68}, .dtype = TDL_DTYPE_Q4_1, .far_rows = true, .note = "sums in shares"},
    {.dims = {9, 64, 16260}, .dtype = TDL_DTYPE_BF16, .far_rows = true, .note = "large tiles of matrices"},
    MATMUL_CASES(TDL_DTYPE_F32, 64),
    MATMUL_CASES(TDL_DTYPE_F16, 67),
    MATMUL_CASES(TDL_DTYPE_BF16, 65),
    MATMUL_CASES(TDL_DTYPE_Q8_0, 32),
    MATMUL_CASES(TDL_DTYPE_Q4_0, 32),
    MATMUL_CASES(TDL_DTYPE_Q4_1, 32),
    MATMUL_CASES(TDL_DTYPE_Q4_K, 256),
    MATMUL_CASES(TDL_DTYPE_Q5_K, 256),
    MATMUL_CASES(TDL_DTYPE_Q6_K, 256),
    MATMUL_K_CASES(TDL_DTYPE_Q4_K),
    MATMUL_K_CASES(TDL_DTYPE_Q5_K),
    MATMUL_K_CASES(TDL_DTYPE_Q6_K),
    {.dims = {1, 576, 1536}, .dtype = TDL_DTYPE_Q8_0, .bench = true},
    {.dims = {512, 576, 1536}, .dtype = TDL_DTYPE_Q8_0, .bench = true, .slow = true},
    {.dims = {512, 576, 1536}, .dtype = TDL_DTYPE_Q4_0, .bench = true, .slow = true},
    {.dims = {1, 2048, 2048}, .dtype = TDL_DTYPE_Q4_K, .bench = true},
    {.dims = {1, 2048, 2048}, .dtype = TDL_DTYPE_Q6_K, .bench = true},
    {.dims = {512, 576, 1536}, .dtype = TDL_DTYPE_F16, .bench = true, .slow = true},
    {.dims = {256, 768, 3072}, .bench = true, .slow = 2, .note = "training"},
    {.dims = {256, 3072, 768}, .bench = true, .slow = true, .note = "training"},
    MATMUL_GPU_CASES(TDL_DTYPE_F16),
    MATMUL_GPU_CASES(TDL_DTYPE_Q8_0),
    MATMUL_GPU_CASES(TDL_DTYPE_Q4_K),
    MATMUL_GPU_CASES(TDL_DTYPE_Q6_K),
};

static const op_case_set matmul_cases = {.make = matmul_make,
                                         .list = matmul_list,
                                         .n = OP_CASE_COUNT(matmul_list),
                                         .metric = OP_METRIC_ROW,
                                         .bound_abs = 2e-5,
                                         .bound_rel = 5e-6,
                                         .half_abs = 5e-4,
                                         .half_rel = 1e-3,
                                         .row_inputs = 0x1,
                                         .flops = matmul_flops};

#endif
