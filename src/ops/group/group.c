// SPDX-License-Identifier: MIT
// group.c - the rows of each expert, one expert after another: a counting sort of (token, choice) by expert. What is equal stays
// in order, so all sums over an expert's rows have one order.
//
//     groups[x]              the first place of expert x; groups[X] = T k
//     groups[X + 1 + place]  the row at that place: token * k + choice
//
// One tensor for both, because a step's number of tokens changes the second part only; what is behind it in a smaller step
// stays as it was. groups.h reads it.
#include "ops/group/groups.h"

tdl_status tdl_expect_groups(const char *op, const tdl_call *call, const tdl_tensor *groups, int64_t n_tokens,
                             tdl_error *err) {
    const tdl_attrs *attrs = &call->attrs;
    if (attrs->experts < 1 || attrs->top_k < 1 || attrs->top_k > attrs->experts)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "%s: %d of %d experts, expected 1 or more, and no more than there are",
                        op, attrs->top_k, attrs->experts);
    int64_t n = attrs->experts + 1 + n_tokens * attrs->top_k;
    return tdl_op_expect(op, "groups", groups, TDL_DTYPE_I32, 1, &n, err);
}

tdl_status tdl_group_infer(tdl_call *call, tdl_error *err) {
    const tdl_tensor *ids = &call->in[0];
    tdl_status status = tdl_op_expect("group", "ids", ids, TDL_DTYPE_I32, 2, (int64_t[]){-1, -1}, err);
    if (status != TDL_OK) return status;
    if (call->attrs.experts < 1)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "group: %d experts, expected 1 or more", call->attrs.experts);
    int64_t n = call->attrs.experts + 1 + tdl_tensor_n_elements(ids);
    return tdl_tensor_make(TDL_DTYPE_I32, 1, &n, NULL, &call->out[0], err);
}

void tdl_group_reference(const tdl_call *call) {
    const tdl_tensor *ids = &call->in[0];
    int32_t *starts = (int32_t *)(void *)call->out[0].data, *rows = starts + call->attrs.experts + 1, place = 0;
    for (int32_t expert = 0; expert < call->attrs.experts; expert++) {
        starts[expert] = place;
        for (int64_t row = 0; row < tdl_tensor_n_elements(ids); row++) {
            const int32_t *of_token = (const int32_t *)(const void *)tdl_row(ids, row / ids->shape[1]);
            if (of_token[row % ids->shape[1]] == expert) rows[place++] = (int32_t)row;
        }
    }
    starts[call->attrs.experts] = place;
}
