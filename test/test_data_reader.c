// SPDX-License-Identifier: MIT
// test_data_reader.c - batches against what their comment promises, over many shapes; shuffles; positions that resume.
#include "train/data_reader.h"

#include "base/limits.h"
#include "base/rng.h"
#include "support/fail_alloc.h"
#include "support/test_files.h"
#include "support/token_runs.h"
#include "train/shuffle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N_VOCAB = 100000, DOCUMENTS_MAX = 40 };

typedef struct data {
    uint8_t *bytes;
    tdl_token_file file;
} data;

// Ids are all different: token i has id i + 1000, so that a batch says where its tokens are from.
static data make(const size_t *sizes, size_t n_documents, bool all_counted) {
    static int32_t ids[10000];
    static uint8_t counted[10000];
    tdl_token_run run;
    tdl_rng rng = tdl_rng_make(n_documents, 7);
    data d;
    size_t size;
    int32_t id = 1000;
    tdl_error err = {0};
    tdl_token_run_init(&run, tdl_allocator_or_default(NULL));
    for (size_t i = 0; i < n_documents; i++) {
        for (size_t j = 0; j < sizes[i]; j++) {
            ids[j] = id++;
            counted[j] = all_counted || tdl_rng_u32(&rng) % 3 != 0;
        }
        test_run_add(&run, ids, counted, sizes[i]);
    }
    d.bytes = test_token_file(&run, N_VOCAB, &size);
    if (tdl_token_file_parse(d.bytes, size, &d.file, &err)) fail_msg("%s", err.message);
    tdl_token_run_deinit(&run);
    return d;
}

static data make_random(uint64_t seed, bool all_counted) {
    size_t sizes[DOCUMENTS_MAX];
    tdl_rng rng = tdl_rng_make(seed, 1);
    size_t n = 1 + tdl_rng_u32(&rng) % DOCUMENTS_MAX;
    for (size_t i = 0; i < n; i++) sizes[i] = 1 + tdl_rng_u32(&rng) % (tdl_rng_u32(&rng) % 4 ? 12 : 60);
    return make(sizes, n, all_counted);
}

static tdl_data_reader *reader_of(const tdl_data_reader_desc *desc) {
    tdl_data_reader *reader = NULL;
    tdl_error err = {0};
    if (tdl_data_reader_create(tdl_allocator_or_default(NULL), desc, &reader, &err)) fail_msg("%s", err.message);
    return reader;
}

static void check_order(const int32_t *key, const int32_t *order, int64_t n) {
    uint8_t *seen = calloc((size_t)n, 1);
    for (int64_t i = 0; i < n; i++) {
        assert_in_range(order[i], 0, n - 1);
        assert_int_equal(seen[order[i]]++, 0);
        if (i == 0) continue;
        int32_t a = order[i - 1], b = order[i];
        assert_true(key[a] < key[b] || (key[a] == key[b] && a < b));
    }
    free(seen);
}

// What one batch says of itself. `uses` [n_tokens] and `as_target` [n_tokens] count what was seen of each token.
static void check_batch(const data *d, const tdl_data_reader_desc *desc, const tdl_data_batch *b, int *uses,
                        int *as_target) {
    int64_t n_targets = 0, n_tokens = 0;
    assert_int_equal(b->n_rows, (int64_t)desc->batch * desc->seq);
    for (int64_t row = 0; row < b->n_rows; row++) {
        bool window_begins = row % desc->seq == 0;
        if (b->ids[row] == 0) { // fills up
            assert_int_equal(b->positions[row], 0);
            assert_int_equal(b->targets[row], -1);
            if (!window_begins && b->ids[row - 1] == 0) continue;
            for (int64_t r = row; r % desc->seq; r++) assert_int_equal(b->ids[r], 0); // only at a window's end
            continue;
        }
        uint64_t t = (uint64_t)b->ids[row] - 1000, document = tdl_token_file_document(&d->file, t);
        uint64_t begin = d->file.documents[document], end = d->file.documents[document + 1];
        n_tokens++;
        uses[t]++;
        bool whole = desc->packing == TDL_PACKING_WHOLE, goes_on = !window_begins && b->ids[row] == b->ids[row - 1] + 1;
        if (window_begins || t == begin || (whole && !goes_on)) assert_int_equal(b->positions[row], 0);
        else assert_int_equal(b->positions[row], b->positions[row - 1] + 1);
        if (!window_begins && !whole) assert_true(goes_on);
        if (t + 1 < end && tdl_token_file_counted(&d->file, t + 1)) {
            assert_int_equal(b->targets[row], b->ids[row] + 1);
            as_target[t + 1]++;
            n_targets++;
        } else {
            assert_int_equal(b->targets[row], -1);
        }
        bool fits = end - begin <= (uint64_t)desc->seq + 1;
        if (whole && fits) assert_int_equal(b->positions[row], t - begin); // never cut
    }
    assert_int_equal(b->n_targets, n_targets);
    assert_int_equal(b->n_tokens, n_tokens);
    check_order(b->ids, b->ids_order, b->n_rows);
    check_order(b->positions, b->positions_order, b->n_rows);
}

