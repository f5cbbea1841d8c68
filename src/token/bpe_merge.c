// SPDX-License-Identifier: MIT
// bpe_merge.c - the merges of a BPE trainer.
//
// Every pair of neighbouring tokens has the list of the nodes where it begins, and a heap has the pairs by their counts. A
// merge walks its pair's list, and each occurrence changes the lists of the pairs with its two neighbours: so all merges
// together take time in proportion to the counted bytes, whatever the size of the vocabulary. Entries of the heap are not
// changed when a count falls: an entry whose count is not its pair's is put back with the right one when it comes up.
//
// No two merges make the same bytes. All occurrences of a pair are merged at once, from left to right, so two stretches of
// text with the same bytes, neither of which was merged with what is around it, are the same tokens at any time. Hence a new
// token is a new id, and all occurrences of a pair come to be in the one merge that made the later of its tokens.
#include "token/bpe_train_impl.h"

#include "base/error.h"

#include <assert.h>

enum { MERGES_A_CALL = 256, PAIR_SLOTS_MIN = 1 << 12 };

static bool begin(tdl_bpe_trainer *t);
static bool add_word(tdl_bpe_trainer *t, size_t word, const int32_t *byte_ids);
static bool merge_best(tdl_bpe_trainer *t, bool *done);
static bool merge_pair(tdl_bpe_trainer *t, int32_t pair);
static bool apply(tdl_bpe_trainer *t, int32_t pair, int32_t id);
static bool merge_at(tdl_bpe_trainer *t, int32_t at, int32_t id);
static bool rank_pairs(tdl_bpe_trainer *t);
static bool link_pair(tdl_bpe_trainer *t, int32_t at);
static void unlink_pair(tdl_bpe_trainer *t, int32_t at);
static int32_t *find_slot(const tdl_bpe_trainer *t, int32_t left, int32_t right);
static bool grow_slots(tdl_bpe_trainer *t);
static bool heap_push(tdl_bpe_trainer *t, tdl_bpe_entry entry);
static tdl_bpe_entry heap_pop(tdl_bpe_trainer *t);

tdl_status tdl_bpe_trainer_merge(tdl_bpe_trainer *t, tdl_error *err) {
    bool ok = t->merging || begin(t), done = false;
    for (int i = 0; i < MERGES_A_CALL && ok && !done; i++) ok = merge_best(t, &done);
    if (!ok)
        return tdl_fail(err, TDL_ERROR_MEMORY, "tokenizer training: no memory for %zu distinct pieces",
                        t->words.words.n);
    return done ? TDL_DONE : TDL_PENDING;
}

// ---- setting up

static bool begin(tdl_bpe_trainer *t) {
    const tdl_bpe_word *words = t->words.words.data;
    size_t n = 0;
    int32_t byte_ids[256];
    for (int32_t id = t->n_specials; id < t->n_specials + 256; id++)
        byte_ids[(unsigned char)*tdl_bpe_trainer_token(t, id).ptr] = id;
    if (!t->pair_slots && !grow_slots(t)) return false;
    for (size_t i = 0; i < t->words.words.n; i++) n += words[i].size;
    if (!(t->nodes = tdl_alloc(t->mem, n, sizeof *t->nodes))) return false;
    t->merging = true;
    for (size_t i = 0; i < t->words.words.n; i++)
        if (!add_word(t, i, byte_ids)) return false;
    return rank_pairs(t);
}

static bool add_word(tdl_bpe_trainer *t, size_t word, const int32_t *byte_ids) {
    const tdl_bpe_word *w = tdl_vec_at(&t->words.words, tdl_bpe_word, word);
    int32_t first = (int32_t)t->n_nodes, size = (int32_t)w->size;
    for (int32_t i = 0; i < size; i++) {
        t->nodes[first + i] = (tdl_bpe_node){.id = byte_ids[(unsigned char)t->words.bytes.ptr[w->begin + (uint32_t)i]],
                                             .prev = i ? first + i - 1 : -1,
                                             .next = i + 1 < size ? first + i + 1 : -1,
                                             .pair_prev = -1,
                                             .pair_next = -1,
                                             .word = (int32_t)word};
    }
    t->n_nodes += w->size;
    for (int32_t i = 0; i + 1 < size; i++)
        if (!link_pair(t, first + i)) return false;
    return true;
}

