// SPDX-License-Identifier: MIT
// load_all.h - brings into memory what a model or a file's tensors have left in files, so that tests can compare bytes.
#ifndef TDL_TEST_LOAD_ALL_H
#define TDL_TEST_LOAD_ALL_H

#include "model/model_impl.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static inline void load_all(tdl_weights *weights) {
    tdl_error err = {0};
    for (size_t i = 0; i < tdl_weights_n_tensors(weights); i++)
        if (tdl_weights_load(weights, i, &err)) fail_msg("%s", err.message);
}

static inline void own_all(tdl_model *model) {
    tdl_error err = {0};
    for (int32_t i = 0; i < model->params.n; i++)
        if (model->params.list[i].name &&
            tdl_param_own(&model->params, model->weights, &model->params.list[i], &err) != TDL_OK)
            fail_msg("%s", err.message);
}

#endif