// Whether packing whole documents leaves the target t of document `d` out: it lies behind what a window holds of a record.
static bool is_cut(const tdl_token_file *file, uint64_t document, uint64_t t, const tdl_data_reader_desc *desc) {
    uint64_t begin = file->documents[document], last = file->documents[document + 1] - 1, n_counted = 0;
    while (last > begin && !tdl_token_file_counted(file, last)) last--;
    for (uint64_t i = begin + 1; i <= last; i++) n_counted += tdl_token_file_counted(file, i);
    bool text = n_counted == last - begin;
    return desc->packing == TDL_PACKING_WHOLE && !text && t > begin + (uint64_t)desc->seq;
}

static void check_nothing_fits(const data *d, const tdl_data_reader_desc *desc) {
    uint64_t n = desc->n_documents ? desc->n_documents : d->file.n_documents - desc->document_first;
    for (uint64_t i = desc->document_first; i < desc->document_first + n; i++)
        for (uint64_t t = d->file.documents[i] + 1; t < d->file.documents[i + 1]; t++)
            assert_true(!tdl_token_file_counted(&d->file, t) || is_cut(&d->file, i, t, desc));
}

// Over whole epochs every token of the part is used once an epoch, and is a target once an epoch where it can be. Whole documents
// are without tokens behind the last target.
static void check_epochs(const data *d, const tdl_data_reader_desc *desc, int n_epochs) {
    tdl_data_reader *reader = NULL;
    tdl_error err = {0};
    tdl_status status_of_create = tdl_data_reader_create(tdl_allocator_or_default(NULL), desc, &reader, &err);
    if (status_of_create == TDL_ERROR_ARGUMENT && desc->packing == TDL_PACKING_WHOLE) {
        check_nothing_fits(d, desc);
        return;
    }
    if (status_of_create) fail_msg("%s", err.message);
    int *uses = calloc(d->file.n_tokens, sizeof *uses), *as_target = calloc(d->file.n_tokens, sizeof *as_target);
    uint64_t n = desc->n_documents ? desc->n_documents : d->file.n_documents - desc->document_first;
    uint64_t begin = d->file.documents[desc->document_first], end = d->file.documents[desc->document_first + n];
    tdl_data_batch batch;
    tdl_status status;
    for (;;) {
        tdl_data_state state = tdl_data_reader_state(reader);
        if (state.epoch == (uint64_t)n_epochs - 1 && state.next == tdl_data_reader_n_windows(reader)) break;
        assert_true(state.epoch < (uint64_t)n_epochs);
        int64_t n_targets = tdl_data_reader_n_targets(reader, 1);
        status = tdl_data_reader_next(reader, &batch);
        assert_int_equal(status, TDL_OK);
        assert_int_equal(batch.n_targets, n_targets);
        check_batch(d, desc, &batch, uses, as_target);
    }
    if (desc->in_order) {
        assert_int_equal(tdl_data_reader_n_targets(reader, 1), 0);
        assert_int_equal(tdl_data_reader_next(reader, &batch), TDL_DONE);
        assert_int_equal(tdl_data_reader_next(reader, &batch), TDL_DONE);
    }
    for (uint64_t t = 0; t < d->file.n_tokens; t++) {
        bool in_part = t >= begin && t < end;
        uint64_t document = tdl_token_file_document(&d->file, t);
        bool first = d->file.documents[document] == t, cut = is_cut(&d->file, document, t, desc);
        if (desc->packing == TDL_PACKING_STREAM || !in_part) assert_int_equal(uses[t], in_part ? n_epochs : 0);
        else assert_true(uses[t] == 0 || uses[t] == n_epochs);
        assert_int_equal(as_target[t], in_part && !first && !cut && tdl_token_file_counted(&d->file, t) ? n_epochs : 0);
    }
    free(uses);
    free(as_target);
    tdl_data_reader_destroy(reader);
}

