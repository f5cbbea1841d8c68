// SPDX-License-Identifier: MIT
// hf_config.h - a configuration in JSON as metadata under dotted keys.
//
//     {"hidden_size": 32, "rope_scaling": {"factor": 2.0}, "eos_token_id": [1, 2], "n_inner": null}
//
// gives hidden_size = 32, rope_scaling.factor = 2.0, eos_token_id = [1, 2], n_inner = null. An array of numbers, of booleans or of
// strings stays an array (numbers become floats where one of them is); any other array is taken apart: "layers.0.kind". A dot
// or a backslash in a key of the file has a backslash before it, so that {"a.b": 1} and {"a": {"b": 1}} differ.
#ifndef TDL_FORMAT_HF_CONFIG_H
#define TDL_FORMAT_HF_CONFIG_H

#include "format/meta_table.h"

// Adds the values of one JSON text to the table, with `prefix` before each key. `name` is the file's, for messages.
// Keys and texts are copied. Errors: FORMAT, LIMIT, MEMORY.
tdl_status tdl_hf_config_add(tdl_meta_table *table, const char *prefix, const char *text, size_t size, const char *name,
                             tdl_error *err);

#endif
