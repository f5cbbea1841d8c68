// SPDX-License-Identifier: MIT
// embed_grad_cpu.c - dtable[ids[t]] += dy[t]; a unit is a piece of the sorted rows, of which it takes the runs of equal ids
// that begin there, to their ends: so one thread adds up a row of the table, in the order of its tokens.
#include "backend/cpu/cpu_kernel.h"
#include "backend/cpu/simd.h"
#include "ops/op_impl.h"

#include <assert.h>

enum { UNIT_ROWS = 8 };

static void add_run(const tdl_call *call, int64_t first, int64_t end, float *to);

static bool accepts(const tdl_call *call) { return tdl_f32_rows(&call->in[2]) && tdl_f32_rows(&call->out[0]); }

static int64_t units(const tdl_call *call) { return tdl_div_up(call->in[0].shape[0], UNIT_ROWS); }

// The id of place `at` in the sorted order.
static int32_t id_at(const tdl_call *call, int64_t at) {
    return tdl_index_at(&call->in[0], tdl_index_at(&call->in[1], at));
}

static void run(const tdl_call *call, int64_t first, int64_t count, void *scratch) {
    (void)scratch;
    const tdl_tensor *dtable = &call->out[0];
    int64_t n = call->in[0].shape[0], at = first * UNIT_ROWS, unit_end = tdl_min_i64(n, (first + count) * UNIT_ROWS);
    while (at > 0 && at < unit_end && id_at(call, at) == id_at(call, at - 1)) at++; // the unit before has this run
    while (at < unit_end) {
        int32_t id = id_at(call, at);
        int64_t begin = at, row = (int64_t)id - call->attrs.part_first;
        while (at < n && id_at(call, at) == id) at++;
        if (call->attrs.part_of && (row < 0 || row >= dtable->shape[0])) continue;
        assert(row >= 0 && row < dtable->shape[0]);
        add_run(call, begin, at, tdl_f32_row(dtable, row));
    }
}

const tdl_kernel TDL_KERNEL_NAME(embed_grad) = {
    .name = "embed_grad", .op = TDL_OP_EMBED_GRAD, TDL_KERNEL_CPU, .accepts = accepts, .units = units, .run = run};

// Adds the rows of dy at places [first, end) of the order: their sum first, then it to the table's row.
static void add_run(const tdl_call *call, int64_t first, int64_t end, float *to) {
    const tdl_tensor *order = &call->in[1], *dy = &call->in[2];
    int64_t n = dy->shape[1];
    for (int64_t i = 0; i < n; i += TDL_VF_LANES) {
        int64_t lanes = tdl_min_i64(TDL_VF_LANES, n - i);
        vf sum = vf_zero();
        for (int64_t at = first; at < end; at++)
            sum = vf_add(sum, vf_load_n(tdl_f32_row(dy, tdl_index_at(order, at)) + i, lanes));
        vf_store_n(to + i, vf_add(vf_load_n(to + i, lanes), sum), lanes);
    }
}