static void test_epochs(void **state) {
    (void)state;
    static const int32_t seqs[] = {1, 2, 5, 16, 61, 1000};
    for (uint64_t seed = 0; seed < 12; seed++) {
        data d = make_random(seed, seed % 2);
        for (size_t s = 0; s < sizeof seqs / sizeof *seqs; s++) {
            for (int packing = 0; packing < 2; packing++) {
                tdl_data_reader_desc desc = {.tokens = &d.file,
                                             .seq = seqs[s],
                                             .packing = (tdl_data_packing)packing,
                                             .seed = seed,
                                             .document_first = seed % 3 && d.file.n_documents > 4 ? 2 : 0};
                if (seed % 3 == 2 && d.file.n_documents > 4) desc.n_documents = 2;
                desc.batch = 1; // an epoch ends with a batch
                check_epochs(&d, &desc, 3);
                desc.in_order = true;
                for (desc.batch = 1; desc.batch < 5; desc.batch++) check_epochs(&d, &desc, 1);
            }
        }
        free(d.bytes);
    }
}

// By hand: documents of 3, 7 and 2 tokens in windows of 4.
static void test_by_hand(void **state) {
    (void)state;
    data d = make((size_t[]){3, 7, 2}, 3, true);
    tdl_data_reader_desc desc = {.tokens = &d.file, .batch = 2, .seq = 4, .in_order = true};
    tdl_data_batch b;
    tdl_data_reader *reader = reader_of(&desc);
    assert_int_equal(tdl_data_reader_n_targets(reader, 2), 9);
    assert_int_equal(tdl_data_reader_next(reader, &b), TDL_OK);
    assert_memory_equal(b.ids, ((int32_t[]){1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007}), 32);
    assert_memory_equal(b.targets, ((int32_t[]){1001, 1002, -1, 1004, 1005, 1006, 1007, 1008}), 32);
    assert_memory_equal(b.positions, ((int32_t[]){0, 1, 2, 0, 0, 1, 2, 3}), 32);
    assert_memory_equal(b.positions_order, ((int32_t[]){0, 3, 4, 1, 5, 2, 6, 7}), 32);
    assert_int_equal(tdl_data_reader_next(reader, &b), TDL_OK);
    assert_memory_equal(b.ids, ((int32_t[]){1008, 1009, 1010, 1011, 0, 0, 0, 0}), 32);
    assert_memory_equal(b.targets, ((int32_t[]){1009, -1, 1011, -1, -1, -1, -1, -1}), 32);
    assert_memory_equal(b.positions, ((int32_t[]){0, 1, 0, 1, 0, 0, 0, 0}), 32);
    assert_memory_equal(b.ids_order, ((int32_t[]){4, 5, 6, 7, 0, 1, 2, 3}), 32);
    assert_int_equal(b.n_targets, 2);
    assert_int_equal(b.n_tokens, 4);
    assert_int_equal(tdl_data_reader_next(reader, &b), TDL_DONE);
    tdl_data_reader_destroy(reader);

    // Two rows of the first document, then 4 and 2 of the second, which is split, one of the third: 4 | 2 + 2 | 1, and by documents.
    desc.packing = TDL_PACKING_WHOLE;
    reader = reader_of(&desc);
    assert_int_equal(tdl_data_reader_n_windows(reader), 3);
    assert_int_equal(tdl_data_reader_next(reader, &b), TDL_OK);
    assert_memory_equal(b.ids, ((int32_t[]){1000, 1001, 1007, 1008, 1003, 1004, 1005, 1006}), 32);
    assert_memory_equal(b.targets, ((int32_t[]){1001, 1002, 1008, 1009, 1004, 1005, 1006, 1007}), 32);
    assert_memory_equal(b.positions, ((int32_t[]){0, 1, 0, 1, 0, 1, 2, 3}), 32);
    assert_int_equal(tdl_data_reader_next(reader, &b), TDL_OK);
    assert_memory_equal(b.ids, ((int32_t[]){1010, 0, 0, 0, 0, 0, 0, 0}), 32);
    tdl_packed_counts counts = tdl_data_reader_packed(reader);
    assert_true(counts.n_split == 1 && counts.n_cut == 0 && counts.n_dropped == 0 && counts.n_longest == 7);
    tdl_data_reader_destroy(reader);
    free(d.bytes);
}

