// SPDX-License-Identifier: MIT
// tensor.c - shapes, strides, broadcasting, and packing of strided tensors.
//
// Everything here walks units: one element of a plain type, one block of a block type. A block lies in one piece
// along the last dimension, so no operation may cut or turn it. Sizes are checked once, in tdl_tensor_make; the other
// functions rely on that.
#include "tensor/tensor.h"

#include "base/checked.h"

#include <assert.h>
#include <stdio.h>

static int64_t last_dim(const tdl_tensor *t);
static int64_t units_per_row(const tdl_tensor *t);
static const uint8_t *row_at(const tdl_tensor *t, int64_t row);
static int64_t dim_from_end(const tdl_tensor *t, int32_t from_end);

tdl_status tdl_tensor_make(tdl_dtype dtype, int32_t n_dims, const int64_t *shape, void *data, tdl_tensor *out,
                           tdl_error *err) {
    if (n_dims < 0 || n_dims > TDL_DIMS_MAX) {
        return tdl_fail(err, TDL_ERROR_LIMIT, "tensor: %d dimensions, at most %d", n_dims, TDL_DIMS_MAX);
    }
    if (dtype <= TDL_DTYPE_NONE || dtype >= TDL_DTYPE_COUNT) {
        return tdl_fail(err, TDL_ERROR_FORMAT, "tensor: element type %d, expected 1 to %d", (int)dtype,
                        TDL_DTYPE_COUNT - 1);
    }
    const tdl_dtype_info *info = tdl_dtype_get(dtype);
    char text[96];
    tdl_tensor t = {.dtype = dtype, .n_dims = n_dims, .shape = {1, 1, 1, 1}, .data = data};
    for (int32_t i = 0; i < n_dims; i++) t.shape[i] = shape[i];
    for (int32_t i = 0; i < n_dims; i++) {
        if (shape[i] < 0) {
            return tdl_fail(err, TDL_ERROR_FORMAT, "tensor: shape %s: dimension %d is negative",
                            tdl_tensor_describe(&t, text), i);
        }
    }
    if (last_dim(&t) % info->block_n != 0) {
        return tdl_fail(err, TDL_ERROR_FORMAT, "tensor: shape %s: rows of %lld elements are no whole blocks of %d",
                        tdl_tensor_describe(&t, text), (long long)last_dim(&t), info->block_n);
    }
    // From the last dimension out. Elements need no check of their own where they take bytes of their own; in blocks
    // there can be more elements than bytes. A dimension of 0 counts as 1 in the check: other functions multiply from
    // the first dimension in, where the 0 may come too late.
    int64_t size = info->block_size, size_max = size, n_elements = 1;
    bool fits = true;
    for (int32_t i = n_dims - 1; i >= 0; i--) {
        int64_t units = i == n_dims - 1 ? units_per_row(&t) : shape[i];
        t.strides[i] = size;
        fits = fits && tdl_mul_i64(size_max, tdl_max_i64(units, 1), &size_max);
        fits = fits && tdl_mul_i64(n_elements, tdl_max_i64(shape[i], 1), &n_elements);
        if (fits) size *= units;
    }
    if (!fits || (uint64_t)size_max > PTRDIFF_MAX) {
        return tdl_fail(err, TDL_ERROR_FORMAT, "tensor: shape %s: its size does not fit 63 bits",
                        tdl_tensor_describe(&t, text));
    }
    *out = t;
    return TDL_OK;
}

int64_t tdl_tensor_n_elements(const tdl_tensor *t) { return tdl_tensor_n_rows(t) * last_dim(t); }

int64_t tdl_tensor_n_rows(const tdl_tensor *t) {
    int64_t n = 1;
    for (int32_t i = 0; i < t->n_dims - 1; i++) n *= t->shape[i];
    return n;
}

size_t tdl_tensor_size(const tdl_tensor *t) {
    return (size_t)(tdl_tensor_n_rows(t) * units_per_row(t) * tdl_dtype_get(t->dtype)->block_size);
}

size_t tdl_tensor_extent(const tdl_tensor *t) {
    if (t->n_dims == 0 || tdl_tensor_n_elements(t) == 0) return tdl_tensor_size(t);
    const tdl_dtype_info *dtype = tdl_dtype_get(t->dtype);
    int32_t last = t->n_dims - 1;
    size_t extent = (size_t)dtype->block_size + (size_t)((t->shape[last] / dtype->block_n - 1) * t->strides[last]);
    for (int32_t d = 0; d < last; d++) extent += (size_t)((t->shape[d] - 1) * t->strides[d]);
    return extent;
}

bool tdl_tensor_contiguous(const tdl_tensor *t) {
    if (tdl_tensor_n_elements(t) == 0) return true;
    int64_t expected = tdl_dtype_get(t->dtype)->block_size;
    for (int32_t i = t->n_dims - 1; i >= 0; i--) {
        int64_t n = i == t->n_dims - 1 ? units_per_row(t) : t->shape[i];
        if (n > 1 && t->strides[i] != expected) return false; // where there is no next unit, the stride says nothing
        expected *= n;
    }
    return true;
}

bool tdl_tensor_same_shape(const tdl_tensor *a, const tdl_tensor *b) {
    if (a->n_dims != b->n_dims) return false;
    for (int32_t i = 0; i < a->n_dims; i++) {
        if (a->shape[i] != b->shape[i]) return false;
    }
    return true;
}

