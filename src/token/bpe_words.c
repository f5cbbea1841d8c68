// SPDX-License-Identifier: MIT
// bpe_words.c - see bpe_words.h.
#include "token/bpe_words.h"

#include "base/hash.h"
#include "base/limits.h"

#include <string.h>

enum { SLOTS_MIN = 1 << 12 };

static int32_t *find_slot(const tdl_bpe_words *w, tdl_text word);
static bool grow(tdl_bpe_words *w);
static void drop_rare(tdl_bpe_words *w);
static void index_words(tdl_bpe_words *w);

void tdl_bpe_words_init(tdl_bpe_words *words, const tdl_allocator *mem, size_t size_max) {
    *words = (tdl_bpe_words){
        .mem = mem, .bytes = tdl_str_make(mem), .words = tdl_vec_make(mem, sizeof(tdl_bpe_word)), .size_max = size_max};
}

void tdl_bpe_words_deinit(tdl_bpe_words *words) {
    if (!words->mem) return;
    tdl_str_deinit(&words->bytes);
    tdl_vec_deinit(&words->words);
    tdl_free(words->mem, words->slots);
}

bool tdl_bpe_words_count(tdl_bpe_words *w, tdl_text word) {
    if (word.size > TDL_BPE_PIECE_SIZE_MAX || word.size > w->size_max / 2) {
        w->n_lost++;
        return true;
    }
    if (4 * w->words.n >= 3 * w->n_slots && !grow(w)) return false;
    int32_t *slot = find_slot(w, word);
    if (*slot) {
        tdl_vec_at(&w->words, tdl_bpe_word, *slot - 1)->count++;
        return true;
    }
    if (word.size > w->size_max - w->bytes.size) {
        drop_rare(w);
        slot = find_slot(w, word);
    }
    tdl_bpe_word added = {.begin = (uint32_t)w->bytes.size, .size = (uint32_t)word.size, .count = 1};
    if (!tdl_vec_push(&w->words, &added, 1)) return false;
    if (!tdl_str_append(&w->bytes, word.ptr, word.size)) return false;
    *slot = (int32_t)w->words.n;
    return true;
}

// The slot of the word, or the free one where it belongs. There is always a free one.
static int32_t *find_slot(const tdl_bpe_words *w, tdl_text word) {
    const tdl_bpe_word *words = w->words.data;
    size_t i = tdl_hash_bytes(word.ptr, word.size, 0) & (w->n_slots - 1);
    for (;; i = (i + 1) & (w->n_slots - 1)) {
        if (!w->slots[i]) return &w->slots[i];
        const tdl_bpe_word *own = &words[w->slots[i] - 1];
        if (own->size == word.size && memcmp(w->bytes.ptr + own->begin, word.ptr, word.size) == 0) return &w->slots[i];
    }
}

static bool grow(tdl_bpe_words *w) {
    size_t n_slots = w->n_slots ? 2 * w->n_slots : SLOTS_MIN;
    int32_t *slots = tdl_alloc(w->mem, n_slots, sizeof *slots);
    if (!slots) return false;
    tdl_free(w->mem, w->slots);
    w->slots = slots;
    w->n_slots = n_slots;
    index_words(w);
    return true;
}

// Drops the words that occurred once, then twice, and so on, until half of the bytes are free.
static void drop_rare(tdl_bpe_words *w) {
    tdl_bpe_word *words = w->words.data;
    while (w->bytes.size > w->size_max / 2) {
        int64_t rarest = INT64_MAX;
        for (size_t i = 0; i < w->words.n; i++) rarest = words[i].count < rarest ? words[i].count : rarest;
        size_t n = 0, size = 0;
        for (size_t i = 0; i < w->words.n; i++) {
            tdl_bpe_word word = words[i];
            if (word.count == rarest) {
                w->n_lost += (uint64_t)rarest;
                continue;
            }
            memmove(w->bytes.ptr + size, w->bytes.ptr + word.begin, word.size);
            word.begin = (uint32_t)size;
            size += word.size;
            words[n++] = word;
        }
        w->words.n = n;
        w->bytes.size = size;
    }
    w->bytes.ptr[w->bytes.size] = 0;
    memset(w->slots, 0, w->n_slots * sizeof *w->slots);
    index_words(w);
}

static void index_words(tdl_bpe_words *w) {
    const tdl_bpe_word *words = w->words.data;
    for (size_t i = 0; i < w->words.n; i++) {
        *find_slot(w, tdl_text_of(w->bytes.ptr + words[i].begin, words[i].size)) = (int32_t)i + 1;
    }
}
