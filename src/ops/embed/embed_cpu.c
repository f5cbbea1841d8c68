// SPDX-License-Identifier: MIT
// embed_cpu.c - out[t] = table[ids[t]] as F32; a unit is a token. Plain types are converted here; block types through
// their reference decoder, since one row a token is little work.
#include "backend/cpu/cpu_kernel.h"
#include "backend/cpu/simd.h"
#include "ops/op_impl.h"

#include <assert.h>

static void decode_f16(const uint16_t *from, float *to, int64_t n);
static void decode_bf16(const uint16_t *from, float *to, int64_t n);

static bool accepts(const tdl_call *call) {
    const tdl_tensor *table = &call->in[0];
    return call->n_in == 2 && table->strides[1] == tdl_dtype_get(table->dtype)->block_size;
}

static int64_t units(const tdl_call *call) { return call->in[1].shape[0]; }

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    const tdl_tensor *table = &call->in[0], *ids = &call->in[1];
    int64_t n = table->shape[1];
    for (int64_t t = first; t < first + count; t++) {
        int64_t id = (int64_t)tdl_index_at(ids, t) - call->attrs.part_first;
        if (call->attrs.part_of && (id < 0 || id >= table->shape[0])) continue;
        assert(id >= 0 && id < table->shape[0]);
        const void *from = table->data + id * table->strides[0];
        float *to = tdl_f32_row(&call->out[0], t);
        switch (table->dtype) {
        case TDL_DTYPE_F32: memcpy(to, from, (size_t)n * sizeof *to); break;
        case TDL_DTYPE_F16: decode_f16(from, to, n); break;
        case TDL_DTYPE_BF16: decode_bf16(from, to, n); break;
        default: tdl_dtype_get(table->dtype)->decode(from, to, n); break;
        }
    }
}

const tdl_kernel TDL_KERNEL_NAME(embed) = {
    .name = "embed", .op = TDL_OP_EMBED, TDL_KERNEL_CPU, .accepts = accepts, .units = units, .run = run};

static void decode_f16(const uint16_t *from, float *to, int64_t n) {
    int64_t i = 0;
    for (; i + TDL_VF_LANES <= n; i += TDL_VF_LANES) vf_store(to + i, vf_load_f16(from + i));
    if (i < n) vf_store_n(to + i, vf_load_f16_n(from + i, n - i), n - i);
}

static void decode_bf16(const uint16_t *from, float *to, int64_t n) {
    int64_t i = 0;
    for (; i + TDL_VF_LANES <= n; i += TDL_VF_LANES) vf_store(to + i, vf_load_bf16(from + i));
    if (i < n) vf_store_n(to + i, vf_load_bf16_n(from + i, n - i), n - i);
}
