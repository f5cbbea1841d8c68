// split.c - weights with more bytes than the device gives a kernel at once become parts of their rows, each a weight of its own.
//
//     y = matmul(x, w)     ->  y[:, 0:n) = matmul(x, w[0:n)),  y[:, n:2n) = matmul(x, w[n:2n)), ...
//     y = embed(w, ids)    ->  an op for each part, which writes the rows of y whose ids are its own
//
// The parts are a matter of the weight alone, so a table that is both embedding and output matrix is in memory once.
// It comes first: what it leaves are ops like any other. What it cannot mend (a row, an activation or a cache that is too
// large, other ops' weights) lower.c names as an error.
#include "base/checked.h"
#include "graph/plan_make.h"

// Parts begin at multiples of 64 rows, so that tiles stay whole, or, where rows are huge, of 4: a device may want tensors to
// begin at multiples of 16 bytes.
enum { PART_ROWS = 64, PART_ROWS_MIN = 4 };

static void split_op(tdl_graph *g, tdl_vec *ops, const tdl_plan_op *op, int32_t which, int64_t n_rows);
static int32_t weight_of(const tdl_graph *g, const tdl_plan_op *op);
static int64_t rows_of_part(const tdl_tensor *w, uint64_t size_max);
static int32_t weight_part(tdl_graph *g, int32_t weight, int64_t first, int64_t count);
static int32_t bias_part(tdl_graph *g, int32_t bias, int64_t first, int64_t count);

void tdl_graph_split(tdl_graph *g, const tdl_plan_desc *desc) {
    uint64_t size_max = desc->device->value_size_max;
    if (size_max == 0) return;
    tdl_vec ops = tdl_vec_make(g->mem, sizeof(tdl_plan_op));
    for (int32_t i = 0; i < (int32_t)g->ops.n && !g->error.code; i++) {
        const tdl_plan_op op = *tdl_graph_op_at(g, i);
        int32_t which = weight_of(g, &op);
        int64_t n_rows = which < 0 ? 0 : rows_of_part(&tdl_graph_value(g, op.in[which])->tensor, size_max);
        if (n_rows) split_op(g, &ops, &op, which, n_rows);
        else if (!tdl_vec_push(&ops, &op, 1))
            tdl_fail(&g->error, TDL_ERROR_MEMORY, "graph: no memory for %zu ops", ops.n + 1);
    }
    tdl_vec_deinit(&g->ops);
    g->ops = ops;
}

// The input that may come in parts; -1: none.
static int32_t weight_of(const tdl_graph *g, const tdl_plan_op *op) {
    int32_t which = op->op == TDL_OP_MATMUL ? 1 : op->op == TDL_OP_EMBED ? 0 : -1;
    return which >= 0 && tdl_graph_value(g, op->in[which])->kind == TDL_VALUE_WEIGHT ? which : -1;
}

// Rows of each part but the last; 0: it fits whole, or not even a few rows do.
static int64_t rows_of_part(const tdl_tensor *w, uint64_t size_max) {
    uint64_t size = tdl_tensor_size(w);
    if (size <= size_max || w->n_dims != 2) return 0;
    int64_t n_rows = w->shape[0], n_max = (int64_t)(size_max / (size / (uint64_t)n_rows));
    int64_t unit = n_max >= PART_ROWS ? PART_ROWS : PART_ROWS_MIN;
    n_max = n_max / unit * unit;
    if (n_max == 0) return 0;
    int64_t even = tdl_div_up(n_rows, tdl_div_up(n_rows, n_max)); // of about one size
    return tdl_div_up(even, unit) * unit;
}

static void split_op(tdl_graph *g, tdl_vec *ops, const tdl_plan_op *op, int32_t which, int64_t n_rows) {
    const tdl_value *out = tdl_graph_value(g, op->out[0]), *w = tdl_graph_value(g, op->in[which]);
    const char *name = out->name;
    int64_t n_all = w->tensor.shape[0], n_columns = out->tensor.shape[1];
    for (int64_t first = 0; first < n_all && !g->error.code; first += n_rows) {
        int64_t count = tdl_min_i64(n_rows, n_all - first);
        tdl_plan_op part = *op;
        part.in[which] = weight_part(g, op->in[which], first, count);
        if (op->op == TDL_OP_EMBED) {
            part.attrs.part_first = (int32_t)first;
            part.attrs.part_of = (int32_t)n_all;
            part.out[0] = tdl_graph_view(g, name, op->out[0], 0, 1, &n_columns);
        } else {
            if (op->n_in > 2) part.in[2] = bias_part(g, op->in[2], first, count);
            part.out[0] = tdl_graph_view(g, name, op->out[0], first, 1, &count);
        }
        if (!g->error.code && !tdl_vec_push(ops, &part, 1))
            tdl_fail(&g->error, TDL_ERROR_MEMORY, "graph: no memory for %zu ops", ops->n + 1);
    }
}

static int32_t add(tdl_graph *g, const tdl_value *value) {
    if (tdl_vec_push(&g->values, value, 1)) return (int32_t)g->values.n - 1;
    tdl_fail(&g->error, TDL_ERROR_MEMORY, "graph: no memory for %zu values", g->values.n + 1);
    return -1;
}

// Rows [first, first + count) of a weight, a weight like any other.
static int32_t weight_part(tdl_graph *g, int32_t weight, int64_t first, int64_t count) {
    tdl_value value = *tdl_graph_value(g, weight);
    for (int32_t i = 0; i < (int32_t)g->values.n; i++) {
        const tdl_value *other = tdl_graph_value(g, i);
        if (other->kind == TDL_VALUE_WEIGHT && other->base < 0 && other->weight == value.weight &&
            other->first_row == first && other->tensor.shape[0] == count)
            return i;
    }
    value.tensor = tdl_tensor_slice(&value.tensor, 0, first, count);
    value.first_row = first;
    return add(g, &value);
}

// Elements [first, first + count) of a vector: a view.
static int32_t bias_part(tdl_graph *g, int32_t bias, int64_t first, int64_t count) {
    tdl_value value = *tdl_graph_value(g, bias);
    value.base = bias;
    value.base_offset = (size_t)(first * value.tensor.strides[0]);
    value.tensor = tdl_tensor_slice(&value.tensor, 0, first, count);
    return add(g, &value);
}