// A document whose first `n_prompt` tokens are not counted, nor the last `n_after`.
static void add_record(tdl_token_run *run, size_t n_prompt, size_t n_answer, size_t n_after, int32_t *id) {
    int32_t ids[64];
    uint8_t counted[64];
    size_t n = n_prompt + n_answer + n_after;
    for (size_t i = 0; i < n; i++) ids[i] = (*id)++, counted[i] = i >= n_prompt && i < n_prompt + n_answer;
    test_run_add(run, ids, counted, n);
}

// Records in windows of 8: one that fits to the token without its uncounted end; one whose answer is cut; one whose prompt fills
// the window; one of a single token; short ones that fill what is left.
static void test_records(void **state) {
    (void)state;
    int32_t id = 1000;
    size_t size;
    data d;
    tdl_token_run run;
    tdl_error err = {0};
    tdl_token_run_init(&run, tdl_allocator_or_default(NULL));
    add_record(&run, 4, 5, 2, &id);  // 1000 to 1010, rows 1000 to 1007
    add_record(&run, 3, 10, 0, &id); // 1011 to 1023, rows 1011 to 1018
    add_record(&run, 12, 3, 0, &id); // 1024 to 1038: dropped
    add_record(&run, 0, 1, 0, &id);  // 1039: dropped
    add_record(&run, 2, 2, 0, &id);  // 1040 to 1043, rows 1040 to 1042
    add_record(&run, 2, 4, 0, &id);  // 1044 to 1049, rows 1044 to 1048
    d.bytes = test_token_file(&run, N_VOCAB, &size);
    if (tdl_token_file_parse(d.bytes, size, &d.file, &err)) fail_msg("%s", err.message);
    tdl_token_run_deinit(&run);
    tdl_data_reader_desc desc = {
        .tokens = &d.file, .batch = 3, .seq = 8, .packing = TDL_PACKING_WHOLE, .in_order = true};
    tdl_data_reader *reader = reader_of(&desc);
    tdl_data_batch b;
    assert_int_equal(tdl_data_reader_n_windows(reader), 3);
    assert_int_equal(tdl_data_reader_next(reader, &b), TDL_OK);
    assert_memory_equal(b.ids, ((int32_t[]){1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, //
                                            1011, 1012, 1013, 1014, 1015, 1016, 1017, 1018, //
                                            1040, 1041, 1042, 1044, 1045, 1046, 1047, 1048}),
                        96);
    assert_memory_equal(b.targets, ((int32_t[]){-1, -1,   -1,   1004, 1005, 1006, 1007, 1008, //
                                                -1, -1,   1014, 1015, 1016, 1017, 1018, 1019, //
                                                -1, 1042, 1043, -1,   1046, 1047, 1048, 1049}),
                        96);
    assert_memory_equal(b.positions,
                        ((int32_t[]){0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 0, 1, 2, 3, 4}), 96);
    tdl_packed_counts counts = tdl_data_reader_packed(reader);
    assert_int_equal(counts.n_cut, 1);
    assert_int_equal(counts.n_tokens_cut, 4);
    assert_int_equal(counts.n_dropped, 2);
    assert_int_equal(counts.n_split, 0);
    assert_int_equal(counts.n_longest, 15);
    tdl_data_reader_destroy(reader);
    desc.document_first = 2, desc.n_documents = 2;
    assert_error(tdl_data_reader_create(tdl_allocator_or_default(NULL), &desc, &reader, &err), TDL_ERROR_ARGUMENT, &err,
                 "nothing to learn in windows of 8 tokens: of each of the 2 records");
    free(d.bytes);
}

