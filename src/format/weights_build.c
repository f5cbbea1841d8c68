// SPDX-License-Identifier: MIT
// weights_build.c - see weights_build.h.
#include "format/weights_build.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/utf8.h"

#include <string.h>

static tdl_status check_name(tdl_text name, tdl_error *err);
static tdl_status add_entry(tdl_weights *weights, tdl_text name, tdl_weights_tensor *entry, tdl_error *err);
static size_t element_alignment(tdl_dtype dtype);

tdl_status tdl_weights_create(const tdl_allocator *mem, tdl_weights_kind kind, tdl_weights **out, tdl_error *err) {
    tdl_weights *weights = tdl_alloc(mem, 1, sizeof *weights);
    if (!weights) return tdl_fail(err, TDL_ERROR_MEMORY, "no memory to open a model file");
    weights->mem = mem;
    weights->kind = kind;
    tdl_meta_table_init(&weights->meta, mem);
    weights->tensors = tdl_vec_make(mem, sizeof(tdl_weights_tensor));
    weights->index = tdl_map_make(mem);
    tdl_arena_init(&weights->names, mem);
    weights->files = tdl_vec_make(mem, sizeof(tdl_file));
    weights->memory = tdl_vec_make(mem, sizeof(void *));
    *out = weights;
    return TDL_OK;
}

void tdl_weights_close(tdl_weights *weights) {
    if (!weights) return;
    for (size_t i = 0; i < weights->files.n; i++) tdl_file_close(tdl_vec_at(&weights->files, tdl_file, i));
    for (size_t i = 0; i < weights->memory.n; i++) tdl_free(weights->mem, *tdl_vec_at(&weights->memory, void *, i));
    tdl_file_map_close(&weights->config_json);
    tdl_file_map_close(&weights->generation_config);
    tdl_file_map_close(&weights->tokenizer_json);
    tdl_file_map_close(&weights->tokenizer_config);
    tdl_vec_deinit(&weights->memory);
    tdl_vec_deinit(&weights->files);
    tdl_arena_deinit(&weights->names);
    tdl_map_deinit(&weights->index);
    tdl_vec_deinit(&weights->tensors);
    tdl_meta_table_deinit(&weights->meta);
    tdl_free(weights->mem, weights);
}

tdl_status tdl_weights_open_file(tdl_weights *weights, const char *path, int32_t *number, tdl_error *err) {
    tdl_file file;
    tdl_status status = tdl_file_open(weights->mem, path, &file, err);
    if (status) return status;
    *number = (int32_t)weights->files.n;
    if (tdl_vec_push(&weights->files, &file, 1)) return TDL_OK;
    tdl_file_close(&file);
    return tdl_fail(err, TDL_ERROR_MEMORY, "no memory for one more file of a model");
}

tdl_status tdl_weights_hold_memory(tdl_weights *weights, size_t size, uint8_t **out, tdl_error *err) {
    uint8_t *block = tdl_alloc(weights->mem, size, 1);
    if (!block) return tdl_fail(err, TDL_ERROR_MEMORY, "no memory for %zu bytes of a model file", size);
    *out = block;
    return tdl_weights_take_memory(weights, block, err);
}

tdl_status tdl_weights_take_memory(tdl_weights *weights, void *block, tdl_error *err) {
    if (tdl_vec_push(&weights->memory, &block, 1)) return TDL_OK;
    tdl_free(weights->mem, block);
    return tdl_fail(err, TDL_ERROR_MEMORY, "no memory for one more block of a model file");
}

tdl_status tdl_weights_reserve(tdl_weights *weights, size_t n, tdl_error *err) {
    size_t n_all = weights->tensors.n + n;
    if (n_all > TDL_TENSORS_MAX)
        return tdl_fail(err, TDL_ERROR_LIMIT, "%zu tensors, at most %d", n_all, TDL_TENSORS_MAX);
    if (!tdl_vec_reserve(&weights->tensors, n_all) || !tdl_map_reserve(&weights->index, n_all))
        return tdl_fail(err, TDL_ERROR_MEMORY, "no memory for a list of %zu tensors", n_all);
    return TDL_OK;
}

