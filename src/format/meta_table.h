// SPDX-License-Identifier: MIT
// meta_table.h - metadata while a file is read: keys in the file's order, each once, found through a map.
//
//     tdl_meta_table table;
//     tdl_meta_table_init(&table, mem);
//     tdl_meta_table_add(&table, key, &value, err);     // FORMAT where the key is there already
//     const tdl_meta *arch = tdl_meta_table_find(&table, "general.architecture");
//     tdl_meta_table_deinit(&table);
//
// It owns what its arena holds and nothing else: keys and texts may also point into a file that outlives the table.
#ifndef TDL_FORMAT_META_TABLE_H
#define TDL_FORMAT_META_TABLE_H

#include "format/weights.h"

typedef struct tdl_meta_entry {
    tdl_text key;
    tdl_meta value;
} tdl_meta_entry;

typedef struct tdl_meta_table {
    tdl_arena arena; // arrays and texts that are not the file's own bytes
    tdl_vec entries; // tdl_meta_entry
    tdl_map index;   // key -> entry
} tdl_meta_table;

void tdl_meta_table_init(tdl_meta_table *table, const tdl_allocator *mem);
void tdl_meta_table_deinit(tdl_meta_table *table);
// Room for n entries, so that adding them moves nothing.
bool tdl_meta_table_reserve(tdl_meta_table *table, size_t n);
// key's bytes must outlive the table. Errors: FORMAT (a key twice), LIMIT (too many keys), MEMORY.
tdl_status tdl_meta_table_add(tdl_meta_table *table, tdl_text key, const tdl_meta *value, tdl_error *err);
const tdl_meta *tdl_meta_table_find(const tdl_meta_table *table, const char *key); // NULL where absent

// For messages: a name cut to what a message can show. Use: "... '%.*s'", TDL_SHOWN(name)
#define TDL_SHOWN(text) ((int)((text).size < 100 ? (text).size : 100)), ((text).ptr)

#endif
