// SPDX-License-Identifier: MIT
// plan_print.c - a plan as text, one line an op, like SQL's EXPLAIN:
//
//     12 | rope            q[T,4,64], rope_table[T,64] -> q[T,4,64] | rope
//
// `|` before the op marks a barrier. T, S and O stand for the step's tokens, sequences and outputs. After the last bar: the kernel.
#include "graph/plan_make.h"

static void print_value(const tdl_plan *plan, int32_t id, tdl_str *text);
static void print_attrs(const tdl_attrs *attrs, tdl_op op, tdl_str *text);

tdl_status tdl_plan_print(const tdl_plan *plan, tdl_str *text, tdl_error *err) {
    size_t temps = plan->buffer_sizes[TDL_BUFFER_ARENA], states = 0;
    for (int32_t i = TDL_BUFFER_BOUND; i < plan->n_buffers; i++)
        if (plan->buffer_value[i] < 0) temps += plan->buffer_sizes[i];
        else if (plan->values[plan->buffer_value[i]].kind == TDL_VALUE_STATE) states += plan->buffer_sizes[i];
    tdl_str_format(
        text, "# %d ops, at most T = %d tokens, S = %d sequences, O = %d outputs; arena %zu bytes, cache %zu bytes\n",
        plan->n_ops, plan->max.n[TDL_ROWS_TOKENS], plan->max.n[TDL_ROWS_SEQS], plan->max.n[TDL_ROWS_OUTPUTS], temps,
        states);
    for (int32_t i = 0; i < plan->n_ops; i++) {
        const tdl_plan_op *op = &plan->ops[i];
        tdl_str_format(text, "%4d %c %-14s ", i, op->barrier ? '|' : ' ', tdl_op_get(op->op)->name);
        for (int32_t j = 0; j < op->n_in; j++) {
            if (j) tdl_str_format(text, ", ");
            print_value(plan, op->in[j], text);
        }
        tdl_str_format(text, " -> ");
        for (int32_t j = 0; j < op->n_out; j++) {
            if (j) tdl_str_format(text, ", ");
            print_value(plan, op->out[j], text);
        }
        print_attrs(&op->attrs, op->op, text);
        tdl_str_format(text, " | %s\n", op->kernel ? op->kernel->name : "reference");
    }
    return text->failed ? tdl_fail(err, TDL_ERROR_MEMORY, "plan: no memory to print %d ops", plan->n_ops) : TDL_OK;
}

static void print_value(const tdl_plan *plan, int32_t id, tdl_str *text) {
    static const char *const layouts[TDL_LAYOUT_COUNT] = {"", ":tile16", ":joined"};
    static const char letters[TDL_ROWS_COUNT] = {0, 'T', 'S', 'O'};
    const tdl_value *value = &plan->values[id];
    const tdl_tensor *t = &value->tensor;
    tdl_str_format(text, "%s", value->name);
    if (t->dtype != TDL_DTYPE_F32 && value->kind != TDL_VALUE_STEP)
        tdl_str_format(text, ":%s", tdl_dtype_get(t->dtype)->name);
    tdl_str_format(text, "%s[", layouts[value->layout]);
    for (int32_t d = 0; d < t->n_dims; d++) {
        if (d) tdl_str_format(text, ",");
        if (d > 0 || value->rows == TDL_ROWS_FIXED) tdl_str_format(text, "%lld", (long long)t->shape[d]);
        else if (value->rows_add) tdl_str_format(text, "%c+%d", letters[value->rows], value->rows_add);
        else tdl_str_format(text, "%c", letters[value->rows]);
    }
    tdl_str_format(text, "]");
}

static void print_int32_t(tdl_str *text, const char *name, int32_t value) {
    if (value) tdl_str_format(text, " %s=%d", name, value);
}

static void print_float(tdl_str *text, const char *name, float value) {
    if (value != 0) tdl_str_format(text, " %s=%g", name, (double)value);
}

static void print_attrs(const tdl_attrs *attrs, tdl_op op, tdl_str *text) {
    tdl_attrs a = *attrs;
    if (op == TDL_OP_ACT || op == TDL_OP_GLU || op == TDL_OP_ACT_GRAD || op == TDL_OP_GLU_GRAD) {
        tdl_str_format(text, " %s", tdl_act_name((tdl_act)a.act));
        a.act = 0;
    }
#define TDL_ATTR(type, name) print_##type(text, #name, a.name);
#include "ops/attrs.def"
#undef TDL_ATTR
}
