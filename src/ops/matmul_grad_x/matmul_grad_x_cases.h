// SPDX-License-Identifier: MIT
// matmul_grad_x_cases.h - dims: tokens T, rows N of the weight, columns K. dtype: the weight's.
#ifndef TDL_OPS_MATMUL_GRAD_X_CASES_H
#define TDL_OPS_MATMUL_GRAD_X_CASES_H

static void matmul_grad_x_make(op_fixture *f, const op_case *c) {
    op_input(f, 0, TDL_DTYPE_F32, 2, c->dims, c->strided ? 5 : 0);
    op_input(f, 1, c->dtype ? c->dtype : TDL_DTYPE_F32, 2, c->dims + 1, 0);
}

static double matmul_grad_x_flops(const tdl_call *call) {
    return 2 * (double)call->in[0].shape[0] * (double)tdl_tensor_n_elements(&call->in[1]);
}

// Few tokens and many, a tile and parts of it, N and K that fill no vector (k is a multiple of the type's block).
#define MATMUL_GRAD_X_CASES(type, k)                                                                 \
    {.dims = {1, 16, k}, .dtype = type}, {.dims = {7, 61, 3 * k}, .dtype = type, .strided = true}, { \
        .dims = {101, 19, k}, .dtype = type                                                          \
    }

static const op_case matmul_grad_x_list[] = {
    {.dims = {0, 32, 8}},
    {.dims = {1, 1, 1}},
    {.dims = {3, 0, 5}, .note = "sums of nothing"},
    {.dims = {5, 33, 7}, .strided = true},
    {.dims = {3, 5003, 9}},
    {.dims = {2, 17, 8209}},
    {.dims = {67, 1537, 5}, .strided = true},
    {.dims = {33, 192, 576}},
    {.dims = {70, 67, 132}, .note = "quads, but no tile is full"},
    {.dims = {1930, 5, 1924}, .note = "large tiles on a GPU"},
    {.dims = {1922, 12, 1924}, .note = "large tiles of matrices"},
    {.dims = {70, 67, 132}, .strided = true, .note = "rows of dy at whole quads, of any length"},
    {.dims = {131, 1539, 100}, .strided = true, .note = "sums in shares"},
    {.dims = {900, 70, 904}, .note = "small tiles on a GPU"},
    {.dims = {97, 513, 100}, .note = "tiny tiles on a GPU, several steps of each"},
    MATMUL_GRAD_X_CASES(TDL_DTYPE_F32, 64),
    MATMUL_GRAD_X_CASES(TDL_DTYPE_F16, 67),
    MATMUL_GRAD_X_CASES(TDL_DTYPE_BF16, 65),
    MATMUL_GRAD_X_CASES(TDL_DTYPE_Q8_0, 32),
    MATMUL_GRAD_X_CASES(TDL_DTYPE_Q4_0, 32),
    MATMUL_GRAD_X_CASES(TDL_DTYPE_Q4_1, 32),
    MATMUL_GRAD_X_CASES(TDL_DTYPE_Q4_K, 256),
    MATMUL_GRAD_X_CASES(TDL_DTYPE_Q5_K, 256),
    MATMUL_GRAD_X_CASES(TDL_DTYPE_Q6_K, 256),
    {.dims = {256, 256, 768}, .bench = true, .slow = true, .note = "novelist"},
    {.dims = {256, 768, 256}, .bench = true, .slow = true, .note = "novelist"},
    {.dims = {256, 4096, 256}, .bench = true, .slow = true, .note = "novelist, the head"},
    {.dims = {256, 768, 768}, .bench = true, .slow = true, .note = "GPT-2"},
    {.dims = {256, 2304, 768}, .bench = true, .slow = true, .note = "GPT-2"},
    {.dims = {256, 3072, 768}, .bench = true, .slow = 2, .note = "GPT-2"},
    {.dims = {256, 768, 3072}, .bench = true, .slow = 2, .note = "GPT-2"},
    {.dims = {64, 50257, 768}, .bench = true, .slow = 2, .note = "GPT-2, the head"},
    {.dims = {8192, 768, 768}, .bench_gpu = true, .slow = true, .note = "GPT-2"},
    {.dims = {8192, 3072, 768}, .bench_gpu = true, .slow = true, .note = "GPT-2"},
    {.dims = {640, 50259, 768}, .strided = true, .bench_gpu = true, .slow = true, .note = "GPT-2, the head"},
    {.dims = {512, 1536, 576}, .dtype = TDL_DTYPE_Q8_0, .bench = true, .slow = true},
};

static const op_case_set matmul_grad_x_cases = {.make = matmul_grad_x_make,
                                                .list = matmul_grad_x_list,
                                                .n = OP_CASE_COUNT(matmul_grad_x_list),
                                                .metric = OP_METRIC_ROW,
                                                .bound_abs = 2e-5,
                                                .bound_rel = 5e-6,
                                                .half_abs = 5e-4,
                                                .half_rel = 1e-3,
                                                .row_inputs = 0x1,
                                                .flops = matmul_grad_x_flops};

#endif
