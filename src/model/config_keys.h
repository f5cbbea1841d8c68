// SPDX-License-Identifier: MIT
// config_keys.h - what each key of a model's metadata is to its family: config_keys.def as functions.
//
// No key that changes the maths is passed over in silence: what is refused is an error that names the key and its value, and
// what nobody reads becomes a warning.
#ifndef TDL_MODEL_CONFIG_KEYS_H
#define TDL_MODEL_CONFIG_KEYS_H

#include "format/weights.h"
#include "model/arch.h"
#include "model/warnings.h"

typedef enum tdl_key_use {
    TDL_KEY_UNKNOWN = 0,
    TDL_KEY_USED,
    TDL_KEY_HARMLESS,
    TDL_KEY_IGNORED,
    TDL_KEY_REFUSED,
} tdl_key_use;

// `key` as the file has it; of a GGUF file after its architecture's name, from the dot on. *neutral (may be NULL): the
// values at which an ignored or refused key means nothing.
tdl_key_use tdl_config_key_use(tdl_weights_kind kind, const tdl_arch *arch, tdl_text key, const char **neutral);

// Looks at every key of the file. Warns of those that nobody reads; with `strict` they are errors (FORMAT) as well.
// Errors: UNSUPPORTED (a refused key), MEMORY.
tdl_status tdl_config_keys_check(const tdl_weights *weights, const tdl_arch *arch, bool strict, tdl_warnings *warnings,
                                 tdl_error *err);

#endif
