// SPDX-License-Identifier: MIT
// fuzz_quant.c - the block formats: any bytes decode, and any floats encode, without a fault. The first byte names the
// format, the rest is first taken as blocks, then as floats. Zero must stay zero.
#include "tensor/dtype.h"

#include <stdlib.h>

enum { BLOCKS_MAX = 8, N_MAX = 256 * BLOCKS_MAX, SIZE_MAX_ROW = N_MAX / 256 * 288 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (size < 1) return 0;
    tdl_dtype dtype = (tdl_dtype)(TDL_DTYPE_Q8_0 + bytes[0] % (TDL_DTYPE_Q6_K - TDL_DTYPE_Q8_0 + 1));
    const tdl_dtype_info *info = tdl_dtype_get(dtype);
    const uint8_t *blocks = bytes + 1;
    size_t n_blocks = (size - 1) / (size_t)info->block_size;
    if (n_blocks > BLOCKS_MAX) n_blocks = BLOCKS_MAX;
    float values[N_MAX];
    uint8_t encoded[SIZE_MAX_ROW];
    int64_t n = (int64_t)n_blocks * info->block_n;
    info->decode(blocks, values, n);
    info->encode(values, encoded, n);
    info->decode(encoded, values, n);

    size_t n_floats = (size - 1) / sizeof(float) / (size_t)info->block_n * (size_t)info->block_n;
    if (n_floats > N_MAX) n_floats = N_MAX;
    memcpy(values, blocks, n_floats * sizeof(float));
    bool zero[N_MAX / 32];
    for (size_t b = 0; b < n_floats / (size_t)info->block_n; b++) {
        zero[b] = true;
        for (int i = 0; i < info->block_n; i++)
            zero[b] = zero[b] && values[b * (size_t)info->block_n + (size_t)i] == 0.0f;
    }
    info->encode(values, encoded, (int64_t)n_floats);
    info->decode(encoded, values, (int64_t)n_floats);
    for (size_t i = 0; i < n_floats; i++) {
        if (zero[i / (size_t)info->block_n] && values[i] != 0.0f) abort();
    }
    return 0;
}
