// SPDX-License-Identifier: MIT
// place.c - gives every value its buffer and offset.
//
// Weights and states are bound to buffers of their own; step inputs lie one after another in the step buffer. A temp lives
// from the op that makes it to the last that reads it (through any view), and takes the first gap of the arena that is free all
// that time. An op that may work in place takes over the memory of an input that ends with it.
//
// Where the device wants temps apart (WebGPU allows no buffer to be read and written in one dispatch), they take turns in
// buffers instead: each takes one whose last temp has ended, the best fit, or a new one.
#include "base/checked.h"
#include "graph/plan_make.h"

#include <string.h>

enum { PLACE_ALIGN = 64 };

typedef struct temp {
    int32_t id;          // root value
    int32_t first, last; // ops
    size_t size, offset;
    int32_t buffer;
} temp;

static tdl_status place_fixed(tdl_plan *plan, tdl_error *err);
static int32_t root_of(const tdl_plan *plan, int32_t id);
static void find_lives(const tdl_plan *plan, temp *temps, int32_t *temp_of, int32_t *n_temps);
static void share_in_place(const tdl_plan *plan, temp *temps, int32_t *temp_of);
static tdl_status place_temps(temp *temps, int32_t n_temps, bool keep_values, size_t *arena_size, tdl_error *err);
static void place_apart(tdl_plan *plan, temp *temps, int32_t n_temps, bool keep_values);

tdl_status tdl_plan_place(tdl_plan *plan, const tdl_plan_desc *desc, const tdl_allocator *mem, tdl_error *err) {
    bool apart = desc->device->backend->temps_apart;
    tdl_status status = place_fixed(plan, err);
    if (status != TDL_OK) return status;
    int32_t n_temps = 0;
    temp *temps = tdl_alloc(mem, (size_t)plan->n_values, sizeof *temps);
    int32_t *temp_of = tdl_alloc(mem, (size_t)plan->n_values, sizeof *temp_of); // value -> temp; -1: none
    if (!temps || !temp_of) {
        status = tdl_fail(err, TDL_ERROR_MEMORY, "plan: no memory to place %d values", plan->n_values);
        goto cleanup;
    }
    find_lives(plan, temps, temp_of, &n_temps);
    if (!desc->keep_values && !apart) share_in_place(plan, temps, temp_of);
    if (apart) place_apart(plan, temps, n_temps, desc->keep_values);
    else status = place_temps(temps, n_temps, desc->keep_values, &plan->buffer_sizes[TDL_BUFFER_ARENA], err);
    if (status != TDL_OK) goto cleanup;
    for (int32_t i = 0; i < plan->n_values; i++) {
        tdl_value *value = &plan->values[i];
        int32_t root = root_of(plan, i);
        size_t offset = 0; // of a view in its root
        for (int32_t v = i; plan->values[v].base >= 0; v = plan->values[v].base) offset += plan->values[v].base_offset;
        if (plan->values[root].kind == TDL_VALUE_TEMP) {
            const temp *t = temp_of[root] >= 0 ? &temps[temp_of[root]] : NULL;
            value->buffer = t ? t->buffer : TDL_BUFFER_ARENA;
            value->offset = (t ? t->offset : 0) + offset;
        } else if (root != i) {
            value->buffer = plan->values[root].buffer;
            value->offset = plan->values[root].offset + offset;
        }
    }
cleanup:
    tdl_free(mem, temps);
    tdl_free(mem, temp_of);
    return status;
}

// Step inputs into the step buffer; every used weight and state gets a buffer.
static tdl_status place_fixed(tdl_plan *plan, tdl_error *err) {
    size_t step_size = 0;
    for (int32_t i = 0; i < plan->n_values; i++) {
        tdl_value *value = &plan->values[i];
        size_t size = tdl_tensor_size(&value->tensor);
        if (value->base >= 0) continue;
        if (value->kind == TDL_VALUE_STEP) {
            value->buffer = TDL_BUFFER_STEP;
            value->offset = step_size;
            if (!tdl_add_size(step_size, size, &step_size) || !tdl_align_size(step_size, PLACE_ALIGN, &step_size))
                return tdl_fail(err, TDL_ERROR_LIMIT, "plan: the step's inputs do not fit memory");
        } else if (value->buffer == TDL_BUFFER_BOUND) { // marked as used by tdl_plan_create
            value->buffer = plan->n_buffers;
            plan->buffer_value[plan->n_buffers] = i;
            plan->buffer_sizes[plan->n_buffers++] =
                value->layout != TDL_LAYOUT_TILE16 ? size : tdl_layout_size(value->layout, &value->tensor);
        }
    }
    plan->buffer_sizes[TDL_BUFFER_STEP] = step_size;
    return TDL_OK;
}

static int32_t root_of(const tdl_plan *plan, int32_t id) {
    while (plan->values[id].base >= 0) id = plan->values[id].base;
    return id;
}

