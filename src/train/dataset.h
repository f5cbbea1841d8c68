// SPDX-License-Identifier: MIT
// dataset.h - training data: text and JSONL files, tokenized once, memory-mapped.
//
//     tdl_dataset *dataset = NULL;
//     const tdl_dataset_desc desc = {.paths = paths, .n_paths = n, .tokenizer = tokenizer, .cache_dir = "run/cache"};
//     if (tdl_dataset_open(mem, &desc, &dataset, &err) != TDL_OK) ...
//     ... a reader of data_reader.h gives batches; several readers may share a dataset ...
//     tdl_dataset_close(dataset);
//
// A text file is documents with NUL bytes, or another separator, between them; a JSONL file a record a line, a JSON file one
// array of them (data_record.h). Documents begin with the beginning-of-sequence token where the tokenizer adds one, and end with the
// end-of-sequence token where it has one.
//
// The ids go to a token file (token_file.h) in the cache directory, named after the sources' paths, the tokenizer and
// the options. It is used again while the sources keep size and time of change; a stale or damaged one is made anew.
// One such file can also be given itself, in place of its sources; then it has to be of the same tokenizer.
#ifndef TDL_TRAIN_DATASET_H
#define TDL_TRAIN_DATASET_H

#include "train/data_source.h"
#include "train/token_file.h"

typedef struct tdl_dataset tdl_dataset;

typedef struct tdl_dataset_desc {
    const char *const *paths; // [n_paths], in this order
    size_t n_paths;
    tdl_data_format format;                        // of all of them; default: by their names
    tdl_text separator;                            // between the documents of a text file; default: one NUL byte
    const tdl_tokenizer *tokenizer;                // used during open only
    int32_t n_vocab;                               // of the model: ids have to be below; default: the tokenizer's
    const char *cache_dir;                         // an existing directory
    int32_t n_threads;                             // for tokenizing; default: one a core
    bool (*progress)(void *user, double fraction); // called while tokenizing; returning false cancels it
    void *progress_user;
} tdl_dataset_desc;

// All of desc is borrowed for the call; mem until close. Errors: ARGUMENT, IO, FORMAT, UNSUPPORTED, LIMIT, MEMORY,
// DEVICE (threads), CANCELLED.
tdl_status tdl_dataset_open(const tdl_allocator *mem, const tdl_dataset_desc *desc, tdl_dataset **out, tdl_error *err);
void tdl_dataset_close(tdl_dataset *dataset); // accepts NULL
// Whether a large file of tokens, which is mapped, is all there still: to be asked before tokens are read. Errors: IO.
tdl_status tdl_dataset_check(const tdl_dataset *dataset, tdl_error *err);
// Borrowed from the dataset, as what is in it.
const tdl_token_file *tdl_dataset_tokens(const tdl_dataset *dataset);
const char *tdl_dataset_cache_path(const tdl_dataset *dataset);
bool tdl_dataset_was_cached(const tdl_dataset *dataset); // the file was there already
// Whether there are text files among them; of a token file nobody knows, and it has none.
bool tdl_dataset_has_texts(const tdl_dataset *dataset);
// How many of the files are text by their names and begin as records do; the first one's path, perhaps cut.
size_t tdl_dataset_n_like_json(const tdl_dataset *dataset, const char **first);

#endif
