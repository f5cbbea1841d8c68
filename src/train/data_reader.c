// SPDX-License-Identifier: MIT
// data_reader.c - see data_reader.h.
//
// A window is an interval of the stream, so a batch is a few copies and a search for the document it begins in. In a
// stream of n tokens, window i of an epoch is [i seq - shift, (i + 1) seq - shift), as far as that lies in the stream;
// the shift below seq depends on the epoch. With whole documents a window is several intervals, found once (packing.h).
#include "train/data_reader.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/limits.h"

#include <string.h>

enum { SORT_BITS = 11 }; // a digit: two passes sort any vocabulary

struct tdl_data_reader {
    const tdl_allocator *mem;
    tdl_data_reader_desc desc;
    uint64_t begin, end; // tokens of the file that are read
    tdl_packed packed;   // WHOLE
    tdl_data_state state;
    // of the epoch
    uint64_t shift, n_windows;
    tdl_shuffle shuffle;
    int32_t *ids, *targets, *positions, *ids_order, *positions_order, *spare; // [T], one allocation
};

// Tokens of the file: one interval in a stream, else pieces.
typedef struct window {
    tdl_packed_piece interval;
    const tdl_packed_piece *pieces; // [n]
    size_t n;
} window;

static tdl_status check_desc(const tdl_data_reader_desc *desc, tdl_error *err);
static tdl_status make_rows(tdl_data_reader *reader, tdl_error *err);
static tdl_status no_memory(const tdl_data_reader_desc *desc, tdl_error *err);
static void enter_epoch(tdl_data_reader *reader);
static bool next_window(tdl_data_reader *reader, window *out);
static void fill_piece(tdl_data_reader *reader, tdl_packed_piece piece, size_t row);
static int64_t count_targets(const tdl_data_reader *reader, const window *w);

tdl_status tdl_data_reader_create(const tdl_allocator *mem, const tdl_data_reader_desc *desc, tdl_data_reader **out,
                                  tdl_error *err) {
    tdl_status status = check_desc(desc, err);
    if (status != TDL_OK) return status;
    const tdl_token_file *tokens = desc->tokens;
    tdl_data_reader *reader = tdl_alloc(mem, 1, sizeof *reader);
    if (!reader) return no_memory(desc, err);
    *reader = (tdl_data_reader){.mem = mem, .desc = *desc};
    status = make_rows(reader, err);
    if (status != TDL_OK) {
        tdl_data_reader_destroy(reader);
        return status;
    }
    if (reader->desc.n_documents == 0) reader->desc.n_documents = tokens->n_documents - desc->document_first;
    reader->begin = tokens->documents[reader->desc.document_first];
    reader->end = tokens->documents[reader->desc.document_first + reader->desc.n_documents];
    if (desc->packing == TDL_PACKING_WHOLE) {
        const tdl_held_out side = tdl_held_out_make(tokens->n_documents, desc->n_held_out, desc->seed, desc->held_out);
        status = tdl_packed_init(mem, tokens, desc->document_first, reader->desc.n_documents, &side,
                                 (uint32_t)desc->seq, &reader->packed, err);
        if (status == TDL_OK && !tdl_packed_n_windows(&reader->packed))
            status =
                tdl_fail(err, TDL_ERROR_ARGUMENT,
                         "data: nothing to learn in windows of %d tokens: of each of the %llu records the first %d "
                         "tokens have none that is counted; the longest record has %llu",
                         desc->seq, (unsigned long long)reader->desc.n_documents, desc->seq + 1,
                         (unsigned long long)reader->packed.counts.n_longest);
        if (status != TDL_OK) {
            tdl_data_reader_destroy(reader);
            return status;
        }
    }
    const uint64_t how[] = {reader->begin, reader->end, (uint64_t)desc->seq, (uint64_t)desc->packing, desc->in_order};
    reader->state = (tdl_data_state){.data = tdl_hash_bytes(how, sizeof how, tokens->checksum), .seed = desc->seed};
    if (desc->n_held_out) {
        const uint64_t split[] = {desc->n_held_out, desc->seed, desc->held_out};
        reader->state.data = tdl_hash_bytes(split, sizeof split, reader->state.data);
    }
    enter_epoch(reader);
    *out = reader;
    return TDL_OK;
}

tdl_status tdl_data_reader_set_batch(tdl_data_reader *reader, int32_t batch, tdl_error *err) {
    const tdl_data_reader_desc before = reader->desc;
    int32_t *rows = reader->ids;
    reader->desc.batch = batch;
    tdl_status status = check_desc(&reader->desc, err);
    if (status == TDL_OK) status = make_rows(reader, err);
    if (status == TDL_OK) tdl_free(reader->mem, rows);
    else reader->desc = before;
    return status;
}

