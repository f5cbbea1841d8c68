// SPDX-License-Identifier: MIT
// packing.c - see packing.h.
//
// Pieces are sorted by length with one counting sort. Windows that are open are kept in lists by the room they have left, and a
// bitmap says which rooms have a list, so that the fullest window with room enough is the next set bit.
#include "train/packing.h"

#include "base/error.h"

#include <string.h>

enum { WORD_BITS = 64 };
static const uint32_t NONE = UINT32_MAX;

// Open windows by room.
typedef struct rooms {
    uint32_t seq;
    uint64_t *bits;  // [seq / 64 + 1] bit r: heads[r] is a window
    uint32_t *heads; // [seq + 1]
    uint32_t *next;  // [n_pieces] of the windows
} rooms;

static tdl_status list_pieces(tdl_packed *packed, const tdl_token_file *tokens, uint64_t first, uint64_t n,
                              const tdl_held_out *side, uint32_t seq, tdl_error *err);
static bool add_document(tdl_packed *packed, const tdl_token_file *tokens, uint64_t begin, uint64_t end, uint32_t seq);
static bool add_piece(tdl_packed *packed, uint64_t begin, uint64_t n);
static void sort_by_length(const tdl_packed *packed, uint32_t seq, uint32_t *starts, uint32_t *order);
static uint32_t choose_windows(const tdl_packed *packed, const uint32_t *order, rooms *open, uint32_t *windows);
static bool order_windows(tdl_packed *packed, uint32_t n_windows, uint32_t *windows, uint32_t *numbers);
static uint32_t take_window(rooms *open, uint32_t n, uint32_t *room);
static void put_window(rooms *open, uint32_t window, uint32_t room);

tdl_status tdl_packed_init(const tdl_allocator *mem, const tdl_token_file *tokens, uint64_t first, uint64_t n,
                           const tdl_held_out *side, uint32_t seq, tdl_packed *out, tdl_error *err) {
    tdl_packed packed = {.pieces = tdl_vec_make(mem, sizeof(tdl_packed_piece)),
                         .firsts = tdl_vec_make(mem, sizeof(uint64_t))};
    rooms open = {.seq = seq};
    uint32_t *order = NULL, *windows = NULL;
    bool done = false;
    tdl_status status = list_pieces(&packed, tokens, first, n, side, seq, err);
    if (status != TDL_OK || packed.pieces.n == 0) goto cleanup;
    size_t n_pieces = packed.pieces.n;
    open.bits = tdl_alloc(mem, seq / WORD_BITS + 1, sizeof *open.bits);
    open.heads = tdl_alloc(mem, (size_t)seq + 1, sizeof *open.heads);
    open.next = tdl_alloc(mem, n_pieces, sizeof *open.next);
    order = tdl_alloc(mem, n_pieces, sizeof *order);
    windows = tdl_alloc(mem, n_pieces, sizeof *windows);
    if (open.bits && open.heads && open.next && order && windows) {
        sort_by_length(&packed, seq, open.heads, order); // which are not in use yet
        uint32_t n_windows = choose_windows(&packed, order, &open, windows);
        done = order_windows(&packed, n_windows, windows, order);
    }
    if (!done) status = tdl_fail(err, TDL_ERROR_MEMORY, "data: no memory to pack %zu documents", n_pieces);
cleanup:
    tdl_free(mem, open.bits);
    tdl_free(mem, open.heads);
    tdl_free(mem, open.next);
    tdl_free(mem, order);
    tdl_free(mem, windows);
    if (status == TDL_OK) *out = packed;
    else tdl_packed_deinit(&packed);
    return status;
}

void tdl_packed_deinit(tdl_packed *packed) {
    tdl_vec_deinit(&packed->pieces);
    tdl_vec_deinit(&packed->firsts);
}

// ---- pieces

static tdl_status list_pieces(tdl_packed *packed, const tdl_token_file *tokens, uint64_t first, uint64_t n,
                              const tdl_held_out *side, uint32_t seq, tdl_error *err) {
    for (uint64_t i = first; i < first + n; i++)
        if (tdl_held_out_has(side, i) &&
            !add_document(packed, tokens, tokens->documents[i], tokens->documents[i + 1], seq))
            return tdl_fail(err, TDL_ERROR_MEMORY, "data: no memory to list %llu documents", (unsigned long long)n);
    if (packed->pieces.n < NONE) return TDL_OK;
    return tdl_fail(err, TDL_ERROR_LIMIT, "data: %zu pieces of %u tokens, at most %u", packed->pieces.n, seq, NONE - 1);
}

// The last counted token of [begin, end), or begin.
static uint64_t last_counted(const tdl_token_file *tokens, uint64_t begin, uint64_t end) {
    uint64_t last = end - 1;
    while (last > begin && !tdl_token_file_counted(tokens, last)) last--;
    return last;
}

uint64_t tdl_packed_window(const tdl_token_file *tokens) {
    uint64_t n = 0;
    for (uint64_t i = 0; i < tokens->n_documents; i++) {
        uint64_t begin = tokens->documents[i], last = last_counted(tokens, begin, tokens->documents[i + 1]);
        if (last - begin > n) n = last - begin;
    }
    return n;
}