tdl_status tdl_weights_add_tensor(tdl_weights *weights, tdl_text name, const tdl_tensor *tensor, tdl_error *err) {
    tdl_weights_tensor entry = {.tensor = *tensor, .place = {.file = -1}};
    tdl_status status = check_name(name, err);
    if (status) return status;
    if ((uintptr_t)tensor->data % element_alignment(tensor->dtype) != 0) {
        size_t size = tdl_tensor_size(tensor);
        if ((status = tdl_weights_hold_memory(weights, size, &entry.tensor.data, err))) return status;
        memcpy(entry.tensor.data, tensor->data, size);
    }
    return add_entry(weights, name, &entry, err);
}

tdl_status tdl_weights_add_placed(tdl_weights *weights, tdl_text name, const tdl_tensor *tensor,
                                  tdl_weights_place place, tdl_error *err) {
    tdl_weights_tensor entry = {.tensor = *tensor, .place = place};
    entry.tensor.data = NULL;
    tdl_status status = check_name(name, err);
    return status ? status : add_entry(weights, name, &entry, err);
}

tdl_status tdl_weights_add_odd(tdl_weights *weights, tdl_text name, tdl_text type, tdl_error *err) {
    tdl_weights_tensor entry = {.place = {.file = -1}};
    tdl_status status = check_name(name, err);
    if (status) return status;
    entry.odd_type = tdl_arena_strndup(&weights->names, type.ptr, type.size < 40 ? type.size : 40);
    if (!entry.odd_type) return tdl_fail(err, TDL_ERROR_MEMORY, "no memory for tensor '%.*s'", TDL_SHOWN(name));
    return add_entry(weights, name, &entry, err);
}

static tdl_status add_entry(tdl_weights *weights, tdl_text name, tdl_weights_tensor *entry, tdl_error *err) {
    char *copy = tdl_arena_strndup(&weights->names, name.ptr, name.size);
    int32_t n = (int32_t)weights->tensors.n, number = n;
    entry->name = copy;
    if (!copy || !tdl_map_add(&weights->index, tdl_text_of(copy, name.size), &number))
        return tdl_fail(err, TDL_ERROR_MEMORY, "no memory for tensor '%.*s'", TDL_SHOWN(name));
    if (number != n) return tdl_fail(err, TDL_ERROR_FORMAT, "tensor '%s' appears twice", copy);
    if (!tdl_vec_push(&weights->tensors, entry, 1))
        return tdl_fail(err, TDL_ERROR_MEMORY, "no memory for tensor '%s'", copy);
    if (!entry->odd_type) weights->size += tdl_tensor_size(&entry->tensor);
    return TDL_OK;
}

const char *tdl_path_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static tdl_status check_name(tdl_text name, tdl_error *err) {
    if (name.size == 0) return tdl_fail(err, TDL_ERROR_FORMAT, "a tensor's name is empty");
    if (name.size > TDL_TENSOR_NAME_SIZE_MAX)
        return tdl_fail(err, TDL_ERROR_LIMIT, "tensor name '%.*s...': %zu bytes, at most %d", TDL_SHOWN(name),
                        name.size, TDL_TENSOR_NAME_SIZE_MAX);
    if (memchr(name.ptr, 0, name.size) || !tdl_utf8_valid(name.ptr, name.size))
        return tdl_fail(err, TDL_ERROR_FORMAT, "tensor name '%.*s': not valid UTF-8 without NUL", TDL_SHOWN(name));
    return TDL_OK;
}

// The largest power of two that divides every element's (or block's) offset, as far as any load asks for it.
static size_t element_alignment(tdl_dtype dtype) {
    size_t size = (size_t)tdl_dtype_get(dtype)->block_size;
    size_t power = size & (~size + 1);
    return power < 4 ? power : 4;
}