// A window holds all but a document's last token; what is behind the last counted one needs no room. Other batches are the same
// windows.
static void test_window_and_batch(void **state) {
    (void)state;
    int32_t id = 1000;
    size_t size;
    data d;
    tdl_token_run run;
    tdl_error err = {0};
    tdl_token_run_init(&run, tdl_allocator_or_default(NULL));
    add_record(&run, 4, 5, 2, &id);
    add_record(&run, 3, 6, 0, &id);
    d.bytes = test_token_file(&run, N_VOCAB, &size);
    if (tdl_token_file_parse(d.bytes, size, &d.file, &err)) fail_msg("%s", err.message);
    tdl_token_run_deinit(&run);
    assert_int_equal(tdl_packed_window(&d.file), 8);
    tdl_data_reader_desc desc = {
        .tokens = &d.file, .batch = 1, .seq = 8, .packing = TDL_PACKING_WHOLE, .in_order = true};
    tdl_data_reader *reader = reader_of(&desc);
    tdl_data_batch b;
    assert_int_equal(tdl_data_reader_set_batch(reader, 2, &err), TDL_OK);
    assert_error(tdl_data_reader_set_batch(reader, 0, &err), TDL_ERROR_ARGUMENT, &err, "batches of 0 x 8");
    assert_int_equal(tdl_data_reader_next(reader, &b), TDL_OK);
    assert_int_equal(b.n_rows, 16);
    assert_int_equal(b.ids[0], 1000);
    assert_int_equal(b.ids[8], 1011);
    assert_int_equal(tdl_data_reader_next(reader, &b), TDL_DONE);
    tdl_data_reader_destroy(reader);
    free(d.bytes);
}

// Each document is on one side, whole; which one follows from the seed.
static void test_held_out(void **state) {
    (void)state;
    enum { N = 25 };
    size_t sizes[N];
    uint64_t sides[2] = {0};
    for (size_t i = 0; i < N; i++) sizes[i] = 2 + i % 7;
    data d = make(sizes, N, true);
    tdl_error err = {0};
    for (uint64_t seed = 0; seed < 2; seed++) {
        int seen[N] = {0};
        for (int held = 0; held < 2; held++) {
            int n_documents = 0;
            tdl_data_reader_desc desc = {
                .tokens = &d.file, .batch = 1, .seq = 8, .packing = TDL_PACKING_WHOLE, .in_order = true, .seed = seed};
            desc.n_held_out = 5, desc.held_out = held;
            tdl_data_reader *reader = reader_of(&desc);
            tdl_data_batch b;
            while (tdl_data_reader_next(reader, &b) == TDL_OK)
                for (int64_t row = 0; row < b.n_rows; row++) {
                    if (b.targets[row] < 0 || b.positions[row] != 0) continue;
                    uint64_t document = tdl_token_file_document(&d.file, (uint64_t)b.ids[row] - 1000);
                    assert_int_equal(b.ids[row] - 1000, d.file.documents[document]);
                    seen[document]++;
                    n_documents++;
                    if (held) sides[seed] |= (uint64_t)1 << document;
                }
            assert_int_equal(n_documents, held ? 5 : N - 5);
            tdl_data_state state_of = tdl_data_reader_state(reader), other;
            tdl_data_reader_destroy(reader);
            desc.n_held_out = 6; // other data
            reader = reader_of(&desc);
            other = tdl_data_reader_state(reader);
            assert_true(other.data != state_of.data);
            tdl_data_reader_destroy(reader);
        }
        for (size_t i = 0; i < N; i++) assert_int_equal(seen[i], 1);
    }
    assert_true(sides[0] != sides[1]);
    tdl_data_reader *reader = NULL;
    tdl_data_reader_desc desc = {.tokens = &d.file, .batch = 1, .seq = 8, .packing = TDL_PACKING_WHOLE};
    desc.n_held_out = N;
    assert_error(tdl_data_reader_create(tdl_allocator_or_default(NULL), &desc, &reader, &err), TDL_ERROR_ARGUMENT, &err,
                 "25 of 25 documents held out, expected fewer");
    desc.n_held_out = 2, desc.packing = TDL_PACKING_STREAM;
    assert_error(tdl_data_reader_create(tdl_allocator_or_default(NULL), &desc, &reader, &err), TDL_ERROR_ARGUMENT, &err,
                 "2 of 25 documents held out, expected fewer, and records");
    free(d.bytes);
}