static void find_lives(const tdl_plan *plan, temp *temps, int32_t *temp_of, int32_t *n_temps) {
    for (int32_t i = 0; i < plan->n_values; i++) temp_of[i] = -1;
    for (int32_t i = 0; i < plan->n_ops; i++) {
        const tdl_plan_op *op = &plan->ops[i];
        for (int32_t j = 0; j < op->n_out; j++) {
            int32_t id = root_of(plan, op->out[j]);
            if (plan->values[id].kind != TDL_VALUE_TEMP) continue;
            if (temp_of[id] >= 0) {
                temps[temp_of[id]].last = i; // written in parts
                continue;
            }
            temp_of[id] = (*n_temps)++;
            temps[temp_of[id]] =
                (temp){.id = id, .first = i, .last = i, .size = tdl_tensor_extent(&plan->values[id].tensor)};
        }
        for (int32_t j = 0; j < op->n_in; j++) {
            int32_t id = root_of(plan, op->in[j]);
            if (temp_of[id] >= 0) temps[temp_of[id]].last = i;
        }
    }
    int32_t output = plan->output >= 0 ? temp_of[root_of(plan, plan->output)] : -1;
    if (output >= 0) temps[output].last = plan->n_ops;
}

// Lets out[0] of an in-place op be the same temp as the input that dies there.
static void share_in_place(const tdl_plan *plan, temp *temps, int32_t *temp_of) {
    for (int32_t i = 0; i < plan->n_ops; i++) {
        const tdl_plan_op *op = &plan->ops[i];
        int32_t from = tdl_op_get(op->op)->in_place;
        if (from < 0) continue;
        int32_t in = root_of(plan, op->in[from]), out = op->out[0];
        if (temp_of[in] < 0 || temp_of[out] < 0) continue;
        temp *a = &temps[temp_of[in]], *b = &temps[temp_of[out]];
        bool whole = tdl_tensor_contiguous(&plan->values[op->in[from]].tensor) && a->size == b->size;
        bool read_twice = false;
        for (int32_t j = 0; j < op->n_in; j++) read_twice |= j != from && root_of(plan, op->in[j]) == in;
        if (a == b || !whole || read_twice || a->last != i || b->first != i) continue;
        a->last = b->last;
        b->size = 0; // nobody's any more
        int32_t merged = temp_of[in], gone = temp_of[out];
        for (int32_t v = 0; v < plan->n_values; v++)
            if (temp_of[v] == gone) temp_of[v] = merged;
    }
}

// First fit: each temp, in the order they come to life, takes the lowest offset where no temp alive at the same time lies.
static tdl_status place_temps(temp *temps, int32_t n_temps, bool keep_values, size_t *arena_size, tdl_error *err) {
    *arena_size = PLACE_ALIGN; // a plan without temps still has an arena
    for (int32_t i = 0; i < n_temps; i++) {
        temp *t = &temps[i];
        if (!t->size) continue;
        for (bool moved = true; moved;) {
            moved = false;
            for (int32_t j = 0; j < i; j++) {
                const temp *other = &temps[j];
                bool apart = !other->size || (!keep_values && (other->last < t->first || t->last < other->first)) ||
                             t->offset + t->size <= other->offset || other->offset + other->size <= t->offset;
                if (apart) continue;
                if (!tdl_align_size(other->offset + other->size, PLACE_ALIGN, &t->offset))
                    return tdl_fail(err, TDL_ERROR_LIMIT, "plan: the activations do not fit memory");
                moved = true;
            }
        }
        size_t end;
        if (!tdl_add_size(t->offset, t->size, &end) || !tdl_align_size(end, PLACE_ALIGN, &end))
            return tdl_fail(err, TDL_ERROR_LIMIT, "plan: the activations do not fit memory");
        if (end > *arena_size) *arena_size = end;
    }
    return TDL_OK;
}

// The buffer with the least room that is enough, else the one with the most, which grows.
static void place_apart(tdl_plan *plan, temp *temps, int32_t n_temps, bool keep_values) {
    int32_t first = plan->n_buffers; // the first of these buffers
    for (int32_t i = 0; i < n_temps; i++) {
        temp *t = &temps[i];
        size_t *sizes = plan->buffer_sizes;
        int32_t best = -1;
        for (int32_t b = first; b < plan->n_buffers && !keep_values; b++) {
            bool taken = false;
            for (int32_t j = 0; j < i; j++) taken |= temps[j].buffer == b && temps[j].last >= t->first;
            if (taken) continue;
            bool fits = sizes[b] >= t->size;
            if (best < 0 || (fits ? sizes[best] < t->size || sizes[b] < sizes[best] : sizes[b] > sizes[best])) best = b;
        }
        if (best < 0) {
            best = plan->n_buffers++;
            plan->buffer_value[best] = -1;
        }
        if (sizes[best] < t->size) sizes[best] = t->size;
        t->buffer = best;
    }
}
