// SPDX-License-Identifier: MIT
// fuzz_hf_config.c - any bytes as a config.json: an error with a message, or keys that are found again.
#include "format/hf_config.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    tdl_meta_table table;
    tdl_error err = {0};
    tdl_meta_table_init(&table, tdl_allocator_or_default(NULL));
    tdl_status status = tdl_hf_config_add(&table, "generation.", (const char *)bytes, size, "config.json", &err);
    if (status > 0 || (status < 0 && !err.message[0])) abort();
    for (size_t i = 0; i < table.entries.n; i++) {
        const tdl_meta_entry *entry = tdl_vec_at(&table.entries, tdl_meta_entry, i);
        if (tdl_meta_table_find(&table, entry->key.ptr) != &entry->value) abort(); // keys of JSON end in NUL
        if (entry->value.type == TDL_META_STRING && strlen(entry->value.string.ptr) > entry->value.string.size) abort();
    }
    tdl_meta_table_deinit(&table);
    return 0;
}