// As many windows as best-fit decreasing opens when it is done slowly: each length, longest first, into the window with the least
// room that has enough.
static void test_best_fit(void **state) {
    (void)state;
    static const int32_t seqs[] = {1, 7, 63, 64, 65, 200};
    for (size_t s = 0; s < sizeof seqs / sizeof *seqs; s++) {
        enum { N = 300 };
        size_t sizes[N], rooms[N], n_windows = 0;
        size_t seq = (size_t)seqs[s];
        tdl_rng rng = tdl_rng_make(seq, 5);
        for (size_t i = 0; i < N; i++) sizes[i] = 2 + tdl_rng_u32(&rng) % seq;
        data d = make(sizes, seq > 30 ? N / 8 : N, true);
        size_t n = seq > 30 ? N / 8 : N;
        tdl_data_reader_desc desc = {.tokens = &d.file, .batch = 1, .seq = seqs[s], .packing = TDL_PACKING_WHOLE};
        tdl_data_reader *reader = reader_of(&desc);
        for (size_t length = seq; length > 0; length--) {
            for (size_t i = 0; i < n; i++) {
                if (sizes[i] - 1 != length) continue;
                size_t best = n_windows;
                for (size_t w = 0; w < n_windows; w++)
                    if (rooms[w] >= length && (best == n_windows || rooms[w] < rooms[best])) best = w;
                if (best == n_windows) rooms[n_windows++] = seq;
                rooms[best] -= length;
            }
        }
        assert_int_equal(tdl_data_reader_n_windows(reader), n_windows);
        tdl_data_reader_destroy(reader);
        free(d.bytes);
    }
}

// A batch over the end of an epoch goes on with the next one.
static void test_epochs_meet(void **state) {
    (void)state;
    data d = make((size_t[]){10}, 1, true);
    tdl_data_reader_desc desc = {.tokens = &d.file, .batch = 7, .seq = 100, .seed = 3};
    tdl_data_reader *reader = reader_of(&desc);
    tdl_data_batch b;
    assert_int_equal(tdl_data_reader_next(reader, &b), TDL_OK);
    assert_int_equal(b.n_tokens, 70);
    assert_int_equal(tdl_data_reader_state(reader).epoch, 6);
    for (int i = 0; i < 7; i++) assert_int_equal(b.ids[i * 100], 1000);
    tdl_data_reader_destroy(reader);
    free(d.bytes);
}

static void copy_batch(const tdl_data_batch *b, int32_t *copy) {
    memcpy(copy, b->ids, (size_t)b->n_rows * sizeof *copy);
    memcpy(copy + b->n_rows, b->targets, (size_t)b->n_rows * sizeof *copy);
    memcpy(copy + 2 * b->n_rows, b->positions, (size_t)b->n_rows * sizeof *copy);
}

// A state taken before batch n, and a reader with another seed: batches n and on are the same, epochs later too. And
// two batches of 2 windows are one of 4: what accumulation relies on.
static void check_resume(tdl_data_packing packing) {
    enum { T = 4 * 16, N_BATCHES = 40 };
    static int32_t expected[N_BATCHES][3 * T], got[3 * T];
    tdl_data_state states[N_BATCHES];
    tdl_error err = {0};
    tdl_data_batch b;
    data d = make_random(5, false);
    tdl_data_reader_desc desc = {.tokens = &d.file, .batch = 4, .seq = 16, .packing = packing, .seed = 42};
    tdl_data_reader *reader = reader_of(&desc);
    for (int i = 0; i < N_BATCHES; i++) {
        states[i] = tdl_data_reader_state(reader);
        assert_int_equal(tdl_data_reader_next(reader, &b), TDL_OK);
        copy_batch(&b, expected[i]);
    }
    assert_true(states[N_BATCHES - 1].epoch > 2);
    tdl_data_reader_destroy(reader);
    desc.seed = 1;
    reader = reader_of(&desc);
    for (int i = N_BATCHES - 1; i >= 0; i -= 3) {
        if (tdl_data_reader_restore(reader, &states[i], &err)) fail_msg("%s", err.message);
        for (int j = i; j < N_BATCHES && j < i + 5; j++) {
            assert_int_equal(tdl_data_reader_next(reader, &b), TDL_OK);
            copy_batch(&b, got);
            assert_memory_equal(got, expected[j], sizeof got);
        }
    }
    tdl_data_reader_destroy(reader);

    desc.seed = 42;
    desc.batch = 2;
    reader = reader_of(&desc);
    for (int i = 0; i < N_BATCHES; i++) {
        int64_t n_ahead = tdl_data_reader_n_targets(reader, 2), n = 0;
        for (int half = 0; half < 2; half++) {
            assert_int_equal(tdl_data_reader_next(reader, &b), TDL_OK);
            assert_memory_equal(b.ids, expected[i] + half * T / 2, T / 2 * sizeof(int32_t));
            assert_memory_equal(b.targets, expected[i] + T + half * T / 2, T / 2 * sizeof(int32_t));
            n += b.n_targets;
        }
        assert_int_equal(n, n_ahead);
    }
    tdl_data_reader_destroy(reader);
    free(d.bytes);
}

