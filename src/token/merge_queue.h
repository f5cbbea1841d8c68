// SPDX-License-Identifier: MIT
// merge_queue.h - what both BPE schemes merge with: a chain of symbols, and a heap of the pairs that may merge.
//
// Merging is greedy: always the pair of the best rank, of equal ones the leftmost. A pair enters the heap when its two
// symbols become neighbours and is not taken out when one of them merges elsewhere; whoever pops it looks whether it is
// still there. Each merge adds two pairs at most, so n symbols take O(n log n).
#ifndef TDL_TOKEN_MERGE_QUEUE_H
#define TDL_TOKEN_MERGE_QUEUE_H

#include "base/alloc.h"

typedef struct tdl_symbol {
    int32_t id;          // of the token; -1: none yet
    uint32_t begin, end; // in the text
    int32_t prev, next;  // in the chain; -1: none. A symbol that merged into its left neighbour has begin == end
} tdl_symbol;

typedef struct tdl_candidate {
    uint64_t order;               // rank << 32 | left: the smallest is best
    uint32_t left_end, right_end; // of the two symbols: a symbol only grows, so others mean that the pair is gone
    int32_t merged;               // the token it becomes
} tdl_candidate;

typedef struct tdl_merge_queue {
    tdl_vec symbols;    // tdl_symbol
    tdl_vec candidates; // tdl_candidate, a binary heap
} tdl_merge_queue;

static inline void tdl_merge_queue_init(tdl_merge_queue *q, const tdl_allocator *mem) {
    q->symbols = tdl_vec_make(mem, sizeof(tdl_symbol));
    q->candidates = tdl_vec_make(mem, sizeof(tdl_candidate));
}

static inline void tdl_merge_queue_deinit(tdl_merge_queue *q) {
    tdl_vec_deinit(&q->symbols);
    tdl_vec_deinit(&q->candidates);
}

// Room for one element more; these run too often for a call to the vector each.
static inline void *tdl_merge_queue_add(tdl_vec *vec, size_t element_size) {
    if (vec->n == vec->n_max && !tdl_vec_reserve(vec, vec->n * 2 + 64)) return NULL;
    return (char *)vec->data + vec->n++ * element_size;
}

// Appends a symbol to the chain; false where memory ran out.
static inline bool tdl_merge_queue_symbol(tdl_merge_queue *q, int32_t id, size_t begin, size_t end) {
    int32_t i = (int32_t)q->symbols.n;
    tdl_symbol *symbol = tdl_merge_queue_add(&q->symbols, sizeof *symbol);
    if (!symbol) return false;
    *symbol = (tdl_symbol){.id = id, .begin = (uint32_t)begin, .end = (uint32_t)end, .prev = i - 1, .next = -1};
    if (i > 0) tdl_vec_at(&q->symbols, tdl_symbol, i - 1)->next = i;
    return true;
}

// Merges `left` with its right neighbour into token `id`.
static inline void tdl_merge_queue_merge(tdl_merge_queue *q, int32_t left, int32_t id) {
    tdl_symbol *symbols = q->symbols.data, *l = &symbols[left], *r = &symbols[l->next];
    l->id = id;
    l->end = r->end;
    r->begin = r->end;
    r->id = -1;
    l->next = r->next;
    if (l->next >= 0) symbols[l->next].prev = left;
}

static inline bool tdl_merge_queue_push(tdl_merge_queue *q, tdl_candidate candidate) {
    if (!tdl_merge_queue_add(&q->candidates, sizeof candidate)) return false;
    tdl_candidate *heap = q->candidates.data;
    size_t i = q->candidates.n - 1;
    for (; i > 0 && heap[(i - 1) / 2].order > candidate.order; i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    heap[i] = candidate;
    return true;
}

// Whether the candidate's two symbols are still there and neighbours.
static inline bool tdl_merge_queue_holds(const tdl_merge_queue *q, const tdl_candidate *c) {
    const tdl_symbol *symbols = q->symbols.data, *l = &symbols[(uint32_t)c->order];
    return l->begin < l->end && l->end == c->left_end && l->next >= 0 && symbols[l->next].end == c->right_end;
}

// Takes the best one out; the queue must not be empty.
static inline tdl_candidate tdl_merge_queue_pop(tdl_merge_queue *q) {
    tdl_candidate *heap = q->candidates.data, best = heap[0];
    size_t n = --q->candidates.n, i = 0;
    tdl_candidate last = heap[n];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && heap[child + 1].order < heap[child].order) child++;
        if (heap[child].order >= last.order) break;
        heap[i] = heap[child];
    }
    heap[i] = last;
    return best;
}

#endif
