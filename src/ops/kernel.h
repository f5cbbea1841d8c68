// SPDX-License-Identifier: MIT
// kernel.h - a kernel is one way to compute one op on one kind of device: a constant struct, listed best first.
//
// ops/<op>/<op>.inc lists an op's kernels; kernels.c includes all of them, so that dispatch, `supports`, the tests and the
// micro-benchmarks read one list. A CPU kernel file is compiled once for each instruction set and defines
//
//     const tdl_kernel TDL_KERNEL_NAME(rms_norm) = { .name = "rms_norm", .op = TDL_OP_RMS_NORM, TDL_KERNEL_CPU, .units = units, .run = run };
//
// (see backend/cpu/cpu_kernel.h). A CPU kernel divides its op into independent units; threads take runs of units as they get
// free, so the result of a unit must not depend on which thread computes it or on what else is in the step.
//
// A WebGPU kernel is a compute shader, ops/<op>/<name>.wgsl, and beside it <op>_webgpu.c with
//
//     const tdl_kernel tdl_kernel_rms_norm_webgpu = { .name = "rms_norm_webgpu", .op = TDL_OP_RMS_NORM,
//         .backend = TDL_BACKEND_WEBGPU, .wgsl = {tdl_wgsl_rms_norm, tdl_wgsl_rows}, .dispatch = dispatch };
//
// listed as TDL_KERNEL_WEBGPU(RMS_NORM, rms_norm). The texts of all .wgsl files are declared in the generated "wgsl.h". The
// shader's entry point is `main`; group 0 holds, at binding 0, `var<uniform>` with the words that dispatch wrote, then one
// storage buffer for each in[], `var<storage, read>`, then one for each out[], `var<storage, read_write>`. All in[] of I32 share
// one, where the first of them stands: they lie in the step's buffer, and their offsets count from its beginning. Inputs and outputs
// never overlap; every tensor begins at a multiple of 16 bytes, every binding is padded to 16. Kernels keep to WebGPU's guaranteed limits: 256 invocations, 16 KiB of
// workgroup memory, 65,535 groups a dimension. The backend writes the `enable` lines that `needs` asks for.
//
// One plan runs steps of one token and of thousands: a kernel with rows_max is picked for the steps that it takes, one
// that takes more rows for the others. Two kernels add up in two orders, so a plan that is `invariant` has one kernel an op:
// the best with one_order.
#ifndef TDL_OPS_KERNEL_H
#define TDL_OPS_KERNEL_H

#include "ops/op.h"

typedef enum tdl_backend_id {
    TDL_BACKEND_NONE = 0,
    TDL_BACKEND_CPU,
    TDL_BACKEND_WEBGPU,
    TDL_BACKEND_NULL, // has no kernels: computes with the references
    TDL_BACKEND_COUNT
} tdl_backend_id;

// What a kernel needs beyond the least that its kind of device has: instruction sets of a CPU, options of a GPU.
typedef enum tdl_feature {
    TDL_FEATURE_AVX2 = 1 << 0,   // AVX2, FMA, F16C
    TDL_FEATURE_AVX512 = 1 << 1, // AVX-512 F, BW, VL, DQ, VNNI
    TDL_FEATURE_NEON = 1 << 2,   // ARMv8.2-A with dot product and FP16 arithmetic
    TDL_FEATURE_AVX512_BF16 = 1 << 3,
    TDL_FEATURE_GPU_F16 = 1 << 8,
    TDL_FEATURE_GPU_SUBGROUPS = 1 << 9, // of any size
    TDL_FEATURE_GPU_DOT4 = 1 << 10,     // dot4I8Packed and its kin
    // Subgroups multiply square matrices of F16 and add up in F32; 32 KiB of workgroup memory. The shader is given MATRIX, their
    // side (8 or 16), and SUBGROUP, which is then the same everywhere; it may use F16 and subgroups too.
    TDL_FEATURE_GPU_MATRIX = 1 << 11,
} tdl_feature;

enum { TDL_UNIFORMS_MAX = 32, TDL_GROUPS_MAX = 65535, TDL_WGSL_PARTS = 8 };