// ---- merging

static bool merge_best(tdl_bpe_trainer *t, bool *done) {
    while (t->heap.n && (int32_t)t->tokens.n < t->n_vocab) {
        tdl_bpe_entry entry = heap_pop(t);
        int64_t count = tdl_vec_at(&t->pairs, tdl_bpe_pair, entry.pair)->count;
        if (entry.count == count) return merge_pair(t, entry.pair);
        entry.count = count;
        if (count >= t->count_min && !heap_push(t, entry)) return false;
    }
    *done = true;
    return true;
}

// A pair that would be spelled as a special token is passed over, and does not come again.
static bool merge_pair(tdl_bpe_trainer *t, int32_t pair) {
    const tdl_bpe_pair *p = tdl_vec_at(&t->pairs, tdl_bpe_pair, pair);
    tdl_bpe_merge_ids merge = {p->left, p->right};
    int32_t id, special;
    if (!tdl_bpe_add_token(t, tdl_bpe_trainer_token(t, p->left), tdl_bpe_trainer_token(t, p->right), &id)) return false;
    if (tdl_map_get(&t->taken, tdl_bpe_trainer_token(t, id), &special)) {
        t->tokens.n--;
        return true;
    }
    return tdl_vec_push(&t->merges, &merge, 1) && apply(t, pair, id) && rank_pairs(t);
}

// From left to right: "aaa" has the pair of "a" and "a" twice, and becomes "aa" and "a".
static bool apply(tdl_bpe_trainer *t, int32_t pair, int32_t id) {
    const tdl_bpe_pair *p = tdl_vec_at(&t->pairs, tdl_bpe_pair, pair);
    int32_t left = p->left, right = p->right;
    t->positions.n = 0;
    for (int32_t at = p->head; at >= 0; at = t->nodes[at].pair_next)
        if (!tdl_vec_push(&t->positions, &at, 1)) return false;
    const int32_t *positions = t->positions.data;
    for (size_t i = 0; i < t->positions.n; i++) {
        const tdl_bpe_node *node = &t->nodes[positions[i]];
        if (node->id != left || node->next < 0 || t->nodes[node->next].id != right) continue;
        if (!merge_at(t, positions[i], id)) return false;
    }
    return true;
}

static bool merge_at(tdl_bpe_trainer *t, int32_t at, int32_t id) {
    tdl_bpe_node *node = &t->nodes[at], *gone = &t->nodes[node->next];
    int32_t prev = node->prev;
    if (prev >= 0) unlink_pair(t, prev);
    if (gone->next >= 0) unlink_pair(t, node->next);
    unlink_pair(t, at);
    node->id = id;
    node->next = gone->next;
    gone->id = -1;
    if (node->next >= 0) t->nodes[node->next].prev = at;
    return (prev < 0 || link_pair(t, prev)) && (node->next < 0 || link_pair(t, at));
}

// Puts the pairs that this merge made into the heap.
static bool rank_pairs(tdl_bpe_trainer *t) {
    for (; t->n_pairs_ranked < t->pairs.n; t->n_pairs_ranked++) {
        const tdl_bpe_pair *p = tdl_vec_at(&t->pairs, tdl_bpe_pair, t->n_pairs_ranked);
        tdl_bpe_entry entry = {
            .count = p->count, .left = p->left, .right = p->right, .pair = (int32_t)t->n_pairs_ranked};
        if (p->count >= t->count_min && !heap_push(t, entry)) return false;
    }
    return true;
}

// ---- pairs

