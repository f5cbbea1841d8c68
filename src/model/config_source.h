// SPDX-License-Identifier: MIT
// config_source.h - where config.c and config_rope.c read a model's numbers from, by the table of keys: a key that the family does
// not use is as good as absent.
#ifndef TDL_MODEL_CONFIG_SOURCE_H
#define TDL_MODEL_CONFIG_SOURCE_H

#include "model/config.h"

typedef struct tdl_config_source {
    const tdl_weights *weights;
    const tdl_arch *arch;
    bool gguf;
    tdl_error *err;
} tdl_config_source;

// The value under "<arch>.<gguf>" of a GGUF file or `hf` of a config.json; NULL names nothing.
tdl_meta tdl_config_get(const tdl_config_source *s, const char *gguf, const char *hf);
bool tdl_config_is_null(const tdl_config_source *s, const char *hf);
// Leave *value as it is where the key is absent. `found` may be NULL. An array of one number for all layers is that number.
tdl_status tdl_config_get_int(const tdl_config_source *s, const char *gguf, const char *hf, int64_t min, int64_t max,
                              int32_t *value, bool *found);
tdl_status tdl_config_get_number(const tdl_config_source *s, const char *gguf, const char *hf, double *value,
                                 bool *found);
tdl_status tdl_config_get_bool(const tdl_config_source *s, const char *gguf, const char *hf, bool *value);

// config_rope.c. c->n_ctx and c->head_dim are read.
tdl_status tdl_config_read_rope(const tdl_config_source *s, tdl_config *c);

#endif