static void test_resume(void **state) {
    (void)state;
    check_resume(TDL_PACKING_STREAM);
    check_resume(TDL_PACKING_WHOLE);
}

static void test_bad_states(void **state) {
    (void)state;
    data d = make_random(5, false), other = make_random(6, false);
    tdl_data_reader_desc desc = {.tokens = &d.file, .batch = 4, .seq = 16};
    tdl_data_reader *reader = reader_of(&desc);
    tdl_data_state good = tdl_data_reader_state(reader), bad = good;
    tdl_error err = {0};
    bad.next = tdl_data_reader_n_windows(reader) + 2;
    assert_error(tdl_data_reader_restore(reader, &bad, &err), TDL_ERROR_ARGUMENT, &err, "a position at window");
    const tdl_data_state now = tdl_data_reader_state(reader);
    assert_memory_equal(&now, &good, sizeof good); // as it was
    tdl_data_reader_destroy(reader);
    tdl_data_reader_desc others[] = {desc, desc, desc, desc};
    others[0].tokens = &other.file;
    others[1].seq = 17;
    others[2].packing = TDL_PACKING_WHOLE;
    others[3].document_first = 1;
    for (size_t i = 0; i < 4; i++) {
        reader = reader_of(&others[i]);
        assert_error(tdl_data_reader_restore(reader, &good, &err), TDL_ERROR_ARGUMENT, &err, "other data");
        tdl_data_reader_destroy(reader);
    }
    desc.batch = 2; // how many at once is free to change
    reader = reader_of(&desc);
    assert_int_equal(tdl_data_reader_restore(reader, &good, &err), TDL_OK);
    tdl_data_reader_destroy(reader);
    free(d.bytes);
    free(other.bytes);
}