// Appends the node to the list of the pair that begins there.
static bool link_pair(tdl_bpe_trainer *t, int32_t at) {
    tdl_bpe_node *node = &t->nodes[at];
    int32_t left = node->id, right = t->nodes[node->next].id;
    if (4 * t->pairs.n >= 3 * t->n_pair_slots && !grow_slots(t)) return false;
    int32_t *slot = find_slot(t, left, right);
    if (!*slot) {
        tdl_bpe_pair added = {.left = left, .right = right, .head = -1, .tail = -1};
        if (!tdl_vec_push(&t->pairs, &added, 1)) return false;
        *slot = (int32_t)t->pairs.n;
    }
    int32_t pair = *slot - 1;
    tdl_bpe_pair *p = tdl_vec_at(&t->pairs, tdl_bpe_pair, pair);
    assert((size_t)pair >= t->n_pairs_ranked);
    p->count += tdl_vec_at(&t->words.words, tdl_bpe_word, node->word)->count;
    node->pair_prev = p->tail;
    node->pair_next = -1;
    if (p->tail >= 0) t->nodes[p->tail].pair_next = at;
    else p->head = at;
    p->tail = at;
    return true;
}

static void unlink_pair(tdl_bpe_trainer *t, int32_t at) {
    const tdl_bpe_node *node = &t->nodes[at];
    tdl_bpe_pair *p = tdl_vec_at(&t->pairs, tdl_bpe_pair, *find_slot(t, node->id, t->nodes[node->next].id) - 1);
    p->count -= tdl_vec_at(&t->words.words, tdl_bpe_word, node->word)->count;
    if (node->pair_prev >= 0) t->nodes[node->pair_prev].pair_next = node->pair_next;
    else p->head = node->pair_next;
    if (node->pair_next >= 0) t->nodes[node->pair_next].pair_prev = node->pair_prev;
    else p->tail = node->pair_prev;
}

// The slot of the pair, or the free one where it belongs. There is always a free one.
static int32_t *find_slot(const tdl_bpe_trainer *t, int32_t left, int32_t right) {
    const tdl_bpe_pair *pairs = t->pairs.data;
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    size_t mask = t->n_pair_slots - 1, i = (size_t)((key ^ key >> 29) * 0x9E3779B97F4A7C15u >> 32) & mask;
    for (;; i = (i + 1) & mask) {
        int32_t *slot = &t->pair_slots[i];
        if (!*slot || (pairs[*slot - 1].left == left && pairs[*slot - 1].right == right)) return slot;
    }
}

static bool grow_slots(tdl_bpe_trainer *t) {
    size_t n = t->n_pair_slots ? 2 * t->n_pair_slots : PAIR_SLOTS_MIN;
    int32_t *slots = tdl_alloc(t->mem, n, sizeof *slots);
    if (!slots) return false;
    tdl_free(t->mem, t->pair_slots);
    t->pair_slots = slots;
    t->n_pair_slots = n;
    for (size_t i = 0; i < t->pairs.n; i++) {
        const tdl_bpe_pair *p = tdl_vec_at(&t->pairs, tdl_bpe_pair, i);
        *find_slot(t, p->left, p->right) = (int32_t)i + 1;
    }
    return true;
}

// ---- the heap

static bool before(const tdl_bpe_entry *a, const tdl_bpe_entry *b) {
    if (a->count != b->count) return a->count > b->count;
    return a->left != b->left ? a->left < b->left : a->right < b->right;
}

static bool heap_push(tdl_bpe_trainer *t, tdl_bpe_entry entry) {
    if (!tdl_vec_push(&t->heap, &entry, 1)) return false;
    tdl_bpe_entry *heap = t->heap.data;
    size_t i = t->heap.n - 1;
    for (; i > 0 && before(&entry, &heap[(i - 1) / 2]); i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    heap[i] = entry;
    return true;
}

// Takes the best one out; the heap must not be empty.
static tdl_bpe_entry heap_pop(tdl_bpe_trainer *t) {
    tdl_bpe_entry *heap = t->heap.data, best = heap[0];
    size_t n = --t->heap.n, i = 0;
    tdl_bpe_entry last = heap[n];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && before(&heap[child + 1], &heap[child])) child++;
        if (!before(&heap[child], &last)) break;
        heap[i] = heap[child];
    }
    heap[i] = last;
    return best;
}
