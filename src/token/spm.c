// SPDX-License-Identifier: MIT
// spm.c - SentencePiece's BPE (Kudo and Richardson, 2018): the vocabulary is the list of merges.
#include "token/spm.h"

#include "base/error.h"
#include "base/limits.h"

#include <math.h>
#include <string.h>

static uint32_t order_of(float score);
static bool push_pair(const tdl_spm *spm, const char *text, tdl_merge_queue *q, int32_t left);

tdl_status tdl_spm_init(tdl_spm *spm, const tdl_vocab *vocab, const tdl_tokenizer_desc *desc, tdl_error *err) {
    *spm = (tdl_spm){.mem = desc->mem, .vocab = vocab};
    if (!desc->scores) return tdl_fail(err, TDL_ERROR_FORMAT, "tokenizer: a SentencePiece vocabulary without scores");
    spm->orders = tdl_alloc(desc->mem, vocab->n, sizeof *spm->orders);
    if (!spm->orders) return tdl_fail(err, TDL_ERROR_MEMORY, "tokenizer: no memory for %zu scores", vocab->n);
    for (size_t i = 0; i < vocab->n; i++) {
        if (isnan(desc->scores[i])) {
            return tdl_fail(err, TDL_ERROR_FORMAT, "tokenizer: token %zu: its score is not a number", i);
        }
        spm->orders[i] = order_of(desc->scores[i]);
    }
    return TDL_OK;
}

void tdl_spm_deinit(tdl_spm *spm) {
    if (spm->mem) tdl_free(spm->mem, spm->orders);
}

bool tdl_spm_merge_all(const tdl_spm *spm, const char *text, tdl_merge_queue *q) {
    q->candidates.n = 0;
    for (size_t i = 0; i + 1 < q->symbols.n; i++) {
        if (!push_pair(spm, text, q, (int32_t)i)) return false;
    }
    while (q->candidates.n) {
        tdl_candidate c = tdl_merge_queue_pop(q);
        if (!tdl_merge_queue_holds(q, &c)) continue;
        int32_t left = (int32_t)(uint32_t)c.order, prev = tdl_vec_at(&q->symbols, tdl_symbol, left)->prev;
        tdl_merge_queue_merge(q, left, c.merged);
        if (prev >= 0 && !push_pair(spm, text, q, prev)) return false;
        if (!push_pair(spm, text, q, left)) return false;
    }
    return true;
}

// Pushes the pair of symbol `left` and its neighbour, if their text is a token.
static bool push_pair(const tdl_spm *spm, const char *text, tdl_merge_queue *q, int32_t left) {
    const tdl_symbol *symbols = q->symbols.data, *l = &symbols[left];
    if (l->next < 0) return true;
    const tdl_symbol *r = &symbols[l->next];
    if (r->end - l->begin > TDL_TOKEN_SIZE_MAX) return true;
    int32_t id = tdl_vocab_find_mergeable(spm->vocab, tdl_text_of(text + l->begin, r->end - l->begin));
    if (id < 0) return true;
    return tdl_merge_queue_push(q, (tdl_candidate){.order = (uint64_t)spm->orders[id] << 32 | (uint32_t)left,
                                                   .left_end = l->end,
                                                   .right_end = r->end,
                                                   .merged = id});
}

// A float's bits as a number that falls as the float rises.
static uint32_t order_of(float score) {
    uint32_t bits;
    score += 0.0f; // -0 and 0 are equal
    memcpy(&bits, &score, sizeof bits);
    return bits >> 31 ? bits : ~(bits | 0x80000000u);
}
