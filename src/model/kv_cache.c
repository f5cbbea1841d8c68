// SPDX-License-Identifier: MIT
// kv_cache.c - pages and their pool. See kv_cache.h.
#include "model/kv_cache.h"

#include <assert.h>

struct tdl_kv_cache {
    tdl_device *device;
    tdl_kv_desc desc;
    tdl_parts **states;  // [2 * n_layers]
    int32_t *free_pages; // [n_free], the next one last
    int32_t n_free;
};

tdl_status tdl_kv_tensors(const tdl_kv_desc *desc, tdl_tensor *keys, tdl_tensor *values, tdl_error *err) {
    int64_t k[4] = {desc->n_pages, desc->n_kv_heads, desc->head_dim, TDL_KV_PAGE};
    int64_t v[4] = {desc->n_pages, desc->n_kv_heads, TDL_KV_PAGE, desc->head_dim};
    tdl_status status = tdl_tensor_make(desc->dtype, 4, k, NULL, keys, err);
    return status == TDL_OK ? tdl_tensor_make(desc->dtype, 4, v, NULL, values, err) : status;
}

// One head of all pages must fit what the device binds.
static tdl_status check_size(const tdl_device *device, const tdl_kv_desc *desc, const tdl_tensor *keys,
                             tdl_error *err) {
    uint64_t size = tdl_tensor_size(keys) / (uint64_t)desc->n_kv_heads, size_max = device->value_size_max;
    if (!size_max || size <= size_max) return TDL_OK;
    return tdl_fail(err, TDL_ERROR_LIMIT,
                    "cache: a head's part of %lld positions has %llu bytes, this device binds at most %llu: at most "
                    "%lld positions, of all sessions together",
                    (long long)desc->n_pages * TDL_KV_PAGE, (unsigned long long)size, (unsigned long long)size_max,
                    (long long)(size_max / (size / (uint64_t)desc->n_pages)) * TDL_KV_PAGE);
}

tdl_status tdl_kv_cache_create(tdl_device *device, const tdl_kv_desc *desc, tdl_kv_cache **out, tdl_error *err) {
    tdl_tensor keys, values;
    tdl_status status = tdl_kv_tensors(desc, &keys, &values, err);
    if (status == TDL_OK) status = check_size(device, desc, &keys, err);
    if (status != TDL_OK) return status;
    tdl_kv_cache *cache = tdl_alloc(device->mem, 1, sizeof *cache);
    if (!cache) return tdl_fail(err, TDL_ERROR_MEMORY, "cache: no memory");
    cache->device = device;
    cache->desc = *desc;
    cache->states = tdl_alloc(device->mem, 2 * (size_t)desc->n_layers, sizeof(tdl_parts *));
    cache->free_pages = tdl_alloc(device->mem, (size_t)desc->n_pages, sizeof *cache->free_pages);
    if (!cache->states || !cache->free_pages)
        status = tdl_fail(err, TDL_ERROR_MEMORY, "cache: no memory for %d pages", desc->n_pages);
    for (int32_t i = 0; i < 2 * desc->n_layers && status == TDL_OK; i++)
        status = tdl_parts_create(device, i % 2 ? &values : &keys, 1, &cache->states[i], err);
    if (status != TDL_OK) {
        tdl_kv_cache_destroy(cache);
        return status;
    }
    for (int32_t i = desc->n_pages; i-- > 0;) cache->free_pages[cache->n_free++] = i;
    *out = cache;
    return TDL_OK;
}

void tdl_kv_cache_destroy(tdl_kv_cache *cache) {
    if (!cache) return;
    for (int32_t i = 0; i < 2 * cache->desc.n_layers && cache->states; i++) tdl_parts_destroy(cache->states[i]);
    tdl_free(cache->device->mem, cache->states);
    tdl_free(cache->device->mem, cache->free_pages);
    tdl_free(cache->device->mem, cache);
}

tdl_buffer *tdl_kv_cache_buffer(const tdl_kv_cache *cache, int32_t state, int64_t first_head) {
    return tdl_parts_buffer(cache->states[state], first_head);
}

int32_t tdl_kv_cache_n_free(const tdl_kv_cache *cache) { return cache->n_free; }

int32_t tdl_kv_cache_n_pages(const tdl_kv_cache *cache) { return cache->desc.n_pages; }

int32_t tdl_kv_cache_take(tdl_kv_cache *cache) { return cache->n_free ? cache->free_pages[--cache->n_free] : -1; }

void tdl_kv_cache_give(tdl_kv_cache *cache, int32_t page) {
    assert(page >= 0 && page < cache->desc.n_pages && cache->n_free < cache->desc.n_pages);
    cache->free_pages[cache->n_free++] = page;
}
