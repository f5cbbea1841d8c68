// SPDX-License-Identifier: MIT
// matmul_grad_w_cases.h - dims: tokens T, rows N of the weight, columns K, elements between the rows of dy. dw is given, and added to.
#ifndef TDL_OPS_MATMUL_GRAD_W_CASES_H
#define TDL_OPS_MATMUL_GRAD_W_CASES_H

static void matmul_grad_w_make(op_fixture *f, const op_case *c) {
    op_input(f, 0, TDL_DTYPE_F32, 2, c->dims, c->strided ? 5 : c->dims[3]);
    op_input(f, 1, TDL_DTYPE_F32, 2, (int64_t[]){c->dims[0], c->dims[2]}, c->strided ? 3 : 0);
    op_given(f, 0, TDL_DTYPE_F32, 2, c->dims + 1, 0);
    for (int64_t t = 0; t < c->dims[0] && c->far_columns; t++)
        for (int64_t k = 0; k < c->dims[2]; k++) tdl_f32_row(&f->call.in[1], t)[k] *= op_far(k);
    for (int64_t n = 0; n < c->dims[1] && c->far_columns; n++)
        for (int64_t k = 0; k < c->dims[2]; k++) tdl_f32_row(&f->call.out[0], n)[k] *= op_far(k);
}

static double matmul_grad_w_flops(const tdl_call *call) {
    return 2 * (double)call->in[0].shape[0] * (double)tdl_tensor_n_elements(&call->out[0]);
}

static const op_case matmul_grad_w_list[] = {
    {.dims = {0, 32, 8}, .note = "nothing to add"},
    {.dims = {1, 1, 1}},
    {.dims = {3, 5, 7}},
    {.dims = {5, 33, 17}, .strided = true},
    {.dims = {17, 1, 100}},
    {.dims = {33, 100, 1}},
    {.dims = {5003, 9, 3}},
    {.dims = {2, 17, 8209}},
    {.dims = {2, 4099, 32}, .strided = true},
    {.dims = {67, 61, 130}, .strided = true},
    {.dims = {300, 64, 96}},
    {.dims = {37, 66, 68}, .strided = true, .note = "quads, but no tile is full"},
    {.dims = {9, 1930, 1924}, .note = "large tiles on a GPU"},
    {.dims = {9, 1932, 1924}, .note = "large tiles of matrices"},
    {.dims = {70, 67, 132, 1}, .note = "rows of dy at whole quads, of any length"},
    {.dims = {1537, 130, 100, 2}, .note = "sums in shares"},
    {.dims = {70, 67, 132, 1}, .far_columns = true},
    {.dims = {1537, 30, 100, 2}, .far_columns = true, .note = "sums in shares"},
    {.dims = {70, 900, 904}, .note = "small tiles on a GPU"},
    {.dims = {33, 192, 576}},
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
    {.dims = {131072, 256, 256}, .bench_gpu = true, .slow = true, .note = "novelist"},
    {.dims = {640, 50257, 768, 3}, .bench_gpu = true, .slow = true, .note = "GPT-2, the head"},
};

static const op_case_set matmul_grad_w_cases = {.make = matmul_grad_w_make,
                                                .list = matmul_grad_w_list,
                                                .n = OP_CASE_COUNT(matmul_grad_w_list),
                                                .metric = OP_METRIC_ROW,
                                                .bound_abs = 2e-5,
                                                .bound_rel = 5e-6,
                                                .half_abs = 5e-4,
                                                .half_rel = 1e-3,
                                                .flops = matmul_grad_w_flops};

#endif
