// SPDX-License-Identifier: MIT
// kv_cache.h - the paged KV cache: one pool of pages for all sequences, a page table for each.
//
// A page holds TDL_KV_PAGE positions of every layer. Keys lie as [pages, kv heads, head_dim, positions], values as
// [pages, kv heads, positions, head_dim] (ops/attention says why), one buffer each a layer; where a device binds less, several, each
// with some of the heads (graph/parts.h). The pool is reserved at once and its
// memory touched as pages fill. After "Efficient Memory Management for LLM Serving with PagedAttention" (Kwon et al. 2023).
#ifndef TDL_MODEL_KV_CACHE_H
#define TDL_MODEL_KV_CACHE_H

#include "graph/parts.h"

typedef struct tdl_kv_desc {
    tdl_dtype dtype; // F32 or F16
    int32_t n_layers, n_kv_heads, head_dim;
    int32_t n_pages;
} tdl_kv_desc;

typedef struct tdl_kv_cache tdl_kv_cache;

tdl_status tdl_kv_cache_create(tdl_device *device, const tdl_kv_desc *desc, tdl_kv_cache **out, tdl_error *err);
void tdl_kv_cache_destroy(tdl_kv_cache *cache);
// Tensors of a layer's keys and values, without data; for the graph.
tdl_status tdl_kv_tensors(const tdl_kv_desc *desc, tdl_tensor *keys, tdl_tensor *values, tdl_error *err);
// The buffer of state number `state`, 2 * layer for keys, 2 * layer + 1 for values: the part of it that begins with this head.
tdl_buffer *tdl_kv_cache_buffer(const tdl_kv_cache *cache, int32_t state, int64_t first_head);

int32_t tdl_kv_cache_n_free(const tdl_kv_cache *cache);
int32_t tdl_kv_cache_n_pages(const tdl_kv_cache *cache);
// Takes a page; -1 where none is free. Contents are whatever they were: a position is written before it is read.
int32_t tdl_kv_cache_take(tdl_kv_cache *cache);
void tdl_kv_cache_give(tdl_kv_cache *cache, int32_t page);

#endif