// What a batch is written to, in place of what was there.
static tdl_status make_rows(tdl_data_reader *reader, tdl_error *err) {
    size_t n_rows = (size_t)reader->desc.batch * (size_t)reader->desc.seq;
    int32_t *rows = tdl_alloc(reader->mem, n_rows, 6 * sizeof *rows);
    if (!rows) return no_memory(&reader->desc, err);
    reader->ids = rows;
    reader->targets = rows + n_rows;
    reader->positions = rows + 2 * n_rows;
    reader->ids_order = rows + 3 * n_rows;
    reader->positions_order = rows + 4 * n_rows;
    reader->spare = rows + 5 * n_rows;
    return TDL_OK;
}

static tdl_status no_memory(const tdl_data_reader_desc *desc, tdl_error *err) {
    return tdl_fail(err, TDL_ERROR_MEMORY, "data: no memory for batches of %d x %d tokens", desc->batch, desc->seq);
}

void tdl_data_reader_destroy(tdl_data_reader *reader) {
    if (!reader) return;
    tdl_packed_deinit(&reader->packed);
    tdl_free(reader->mem, reader->ids); // and what lies behind
    tdl_free(reader->mem, reader);
}

tdl_status tdl_data_reader_next(tdl_data_reader *reader, tdl_data_batch *out) {
    int32_t batch = reader->desc.batch, seq = reader->desc.seq;
    size_t n_rows = (size_t)batch * (size_t)seq;
    tdl_data_batch made = {.n_rows = (int64_t)n_rows,
                           .ids = reader->ids,
                           .targets = reader->targets,
                           .positions = reader->positions,
                           .ids_order = reader->ids_order,
                           .positions_order = reader->positions_order};
    if (reader->desc.in_order && reader->state.next == reader->n_windows) return TDL_DONE;
    memset(reader->ids, 0, n_rows * sizeof *reader->ids);
    memset(reader->targets, 0xFF, n_rows * sizeof *reader->targets);
    memset(reader->positions, 0, n_rows * sizeof *reader->positions);
    for (int32_t i = 0; i < batch; i++) {
        window w;
        if (!next_window(reader, &w)) break;
        made.n_targets += count_targets(reader, &w);
        size_t row = (size_t)i * (size_t)seq;
        for (size_t k = 0; k < w.n; row += w.pieces[k++].n) {
            fill_piece(reader, w.pieces[k], row);
            made.n_tokens += w.pieces[k].n;
        }
    }
    tdl_rows_sort(reader->ids, made.n_rows, reader->ids_order, reader->spare);
    tdl_rows_sort(reader->positions, made.n_rows, reader->positions_order, reader->spare);
    *out = made;
    return TDL_OK;
}

int64_t tdl_data_reader_n_targets(const tdl_data_reader *reader, int32_t n_batches) {
    tdl_data_reader ahead = *reader; // only its place in the data moves
    int64_t n = 0;
    window w;
    for (int64_t i = (int64_t)n_batches * reader->desc.batch; i > 0 && next_window(&ahead, &w); i--) {
        n += count_targets(reader, &w);
    }
    return n;
}

uint64_t tdl_data_reader_n_windows(const tdl_data_reader *reader) { return reader->n_windows; }

tdl_packed_counts tdl_data_reader_packed(const tdl_data_reader *reader) { return reader->packed.counts; }

tdl_data_state tdl_data_reader_state(const tdl_data_reader *reader) { return reader->state; }

tdl_status tdl_data_reader_restore(tdl_data_reader *reader, const tdl_data_state *state, tdl_error *err) {
    if (state->data != reader->state.data) {
        return tdl_fail(err, TDL_ERROR_ARGUMENT,
                        "data: the position is one in other data, or with another length of sequence or packing: the "
                        "files of the run have to be those it began with");
    }
    tdl_data_state before = reader->state;
    reader->state = *state;
    enter_epoch(reader);
    if (state->next <= reader->n_windows) return TDL_OK;
    tdl_status status = tdl_fail(err, TDL_ERROR_ARGUMENT, "data: a position at window %llu of %llu",
                                 (unsigned long long)state->next, (unsigned long long)reader->n_windows);
    reader->state = before;
    enter_epoch(reader);
    return status;
}

static tdl_status check_desc(const tdl_data_reader_desc *desc, tdl_error *err) {
    uint64_t n_documents = desc->tokens->n_documents;
    if (desc->batch < 1 || desc->seq < 1) {
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "data: batches of %d x %d tokens, at least 1 x 1 expected",
                        desc->batch, desc->seq);
    }
    if ((int64_t)desc->batch * desc->seq > TDL_BATCH_TOKENS_MAX) {
        return tdl_fail(err, TDL_ERROR_LIMIT, "data: batches of %d x %d tokens, at most %d in all", desc->batch,
                        desc->seq, TDL_BATCH_TOKENS_MAX);
    }
    if (desc->n_held_out && (desc->packing != TDL_PACKING_WHOLE || desc->n_held_out >= n_documents)) {
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "data: %llu of %llu documents held out, expected fewer, and records",
                        (unsigned long long)desc->n_held_out, (unsigned long long)n_documents);
    }
    if (desc->document_first >= n_documents || desc->n_documents > n_documents - desc->document_first) {
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "data: %llu documents from document %llu, there are %llu",
                        (unsigned long long)desc->n_documents, (unsigned long long)desc->document_first,
                        (unsigned long long)n_documents);
    }
    return TDL_OK;
}

