// SPDX-License-Identifier: MIT
// meta_table.c - see meta_table.h. The limit on keys stands here, once for every format.
#include "format/meta_table.h"

#include "base/error.h"
#include "base/limits.h"

void tdl_meta_table_init(tdl_meta_table *table, const tdl_allocator *mem) {
    tdl_arena_init(&table->arena, mem);
    table->entries = tdl_vec_make(mem, sizeof(tdl_meta_entry));
    table->index = tdl_map_make(mem);
}

void tdl_meta_table_deinit(tdl_meta_table *table) {
    tdl_map_deinit(&table->index);
    tdl_vec_deinit(&table->entries);
    tdl_arena_deinit(&table->arena);
}

bool tdl_meta_table_reserve(tdl_meta_table *table, size_t n) {
    return tdl_vec_reserve(&table->entries, n) && tdl_map_reserve(&table->index, n);
}

tdl_status tdl_meta_table_add(tdl_meta_table *table, tdl_text key, const tdl_meta *value, tdl_error *err) {
    int32_t first;
    if (tdl_map_get(&table->index, key, &first))
        return tdl_fail(err, TDL_ERROR_FORMAT, "metadata key '%.*s' appears twice", TDL_SHOWN(key));
    if (table->entries.n >= TDL_META_KEYS_MAX)
        return tdl_fail(err, TDL_ERROR_LIMIT, "more than %d metadata keys", TDL_META_KEYS_MAX);
    tdl_meta_entry entry = {.key = key, .value = *value};
    if (!tdl_map_put(&table->index, key, (int32_t)table->entries.n) || !tdl_vec_push(&table->entries, &entry, 1))
        return tdl_fail(err, TDL_ERROR_MEMORY, "no memory for metadata key '%.*s'", TDL_SHOWN(key));
    return TDL_OK;
}

const tdl_meta *tdl_meta_table_find(const tdl_meta_table *table, const char *key) {
    int32_t i;
    if (!tdl_map_get(&table->index, tdl_text_cstr(key), &i)) return NULL;
    return &tdl_vec_at(&table->entries, const tdl_meta_entry, i)->value;
}
