// SPDX-License-Identifier: MIT
// bpe.c - byte-pair encoding with ranked merges (Sennrich et al., 2016; GPT-2's form).
//
// Merges are looked up by the pair of ids, so that merging handles no text at all. When the table is built, the three
// texts of each merge are looked up once; the merged one is guessed first: vocabularies list merged tokens in the order
// of the merges, with one or several merges for each.
#include "token/bpe.h"

#include "base/error.h"
#include "base/limits.h"

#include <string.h>

enum { AHEAD = 16 };

static tdl_status read_merge(const tdl_tokenizer_desc *desc, size_t i, tdl_text *left, tdl_text *right, tdl_error *err);
static tdl_status find_merge_ids(const tdl_vocab *vocab, size_t i, tdl_text left, tdl_text right, int32_t guess,
                                 tdl_str *joined, tdl_bpe_merge *out, tdl_error *err);
static bool is_joined(tdl_text text, tdl_text left, tdl_text right);
static tdl_status fail_merge(tdl_error *err, size_t i, tdl_text left, tdl_text right, tdl_text missing);
static void put_merge(tdl_bpe *bpe, const tdl_bpe_merge *merge);
static tdl_bpe_merge *find_slot(const tdl_bpe *bpe, int32_t left, int32_t right);
static tdl_bpe_merge *first_slot(const tdl_bpe *bpe, int32_t left, int32_t right);
static bool push_pair(const tdl_bpe *bpe, tdl_merge_queue *q, int32_t left);

tdl_status tdl_bpe_init(tdl_bpe *bpe, const tdl_vocab *vocab, const tdl_tokenizer_desc *desc, tdl_error *err) {
    tdl_status status = TDL_OK;
    tdl_str joined = tdl_str_make(desc->mem);
    int32_t guess = 0;
    *bpe = (tdl_bpe){.mem = desc->mem, .n_bits = 4};
    while (((size_t)1 << bpe->n_bits) / 4 * 3 < desc->n_merges) bpe->n_bits++;
    bpe->slots = tdl_alloc(desc->mem, (size_t)1 << bpe->n_bits, sizeof *bpe->slots);
    if (!bpe->slots) {
        status = tdl_fail(err, TDL_ERROR_MEMORY, "tokenizer: no memory for %zu merges", desc->n_merges);
        goto cleanup;
    }
    // Three stages, AHEAD merges apart, so that each finds in the cache what the one before it asked for.
    tdl_bpe_merge ring[AHEAD];
    for (size_t i = 0; i < desc->n_merges + 2 * AHEAD; i++) {
        tdl_text left = {0}, right = {0};
        if (i >= 2 * AHEAD) put_merge(bpe, &ring[i % AHEAD]);
        if (i >= AHEAD && i - AHEAD < desc->n_merges) {
            size_t k = i - AHEAD;
            tdl_bpe_merge *merge = &ring[k % AHEAD];
            if ((status = read_merge(desc, k, &left, &right, err)) < 0) goto cleanup;
            if ((status = find_merge_ids(vocab, k, left, right, guess, &joined, merge, err)) < 0) goto cleanup;
            guess = merge->merged;
            __builtin_prefetch(first_slot(bpe, merge->left, merge->right), 1);
        }
        if (i < desc->n_merges && read_merge(desc, i, &left, &right, NULL) == TDL_OK) {
            tdl_map_prefetch(&vocab->ids, left);
            tdl_map_prefetch(&vocab->ids, right);
        }
    }
cleanup:
    tdl_str_deinit(&joined);
    return status;
}

void tdl_bpe_deinit(tdl_bpe *bpe) {
    if (bpe->mem) tdl_free(bpe->mem, bpe->slots);
}

bool tdl_bpe_merge_all(const tdl_bpe *bpe, tdl_merge_queue *q) {
    q->candidates.n = 0;
    for (size_t i = 0; i + 1 < q->symbols.n; i++) {
        if (!push_pair(bpe, q, (int32_t)i)) return false;
    }
    while (q->candidates.n) {
        tdl_candidate c = tdl_merge_queue_pop(q);
        if (!tdl_merge_queue_holds(q, &c)) continue;
        int32_t left = (int32_t)(uint32_t)c.order, prev = tdl_vec_at(&q->symbols, tdl_symbol, left)->prev;
        tdl_merge_queue_merge(q, left, c.merged);
        if (prev >= 0 && !push_pair(bpe, q, prev)) return false;
        if (!push_pair(bpe, q, left)) return false;
    }
    return true;
}