// ---- windows

static void enter_epoch(tdl_data_reader *reader) {
    uint64_t n_tokens = reader->end - reader->begin, seq = (uint64_t)reader->desc.seq;
    const tdl_data_state *state = &reader->state;
    bool shifts = !reader->desc.in_order && reader->desc.packing == TDL_PACKING_STREAM && n_tokens > seq;
    reader->shift = shifts ? tdl_shuffle_offset(seq, state->seed, state->epoch) : 0;
    reader->n_windows = (n_tokens + reader->shift + seq - 1) / seq;
    if (reader->desc.packing == TDL_PACKING_WHOLE) reader->n_windows = tdl_packed_n_windows(&reader->packed);
    reader->shuffle = tdl_shuffle_make(reader->n_windows, state->seed, state->epoch);
}

// false: in order, and there is none.
static bool next_window(tdl_data_reader *reader, window *out) {
    if (reader->state.next == reader->n_windows) {
        if (reader->desc.in_order) return false;
        reader->state.epoch++;
        reader->state.next = 0;
        enter_epoch(reader);
    }
    uint64_t i = reader->state.next++, seq = (uint64_t)reader->desc.seq;
    if (!reader->desc.in_order) i = tdl_shuffle_at(&reader->shuffle, i);
    if (reader->desc.packing == TDL_PACKING_WHOLE) {
        const uint64_t *firsts = reader->packed.firsts.data;
        out->pieces = tdl_vec_at(&reader->packed.pieces, tdl_packed_piece, firsts[i]);
        out->n = (size_t)(firsts[i + 1] - firsts[i]);
        return true;
    }
    uint64_t end = reader->begin + (i + 1) * seq - reader->shift, begin = i > 0 ? end - seq : reader->begin;
    if (end > reader->end) end = reader->end;
    *out = (window){.interval = {.begin = begin, .n = (uint32_t)(end - begin)}, .n = 1};
    out->pieces = &out->interval;
    return true;
}

// ids, targets and positions of tokens that lie one after another, from `row` on.
static void fill_piece(tdl_data_reader *reader, tdl_packed_piece piece, size_t row) {
    const tdl_token_file *tokens = reader->desc.tokens;
    uint64_t document = tdl_token_file_document(tokens, piece.begin), first = piece.begin;
    for (uint64_t i = piece.begin; i < piece.begin + piece.n; i++, row++) {
        if (i == tokens->documents[document + 1]) {
            document++;
            first = i;
        }
        reader->ids[row] = tdl_token_file_id(tokens, i);
        reader->positions[row] = (int32_t)(i - first);
        bool has_target = i + 1 < tokens->documents[document + 1] && tdl_token_file_counted(tokens, i + 1);
        if (has_target) reader->targets[row] = tdl_token_file_id(tokens, i + 1);
    }
}

// Of the targets of fill_piece, those that are not -1: tokens (begin, begin + n] that are no document's first.
static int64_t count_targets(const tdl_data_reader *reader, const window *w) {
    const tdl_token_file *tokens = reader->desc.tokens;
    int64_t n = 0;
    for (size_t k = 0; k < w->n; k++) {
        uint64_t begin = w->pieces[k].begin, document = tdl_token_file_document(tokens, begin);
        for (uint64_t i = begin + 1; i <= begin + w->pieces[k].n && i < tokens->n_tokens; i++) {
            if (i == tokens->documents[document + 1]) document++;
            else n += tdl_token_file_counted(tokens, i);
        }
    }
    return n;
}

void tdl_rows_sort(const int32_t *key, int64_t n, int32_t *order, int32_t *spare) {
    enum { N_DIGITS = 1 << SORT_BITS };
    int64_t starts[N_DIGITS];
    int32_t max = 0, *from = order, *to = spare;
    for (int64_t i = 0; i < n; i++) {
        order[i] = (int32_t)i;
        if (key[i] > max) max = key[i];
    }
    for (int shift = 0; shift < 31 && max >> shift > 0; shift += SORT_BITS) { // lowest digit first, each pass stable
        memset(starts, 0, sizeof starts);
        for (int64_t i = 0; i < n; i++) starts[key[i] >> shift & (N_DIGITS - 1)]++;
        int64_t sum = 0;
        for (int d = 0; d < N_DIGITS; d++) {
            int64_t count = starts[d];
            starts[d] = sum;
            sum += count;
        }
        for (int64_t i = 0; i < n; i++) to[starts[key[from[i]] >> shift & (N_DIGITS - 1)]++] = from[i];
        int32_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != order) memcpy(order, from, (size_t)n * sizeof *order);
}