static bool add_document(tdl_packed *packed, const tdl_token_file *tokens, uint64_t begin, uint64_t end, uint32_t seq) {
    tdl_packed_counts *counts = &packed->counts;
    uint64_t last = last_counted(tokens, begin, end);
    if (end - begin > counts->n_longest) counts->n_longest = end - begin;
    if (last == begin) {
        counts->n_dropped++;
        return true;
    }
    if (last - begin <= seq) return add_piece(packed, begin, last - begin);
    uint64_t n_counted = 0, limit = begin + seq;
    for (uint64_t i = begin + 1; i <= last; i++) n_counted += tdl_token_file_counted(tokens, i);
    if (n_counted == last - begin) { // a text
        counts->n_split++;
        for (uint64_t at = begin; at < last; at += seq)
            if (!add_piece(packed, at, last - at < seq ? last - at : seq)) return false;
        return true;
    }
    while (limit > begin && !tdl_token_file_counted(tokens, limit)) limit--;
    if (limit == begin) {
        counts->n_dropped++;
        return true;
    }
    counts->n_cut++;
    counts->n_tokens_cut += last - (begin + seq);
    return add_piece(packed, begin, limit - begin);
}

static bool add_piece(tdl_packed *packed, uint64_t begin, uint64_t n) {
    return tdl_vec_push(&packed->pieces, &(tdl_packed_piece){.begin = begin, .n = (uint32_t)n}, 1);
}

// ---- best fit

// order: the pieces' numbers, longest first, equal ones in their order. starts [seq + 1].
static void sort_by_length(const tdl_packed *packed, uint32_t seq, uint32_t *starts, uint32_t *order) {
    const tdl_packed_piece *pieces = packed->pieces.data;
    uint32_t n_before = 0;
    memset(starts, 0, ((size_t)seq + 1) * sizeof *starts);
    for (size_t i = 0; i < packed->pieces.n; i++) starts[pieces[i].n]++;
    for (uint32_t length = seq + 1; length-- > 0;) {
        uint32_t n = starts[length];
        starts[length] = n_before;
        n_before += n;
    }
    for (size_t i = 0; i < packed->pieces.n; i++) order[starts[pieces[i].n]++] = (uint32_t)i;
}

// windows[piece]: the number of its window, of those that were opened, which are returned.
static uint32_t choose_windows(const tdl_packed *packed, const uint32_t *order, rooms *open, uint32_t *windows) {
    const tdl_packed_piece *pieces = packed->pieces.data;
    uint32_t n_windows = 0;
    memset(open->bits, 0, ((size_t)open->seq / WORD_BITS + 1) * sizeof *open->bits);
    memset(open->heads, 0xFF, ((size_t)open->seq + 1) * sizeof *open->heads);
    for (size_t i = 0; i < packed->pieces.n; i++) {
        uint32_t n = pieces[order[i]].n, room = open->seq;
        uint32_t window = take_window(open, n, &room);
        if (window == NONE) window = n_windows++;
        windows[order[i]] = window;
        put_window(open, window, room - n);
    }
    return n_windows;
}

// The window with the least room that has at least n, which is taken out of its list; NONE and *room as it was: there is none.
static uint32_t take_window(rooms *open, uint32_t n, uint32_t *room) {
    uint32_t n_words = open->seq / WORD_BITS + 1;
    for (uint32_t w = n / WORD_BITS; w < n_words; w++) {
        uint64_t bits = open->bits[w];
        if (w == n / WORD_BITS) bits &= UINT64_MAX << n % WORD_BITS;
        if (!bits) continue;
        *room = w * WORD_BITS + (uint32_t)__builtin_ctzll(bits);
        uint32_t window = open->heads[*room];
        open->heads[*room] = open->next[window];
        if (open->heads[*room] == NONE) open->bits[w] &= ~((uint64_t)1 << *room % WORD_BITS);
        return window;
    }
    return NONE;
}

static void put_window(rooms *open, uint32_t window, uint32_t room) {
    open->next[window] = open->heads[room];
    open->heads[room] = window;
    open->bits[room / WORD_BITS] |= (uint64_t)1 << room % WORD_BITS;
}

// Numbers the windows by their first pieces and puts the pieces of each side by side. numbers [n_pieces]: spare.
static bool order_windows(tdl_packed *packed, uint32_t n_windows, uint32_t *windows, uint32_t *numbers) {
    size_t n_pieces = packed->pieces.n;
    uint32_t n_seen = 0;
    tdl_vec sorted = tdl_vec_make(packed->pieces.mem, sizeof(tdl_packed_piece));
    if (!tdl_vec_reserve(&sorted, n_pieces) || !tdl_vec_reserve(&packed->firsts, (size_t)n_windows + 1)) {
        tdl_vec_deinit(&sorted);
        return false;
    }
    memset(numbers, 0xFF, n_windows * sizeof *numbers);
    uint64_t *firsts = packed->firsts.data; // first their counts, then where they end, then where they begin
    memset(firsts, 0, ((size_t)n_windows + 1) * sizeof *firsts);
    for (size_t i = 0; i < n_pieces; i++) {
        if (numbers[windows[i]] == NONE) numbers[windows[i]] = n_seen++;
        windows[i] = numbers[windows[i]];
        firsts[windows[i]]++;
    }
    for (uint32_t w = 0; w < n_windows; w++) firsts[w] += w ? firsts[w - 1] : 0;
    firsts[n_windows] = n_pieces;
    tdl_packed_piece *to = sorted.data;
    for (size_t i = n_pieces; i-- > 0;) to[--firsts[windows[i]]] = *tdl_vec_at(&packed->pieces, tdl_packed_piece, i);
    sorted.n = n_pieces;
    packed->firsts.n = (size_t)n_windows + 1;
    tdl_vec_deinit(&packed->pieces);
    packed->pieces = sorted;
    return true;
}