static void test_bad_descs(void **state) {
    (void)state;
    data d = make((size_t[]){10, 10}, 2, true);
    static const struct {
        int32_t batch, seq;
        uint64_t first, n;
        tdl_status status;
        const char *part;
    } cases[] = {
        {0, 16, 0, 0, TDL_ERROR_ARGUMENT, "batches of 0 x 16"},
        {4, -1, 0, 0, TDL_ERROR_ARGUMENT, "batches of 4 x -1"},
        {2, TDL_BATCH_TOKENS_MAX / 2 + 1, 0, 0, TDL_ERROR_LIMIT, "at most 4194304 in all"},
        {INT32_MAX, INT32_MAX, 0, 0, TDL_ERROR_LIMIT, "at most"},
        {2, TDL_BATCH_TOKENS_MAX / 2, 0, 0, TDL_OK, ""},
        {1, 1, 2, 0, TDL_ERROR_ARGUMENT, "0 documents from document 2, there are 2"},
        {1, 1, 1, 2, TDL_ERROR_ARGUMENT, "2 documents from document 1, there are 2"},
        {1, 1, 1, UINT64_MAX, TDL_ERROR_ARGUMENT, "from document 1, there are 2"},
        {1, 1, 1, 1, TDL_OK, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const tdl_data_reader_desc desc = {.tokens = &d.file,
                                           .batch = cases[i].batch,
                                           .seq = cases[i].seq,
                                           .document_first = cases[i].first,
                                           .n_documents = cases[i].n};
        tdl_data_reader *reader = NULL;
        tdl_error err = {0};
        tdl_status status = tdl_data_reader_create(tdl_allocator_or_default(NULL), &desc, &reader, &err);
        assert_error(status, cases[i].status, &err, cases[i].part);
        assert_int_equal(reader != NULL, status == TDL_OK);
        tdl_data_reader_destroy(reader);
    }
    free(d.bytes);
}

static void test_shuffle(void **state) {
    (void)state;
    enum { N_MAX = 700 };
    for (uint64_t n = 1; n < N_MAX; n += n < 70 ? 1 : 37) {
        for (uint64_t seed = 0; seed < 3; seed++) {
            uint8_t seen[N_MAX] = {0};
            tdl_shuffle shuffle = tdl_shuffle_make(n, seed, n);
            for (uint64_t i = 0; i < n; i++) {
                uint64_t at = tdl_shuffle_at(&shuffle, i);
                assert_true(at < n);
                assert_int_equal(seen[at]++, 0);
            }
        }
    }
    // Large ones: in range, and as many pairs in order as chance has it. Different seeds and epochs differ.
    static const uint64_t sizes[] = {100003, ((uint64_t)1 << 33) + 1, ((uint64_t)1 << 62) - 5};
    for (size_t s = 0; s < 3; s++) {
        enum { N_PAIRS = 10000 };
        tdl_shuffle a = tdl_shuffle_make(sizes[s], 1, 0), b = tdl_shuffle_make(sizes[s], 1, 1),
                    c = tdl_shuffle_make(sizes[s], 2, 0);
        int n_rising = 0, n_same = 0;
        for (uint64_t i = 0; i < N_PAIRS; i++) {
            uint64_t at = tdl_shuffle_at(&a, i);
            assert_true(at < sizes[s]);
            n_rising += at < tdl_shuffle_at(&a, i + 1);
            n_same += (at == tdl_shuffle_at(&b, i)) + (at == tdl_shuffle_at(&c, i));
        }
        assert_in_range(n_rising, N_PAIRS / 2 - 200, N_PAIRS / 2 + 200); // 4 standard deviations of a coin
        assert_true(n_same < 10);
    }
    // Where a small permutation puts its first element, over many epochs: each place about as often.
    int at[8] = {0};
    for (uint64_t epoch = 0; epoch < 8000; epoch++) {
        tdl_shuffle shuffle = tdl_shuffle_make(8, 99, epoch);
        at[tdl_shuffle_at(&shuffle, 0)]++;
        assert_true(tdl_shuffle_offset(8, 99, epoch) < 8);
    }
    for (int i = 0; i < 8; i++) assert_in_range(at[i], 850, 1150);
}

static void test_sort(void **state) {
    (void)state;
    enum { N_MAX = 3000 };
    static int32_t key[N_MAX], order[N_MAX], spare[N_MAX];
    static const int32_t limits[] = {1, 2, 2047, 2048, 2049, 100000, INT32_MAX};
    tdl_rng rng = tdl_rng_make(1, 1);
    for (size_t l = 0; l < sizeof limits / sizeof *limits; l++) {
        for (int64_t n = 0; n <= N_MAX; n = n < 4 ? n + 1 : n * 3 + 1) {
            for (int64_t i = 0; i < n; i++) key[i] = (int32_t)(tdl_rng_u32(&rng) % (uint32_t)limits[l]);
            if (n > 1) key[n / 2] = limits[l] - 1;
            tdl_rows_sort(key, n, order, spare);
            if (n) check_order(key, order, n);
        }
    }
}

static tdl_status read_one(const tdl_allocator *mem, void *arg) {
    const data *d = arg;
    const tdl_data_reader_desc desc = {.tokens = &d->file, .batch = 2, .seq = 8, .packing = TDL_PACKING_WHOLE};
    tdl_data_reader *reader = NULL;
    tdl_data_batch batch;
    tdl_error err = {0};
    tdl_status status = tdl_data_reader_create(mem, &desc, &reader, &err);
    if (status == TDL_OK) status = tdl_data_reader_next(reader, &batch);
    tdl_data_reader_destroy(reader);
    return status;
}

static void test_no_memory(void **state) {
    (void)state;
    data d = make_random(5, false);
    fail_alloc_each(read_one, &d);
    free(d.bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),          cmocka_unit_test(test_epochs),
        cmocka_unit_test(test_epochs_meet),      cmocka_unit_test(test_resume),
        cmocka_unit_test(test_bad_states),       cmocka_unit_test(test_bad_descs),
        cmocka_unit_test(test_shuffle),          cmocka_unit_test(test_sort),
        cmocka_unit_test(test_no_memory),        cmocka_unit_test(test_records),
        cmocka_unit_test(test_window_and_batch), cmocka_unit_test(test_held_out),
        cmocka_unit_test(test_best_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