// Where in its binding a tensor's first element lies, in words of 4 bytes: a binding begins at an aligned place.
typedef struct tdl_offsets {
    uint32_t in[TDL_OP_IN_MAX], out[TDL_OP_OUT_MAX];
} tdl_offsets;

// What a step's dispatch of a compute shader is given.
typedef struct tdl_dispatch {
    uint32_t groups[3]; // workgroups, each at most TDL_GROUPS_MAX; a 0 dispatches nothing
    uint32_t n_uniforms;
    uint32_t uniforms[TDL_UNIFORMS_MAX]; // sizes, strides in elements, offsets, and floats as their bits
} tdl_dispatch;

typedef struct tdl_kernel {
    const char *name; // "matmul_q8"
    tdl_op op;
    tdl_backend_id backend;
    uint32_t needs;    // tdl_feature bits
    tdl_dtype x;       // the dtype in[0] must have; NONE: F32 (or as the op's inputs are). A8: the plan quantizes in[0]
    tdl_layout layout; // the layout in[1] must have
    bool rounds;       // rounds its operands: not used where the plan's precision is f32
    bool trains;       // for plans of training only
    int32_t rows_max;  // takes steps whose out[0] has at most so many rows; 0: any
    // A row of the result follows from the row's own inputs in one order of sums, whatever else is in the step, and it can
    // compute any number of rows: then a plan that is invariant uses it for all of them, rows_max or not. CPU: all do.
    bool one_order;
    // Whether it can compute this call: dtypes, shapes (in[0] is in dtype x by then, layout in `layout`). NULL: any.
    bool (*accepts)(const tdl_call *call);
    // Bytes of memory that it wants besides (at the plan's maximum): a CPU thread's own; on WebGPU one more binding after out[],
    // which no other op uses at that time. NULL: none.
    size_t (*scratch_size)(const tdl_call *call);
    // CPU: how many units the call divides into; computes units [first, first + count). scratch is this thread's own,
    // 64-byte aligned, of scratch_size(call at the plan's maximum) bytes (NULL: none).
    int64_t (*units)(const tdl_call *call);
    void (*run)(const tdl_call *call, int64_t first, int64_t count, void *scratch);
    // WebGPU: the shader, in parts that kernels share (NULL: no more); the part that depends on a dtype (a decoder; NULL:
    // none); and the shape of a dispatch. The call has the step's shapes, strides in bytes, and no data.
    const char *wgsl[TDL_WGSL_PARTS];
    const char *(*wgsl_decoder)(const tdl_call *call);
    void (*dispatch)(const tdl_call *call, const tdl_offsets *offsets, tdl_dispatch *out);
    uint32_t indices_apart; // WebGPU, bit i: in[i] is of I32 but lies in no step's buffer and has a binding of its own
    const struct tdl_kernel *merge; // run after it; NULL: none
    bool is_merge;                  // such a one: binding 1 is the scratch memory, read, binding 2 out[0]
} tdl_kernel;

// All kernels of an op, best first: kernels [*n].
const tdl_kernel *const *tdl_kernels_of(tdl_op op, size_t *n);

// For which device and which plan a kernel is looked for.
typedef struct tdl_kernel_want {
    tdl_backend_id backend;
    uint32_t features; // of the device
    bool may_round;    // the kernel may round its operands
    bool trains;       // the plan is one of training
    bool invariant;    // it must have one order of sums for any number of rows
} tdl_kernel_want;

// The best kernel for the call, or NULL: then the reference computes it. in[0] may still be F32 where the kernel wants it
// quantized; the call's layout is not looked at.
const tdl_kernel *tdl_kernel_find(tdl_op op, const tdl_kernel_want *want, const tdl_call *call);

// Prepared layouts of a weight matrix [N, K]: bytes needed (0: this dtype has no such layout), and the conversion of its
// rows [first, first + count), first a multiple of 16, into the whole matrix's destination. rows: the bytes of row `first` and on;
// w->data is not looked at.
size_t tdl_layout_size(tdl_layout layout, const tdl_tensor *w);
void tdl_layout_prepare(tdl_layout layout, const tdl_tensor *w, const uint8_t *rows, void *dst, int64_t first,
                        int64_t count);

#endif