// Pushes the pair of symbol `left` and its neighbour, if it merges.
static bool push_pair(const tdl_bpe *bpe, tdl_merge_queue *q, int32_t left) {
    const tdl_symbol *symbols = q->symbols.data, *l = &symbols[left];
    if (l->next < 0) return true;
    const tdl_symbol *r = &symbols[l->next];
    const tdl_bpe_merge *merge = find_slot(bpe, l->id, r->id);
    if (merge->number == 0) return true;
    return tdl_merge_queue_push(q, (tdl_candidate){.order = (uint64_t)merge->number << 32 | (uint32_t)left,
                                                   .left_end = l->end,
                                                   .right_end = r->end,
                                                   .merged = merge->merged});
}

static void put_merge(tdl_bpe *bpe, const tdl_bpe_merge *merge) {
    tdl_bpe_merge *slot = find_slot(bpe, merge->left, merge->right);
    if (slot->number == 0) *slot = *merge;
}

// The pair's slot, or the free one where it belongs. There is always a free one.
static tdl_bpe_merge *find_slot(const tdl_bpe *bpe, int32_t left, int32_t right) {
    size_t mask = ((size_t)1 << bpe->n_bits) - 1;
    tdl_bpe_merge *slot = first_slot(bpe, left, right);
    while (slot->number && (slot->left != left || slot->right != right)) {
        slot = &bpe->slots[((size_t)(slot - bpe->slots) + 1) & mask];
    }
    return slot;
}

static tdl_bpe_merge *first_slot(const tdl_bpe *bpe, int32_t left, int32_t right) {
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    return &bpe->slots[(key ^ key >> 29) * 0x9E3779B97F4A7C15u >> (64 - bpe->n_bits)];
}

static tdl_status read_merge(const tdl_tokenizer_desc *desc, size_t i, tdl_text *left, tdl_text *right,
                             tdl_error *err) {
    if (desc->merge_pairs) {
        *left = desc->merge_pairs[2 * i];
        *right = desc->merge_pairs[2 * i + 1];
        return TDL_OK;
    }
    tdl_text text = desc->merges[i];
    // The left token may be a space itself: look from its second byte on.
    const char *space = text.size > 2 ? memchr(text.ptr + 1, ' ', text.size - 1) : NULL;
    if (!space) {
        return tdl_fail(err, TDL_ERROR_FORMAT, "tokenizer: merge %zu: '%.*s', expected two tokens with a space between",
                        i, (int)(text.size < 200 ? text.size : 200), text.ptr);
    }
    *left = tdl_text_of(text.ptr, (size_t)(space - text.ptr));
    *right = tdl_text_of(space + 1, text.size - left->size - 1);
    return TDL_OK;
}

// The merge's ids. The merged one's may be `guess` or the next.
static tdl_status find_merge_ids(const tdl_vocab *vocab, size_t i, tdl_text left, tdl_text right, int32_t guess,
                                 tdl_str *joined, tdl_bpe_merge *out, tdl_error *err) {
    *out = (tdl_bpe_merge){.number = (uint32_t)i + 1};
    if (!tdl_map_get(&vocab->ids, left, &out->left)) return fail_merge(err, i, left, right, left);
    if (!tdl_map_get(&vocab->ids, right, &out->right)) return fail_merge(err, i, left, right, right);
    for (int32_t id = guess; id < guess + 2 && (size_t)id < vocab->n; id++) {
        out->merged = id;
        if (is_joined(tdl_vocab_text(vocab, id), left, right)) return TDL_OK;
    }
    tdl_str_clear(joined);
    tdl_str_append(joined, left.ptr, left.size);
    if (!tdl_str_append(joined, right.ptr, right.size)) {
        return tdl_fail(err, TDL_ERROR_MEMORY, "tokenizer: no memory for merge %zu", i);
    }
    tdl_text text = tdl_text_of(joined->ptr, joined->size);
    return tdl_map_get(&vocab->ids, text, &out->merged) ? TDL_OK : fail_merge(err, i, left, right, text);
}

static bool is_joined(tdl_text text, tdl_text left, tdl_text right) {
    return text.size == left.size + right.size && memcmp(text.ptr, left.ptr, left.size) == 0 &&
           memcmp(text.ptr + left.size, right.ptr, right.size) == 0;
}

static tdl_status fail_merge(tdl_error *err, size_t i, tdl_text left, tdl_text right, tdl_text missing) {
    enum { SHOWN_MAX = 80 };
#define SHOWN(text) (int)((text).size < SHOWN_MAX ? (text).size : SHOWN_MAX), (text).ptr
    return tdl_fail(err, TDL_ERROR_FORMAT, "tokenizer: merge %zu, '%.*s' + '%.*s': the vocabulary has no token '%.*s'",
                    i, SHOWN(left), SHOWN(right), SHOWN(missing));
#undef SHOWN
}
