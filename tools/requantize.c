// SPDX-License-Identifier: MIT
// requantize.c - writes a GGUF file with its matrices in another type: made models/novelist-7m-q8_0.gguf.
//
//     requantize IN.gguf OUT.gguf Q8_0
//
// Matrices whose rows are whole blocks are converted, all else is copied as it is; metadata is copied but for
// general.file_type. A development tool over the library's inside, not installed.
#include "base/checked.h"
#include "format/gguf_write.h"

#include <stdio.h>
#include <string.h>

// GGUF's number for a file of mostly this type.
static int64_t file_type(tdl_dtype dtype) {
    switch (dtype) {
    case TDL_DTYPE_F32: return 0;
    case TDL_DTYPE_F16: return 1;
    case TDL_DTYPE_Q4_0: return 2;
    case TDL_DTYPE_Q4_1: return 3;
    case TDL_DTYPE_Q8_0: return 7;
    case TDL_DTYPE_BF16: return 32;
    default: return -1;
    }
}

static tdl_status copy_metadata(const tdl_weights *in, tdl_gguf_writer *out, tdl_dtype dtype, tdl_error *err) {
    tdl_status status = TDL_OK;
    for (size_t i = 0; i < tdl_weights_n_meta(in) && status == TDL_OK; i++) {
        tdl_text key;
        tdl_meta value = tdl_weights_meta_at(in, i, &key);
        if (tdl_text_is(key, "general.file_type")) value.integer = file_type(dtype);
        status = tdl_gguf_writer_meta(out, key, &value, err);
    }
    return status;
}

static tdl_status convert(const tdl_allocator *mem, const tdl_tensor *from, tdl_dtype dtype, tdl_tensor *to,
                          tdl_error *err) {
    tdl_status status = tdl_tensor_make(dtype, from->n_dims, from->shape, NULL, to, err);
    if (status != TDL_OK) return status;
    float *values = tdl_alloc(mem, (size_t)tdl_tensor_n_elements(from), sizeof *values);
    to->data = tdl_alloc(mem, tdl_tensor_size(to), 1); // lives until the program ends
    if (!values || !to->data) {
        tdl_free(mem, values);
        return tdl_fail(err, TDL_ERROR_MEMORY, "requantize: no memory for a tensor of %zu bytes", tdl_tensor_size(to));
    }
    tdl_tensor_to_f32(from, values);
    tdl_dtype_get(dtype)->encode(values, to->data, tdl_tensor_n_elements(from));
    tdl_free(mem, values);
    return TDL_OK;
}

static tdl_status requantize(const char *in_path, const char *out_path, tdl_dtype dtype, tdl_error *err) {
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    tdl_weights *in = NULL;
    tdl_gguf_writer *out = NULL;
    tdl_status status = tdl_weights_open(&(tdl_weights_desc){.mem = mem, .path = in_path}, &in, err);
    if (status == TDL_OK) status = tdl_gguf_writer_create(mem, &out, err);
    if (status == TDL_OK) status = copy_metadata(in, out, dtype, err);
    for (size_t i = 0; status == TDL_OK && i < tdl_weights_n_tensors(in); i++) {
        const tdl_weights_tensor *named = tdl_weights_at(in, i);
        tdl_tensor tensor = named->tensor;
        bool matrix = tensor.n_dims == 2 && tensor.shape[1] % tdl_dtype_get(dtype)->block_n == 0;
        if (matrix && tdl_dtype_get(tensor.dtype)->decode) status = convert(mem, &named->tensor, dtype, &tensor, err);
        if (status == TDL_OK) status = tdl_gguf_writer_tensor(out, named->name, &tensor, err);
    }
    if (status == TDL_OK) status = tdl_gguf_writer_save(out, out_path, err);
    tdl_gguf_writer_destroy(out);
    tdl_weights_close(in);
    return status;
}

int main(int argc, char **argv) {
    tdl_dtype dtype = argc == 4 ? tdl_dtype_from_name(argv[3]) : TDL_DTYPE_NONE;
    if (!tdl_dtype_get(dtype)->encode || file_type(dtype) < 0) {
        fprintf(stderr, "usage: requantize IN.gguf OUT.gguf F32|F16|BF16|Q8_0|Q4_0|Q4_1\n");
        return 2;
    }
    tdl_error err = {0};
    if (requantize(argv[1], argv[2], dtype, &err) == TDL_OK) return 0;
    fprintf(stderr, "%s\n", err.message);
    return 1;
}
