// SPDX-License-Identifier: MIT
// norm_grad_cases.h - the cases of rms_norm_grad and layer_norm_grad, which have the same inputs.
// dims: rows T, heads H (0: x is [T, D]), columns D.
#ifndef TDL_OPS_NORM_GRAD_CASES_H
#define TDL_OPS_NORM_GRAD_CASES_H

static void norm_grad_make(op_fixture *f, const op_case *c) {
    const int64_t heads[] = {c->dims[0], c->dims[1], c->dims[2]}, rows[] = {c->dims[0], c->dims[2]};
    const int32_t n_dims = c->dims[1] ? 3 : 2;
    op_input(f, 0, TDL_DTYPE_F32, n_dims, c->dims[1] ? heads : rows, c->strided ? 7 : 0);
    op_input(f, 1, TDL_DTYPE_F32, 1, &c->dims[2], 0);
    op_input(f, 2, TDL_DTYPE_F32, n_dims, c->dims[1] ? heads : rows, c->strided ? 3 : 0);
}

static const op_case norm_grad_list[] = {
    {.dims = {0, 0, 8}, .attrs = {.eps = 1e-5f, .parts = 2}},
    {.dims = {1, 0, 1}, .attrs = {.eps = 0.5f, .parts = 1}},
    {.dims = {7, 0, 33}, .attrs = {.eps = 1e-5f, .parts = 3}},
    {.dims = {7, 0, 33}, .attrs = {.eps = 1e-5f, .parts = 5}, .note = "an empty part"},
    {.dims = {3, 0, 128}, .attrs = {.eps = 1e-6f, .parts = 7}, .strided = true, .note = "more parts than rows"},
    {.dims = {5, 3, 80}, .attrs = {.eps = 1e-6f, .parts = 4}, .strided = true},
    {.dims = {5, 3, 67}, .attrs = {.eps = 1e-6f, .parts = 1}},
    {.dims = {2, 0, 8192}, .attrs = {.eps = 1e-5f, .parts = 1}},
    {.dims = {3, 0, 5003}, .attrs = {.eps = 1e-5f, .parts = 2}},
    {.dims = {512, 0, 256}, .attrs = {.eps = 1e-5f, .parts = 32}, .bench = true},
    {.dims = {512, 4, 64}, .attrs = {.eps = 1e-6f, .parts = 32}, .bench = true},
    {.dims = {512, 0, 768}, .attrs = {.eps = 1e-5f, .parts = 32}, .bench = true},
    {.dims = {8192, 0, 768}, .attrs = {.eps = 1e-5f, .parts = 512}, .bench_gpu = true},
    {.dims = {8192, 12, 64}, .attrs = {.eps = 1e-5f, .parts = 1024}, .bench_gpu = true},
};

#endif