tdl_tensor tdl_tensor_transpose(const tdl_tensor *t, int32_t a, int32_t b) {
    assert(a >= 0 && a < t->n_dims && b >= 0 && b < t->n_dims);
    assert(tdl_dtype_get(t->dtype)->block_n == 1);
    tdl_tensor out = *t;
    out.shape[a] = t->shape[b];
    out.shape[b] = t->shape[a];
    out.strides[a] = t->strides[b];
    out.strides[b] = t->strides[a];
    return out;
}

tdl_tensor tdl_tensor_slice(const tdl_tensor *t, int32_t dim, int64_t first, int64_t count) {
    assert(dim >= 0 && dim < t->n_dims);
    assert(first >= 0 && count >= 0 && first <= t->shape[dim] && count <= t->shape[dim] - first);
    int64_t n = dim == t->n_dims - 1 ? tdl_dtype_get(t->dtype)->block_n : 1; // elements a stride
    assert(first % n == 0 && count % n == 0);
    tdl_tensor out = *t;
    out.shape[dim] = count;
    if (out.data) out.data += first / n * t->strides[dim];
    return out;
}

tdl_status tdl_tensor_broadcast(const tdl_tensor *a, const tdl_tensor *b, int32_t *n_dims, int64_t *shape,
                                tdl_error *err) {
    int64_t out[TDL_DIMS_MAX] = {0};
    int32_t n = a->n_dims > b->n_dims ? a->n_dims : b->n_dims;
    for (int32_t i = 0; i < n; i++) {
        int64_t n_a = dim_from_end(a, i), n_b = dim_from_end(b, i);
        if (n_a != n_b && n_a != 1 && n_b != 1) {
            char text_a[96], text_b[96];
            return tdl_fail(err, TDL_ERROR_ARGUMENT, "tensor: shapes %s and %s do not broadcast: %lld against %lld",
                            tdl_tensor_describe(a, text_a), tdl_tensor_describe(b, text_b), (long long)n_a,
                            (long long)n_b);
        }
        out[n - 1 - i] = n_a == 1 ? n_b : n_a;
    }
    *n_dims = n;
    memcpy(shape, out, (size_t)n * sizeof *shape);
    return TDL_OK;
}

void tdl_tensor_pack(const tdl_tensor *t, void *dst) {
    size_t unit_size = (size_t)tdl_dtype_get(t->dtype)->block_size;
    int64_t n_rows = tdl_tensor_n_rows(t), n_units = units_per_row(t);
    int64_t stride = t->n_dims ? t->strides[t->n_dims - 1] : 0;
    bool packed_rows = (size_t)stride == unit_size || n_units == 1;
    uint8_t *out = dst;
    for (int64_t row = 0; row < n_rows && n_units; row++) {
        const uint8_t *src = row_at(t, row);
        if (packed_rows) memcpy(out, src, (size_t)n_units * unit_size);
        for (int64_t i = 0; i < n_units && !packed_rows; i++)
            memcpy(out + (size_t)i * unit_size, src + i * stride, unit_size);
        out += (size_t)n_units * unit_size;
    }
}

void tdl_tensor_to_f32(const tdl_tensor *t, float *dst) {
    const tdl_dtype_info *info = tdl_dtype_get(t->dtype);
    assert(info->decode);
    int64_t n_rows = tdl_tensor_n_rows(t), n_units = units_per_row(t);
    int64_t stride = t->n_dims ? t->strides[t->n_dims - 1] : 0;
    bool packed_rows = stride == info->block_size || n_units == 1;
    for (int64_t row = 0; row < n_rows && n_units; row++) {
        const uint8_t *src = row_at(t, row);
        if (packed_rows) info->decode(src, dst, n_units * info->block_n);
        for (int64_t i = 0; i < n_units && !packed_rows; i++) {
            info->decode(src + i * stride, dst + i * info->block_n, info->block_n);
        }
        dst += n_units * info->block_n;
    }
}

const char *tdl_tensor_describe(const tdl_tensor *t, char text[96]) {
    size_t size = 96, used = 0;
    text[used++] = '[';
    for (int32_t i = 0; i < t->n_dims; i++) {
        used += (size_t)snprintf(text + used, size - used, "%s%lld", i ? ", " : "", (long long)t->shape[i]);
    }
    snprintf(text + used, size - used, "] %s", tdl_dtype_get(t->dtype)->name); // fits: 4 numbers of 20 characters
    return text;
}

static int64_t last_dim(const tdl_tensor *t) { return t->n_dims ? t->shape[t->n_dims - 1] : 1; }

static int64_t units_per_row(const tdl_tensor *t) { return last_dim(t) / tdl_dtype_get(t->dtype)->block_n; }

static const uint8_t *row_at(const tdl_tensor *t, int64_t row) {
    const uint8_t *ptr = t->data;
    for (int32_t i = t->n_dims - 2; i >= 0; i--) {
        ptr += row % t->shape[i] * t->strides[i];
        row /= t->shape[i];
    }
    return ptr;
}

static int64_t dim_from_end(const tdl_tensor *t, int32_t from_end) {
    return from_end < t->n_dims ? t->shape[t->n_dims - 1 - from_end] : 1;
}
