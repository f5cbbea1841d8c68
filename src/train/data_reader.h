// SPDX-License-Identifier: MIT
// data_reader.h - batches for training and evaluation out of tokenized data.
//
//     while (tdl_data_reader_next(reader, &batch) == TDL_OK) ... batch.ids, batch.targets, batch.positions ...
//
// A batch is `batch` windows of `seq` tokens. Records are packed whole (packing.h). Of texts the tokens of all documents are one
// stream; a window is a piece of it and may hold several documents and parts of them. Positions begin at 0 with each document and with each window, which is
// how a plan tells what may attend to what: a document that goes on in the next window begins there anew. The target of
// a token is the one that follows it, also when that one lies in the next window; -1 where the document ends there or
// the loss does not count it. So in an epoch every counted token that is no document's first is a target once.
//
// Training visits the windows of an epoch in an order that depends on seed and epoch alone (shuffle.h), and cuts the
// stream at other places in every epoch. The position in all that is a small struct: a checkpoint stores it, and a reader
// that is given it goes on at the exact window.
#ifndef TDL_TRAIN_DATA_READER_H
#define TDL_TRAIN_DATA_READER_H

#include "train/packing.h"

typedef enum tdl_data_packing {
    TDL_PACKING_STREAM = 0, // windows are cut from the stream wherever they end: full, but for the epoch's ends
    TDL_PACKING_WHOLE,      // a document that fits a window is not cut: windows end early, the same in every epoch
} tdl_data_packing;

typedef struct tdl_data_reader_desc {
    const tdl_token_file *tokens; // borrowed until destroy
    int32_t batch, seq;           // windows, tokens each; their product at most TDL_BATCH_TOKENS_MAX
    tdl_data_packing packing;
    bool in_order; // each window once from the first to the last, then DONE: for evaluation. Default: shuffled, no end
    uint64_t seed; // of the shuffle
    uint64_t document_first, n_documents; // a part of the data; default: all
    uint64_t n_held_out; // with WHOLE: so many documents of the file, which follow from the seed, are left out,
    bool held_out;       // or they alone are read
} tdl_data_reader_desc;

// T = batch * seq. Borrowed from the reader until its next call. Tokens that fill up a window or a batch are id 0, each
// a document of its own at position 0, with target -1.
typedef struct tdl_data_batch {
    int64_t n_rows;           // T
    const int32_t *ids;       // [T]
    const int32_t *targets;   // [T] id, or -1: not counted
    const int32_t *positions; // [T] below seq
    // [T] rows sorted by id, and by position; equal ones by row. For the gradients of embeddings.
    const int32_t *ids_order, *positions_order;
    int64_t n_targets; // that are counted
    int64_t n_tokens;  // without those that fill up
} tdl_data_batch;

// Where a reader stands: plain numbers, for a checkpoint.
typedef struct tdl_data_state {
    uint64_t data; // a hash of the tokens and of how windows are cut: a state fits no other data
    uint64_t seed, epoch;
    uint64_t next; // window of the epoch, in visiting order
} tdl_data_state;

typedef struct tdl_data_reader tdl_data_reader;

// Errors: ARGUMENT (also: in such windows nothing is counted), LIMIT, MEMORY.
tdl_status tdl_data_reader_create(const tdl_allocator *mem, const tdl_data_reader_desc *desc, tdl_data_reader **out,
                                  tdl_error *err);
void tdl_data_reader_destroy(tdl_data_reader *reader); // accepts NULL
// Batches of so many windows from now on. Errors: ARGUMENT, LIMIT, MEMORY; nothing is changed then.
tdl_status tdl_data_reader_set_batch(tdl_data_reader *reader, int32_t batch, tdl_error *err);
// OK or, in order only, DONE.
tdl_status tdl_data_reader_next(tdl_data_reader *reader, tdl_data_batch *out);
// Counted targets of the next n batches together, which stay to be read: what an accumulated gradient is divided by.
int64_t tdl_data_reader_n_targets(const tdl_data_reader *reader, int32_t n_batches);
// Windows of the epoch that the reader is in.
uint64_t tdl_data_reader_n_windows(const tdl_data_reader *reader);
// What became of the documents; zeros for a stream.
tdl_packed_counts tdl_data_reader_packed(const tdl_data_reader *reader);

tdl_data_state tdl_data_reader_state(const tdl_data_reader *reader);
// Goes on where the state was taken, with its seed. Errors: ARGUMENT (of other data).
tdl_status tdl_data_reader_restore(tdl_data_reader *reader, const tdl_data_state *state, tdl_error *err);

// order [n]: the rows 0 .. n - 1 sorted by key [n] >= 0, equal ones by row. spare [n].
void tdl_rows_sort(const int32_t *key, int64_t n, int32_t *order, int32_t *spare);

#endif
