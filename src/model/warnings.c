// SPDX-License-Identifier: MIT
// warnings.c - a list of sentences. See warnings.h.
#include "model/warnings.h"

#include "base/limits.h"
#include "model/model_impl.h"

#include <string.h>

void tdl_warnings_init(tdl_warnings *warnings, const tdl_allocator *mem) {
    *warnings = (tdl_warnings){.texts = tdl_vec_make(mem, sizeof(const char *))};
    tdl_arena_init(&warnings->arena, mem);
}

void tdl_warnings_deinit(tdl_warnings *warnings) {
    tdl_vec_deinit(&warnings->texts);
    tdl_arena_deinit(&warnings->arena);
}

bool tdl_warn(tdl_warnings *warnings, const char *text) {
    if (warnings->texts.n > TDL_WARNINGS_MAX) return true;
    if (warnings->texts.n == TDL_WARNINGS_MAX) text = "there are more warnings than are kept";
    const char *copy = tdl_arena_strndup(&warnings->arena, text, strlen(text));
    return copy && tdl_vec_push(&warnings->texts, &copy, 1);
}

size_t tdl_model_n_warnings(const tdl_model *model) { return model ? model->warnings.texts.n : 0; }

const char *tdl_model_warning(const tdl_model *model, size_t i) {
    return i < tdl_model_n_warnings(model) ? *tdl_vec_at(&model->warnings.texts, const char *, i) : NULL;
}
