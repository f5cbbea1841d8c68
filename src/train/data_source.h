// SPDX-License-Identifier: MIT
// data_source.h - source files of training data, cut into pieces that can be tokenized apart from each other.
//
//     tdl_data_cutter cutter;
//     tdl_data_cutter_init(&cutter, mem, sources, n_sources, separator, style.cuts);
//     while ((status = tdl_data_cutter_next(&cutter, &piece, err)) == TDL_OK) ...
//     tdl_data_cutter_deinit(&cutter);
//
// Files are mapped, so they may be larger than the memory. A piece is about a mebibyte: of records whole ones, of text
// whole documents where they are short, and else part of one, cut between lines.
//
// A file is what its name says, and its beginning has to agree: what is neither text nor records (CSV, Parquet, compressed or
// binary files, UTF-16) is refused by name with what to do about it, since noise would be learned like anything else.
#ifndef TDL_TRAIN_DATA_SOURCE_H
#define TDL_TRAIN_DATA_SOURCE_H

#include "base/alloc.h"
#include "base/file.h"
#include "train/data_record.h"

typedef enum tdl_data_format {
    TDL_DATA_AUTO = 0, // by the file's name: .jsonl and .ndjson are JSONL, .json JSON, .bin is tokens, all others text
    TDL_DATA_TEXT,     // documents with the separator between them
    TDL_DATA_JSONL,    // a record a line (data_record.h); empty lines do not count
    TDL_DATA_JSON,     // one array of records
    TDL_DATA_TOKENS,   // one token file, as it was made for another run (token_file.h)
} tdl_data_format;

typedef struct tdl_data_source {
    const char *path; // borrowed
    tdl_data_format format;
    tdl_file_stat stat;
    const uint8_t *bytes; // borrowed: in place of the file's; size as stat says
    bool looks_json;      // text by its name, but it begins as records do
} tdl_data_source;

// Looks at the file's name and beginning. Errors: IO; MEMORY; FORMAT (an empty file); UNSUPPORTED (what is refused).
tdl_status tdl_data_source_find(const tdl_allocator *mem, const char *path, tdl_data_format format,
                                tdl_data_source *out, tdl_error *err);
// The same for records in memory. path: what messages call them.
tdl_status tdl_data_source_of_bytes(const void *bytes, size_t size, const char *path, tdl_data_source *out,
                                    tdl_error *err);

typedef struct tdl_data_piece {
    tdl_text text;                 // borrowed from the cutter until it is released
    const tdl_data_source *source; // borrowed
    uint64_t line;                 // of records: the number of the first line, from 1
    bool begins, ends;             // text: the first document begins here, the last ends here
} tdl_data_piece;

typedef struct tdl_data_cutter {
    const tdl_data_source *sources; // [n_sources]
    size_t n_sources;
    tdl_text separator;
    tdl_data_cuts cuts;
    size_t source; // the one that pieces come from
    tdl_vec maps;  // tdl_file_map; the last is of the current source where `opened`
    bool opened, begins;
    size_t offset, released; // in the current source
    uint64_t line;
    uint64_t n_bytes; // handed out so far, of all sources
} tdl_data_cutter;

// All pointers are borrowed until deinit. separator.size 1 to TDL_DATA_SEPARATOR_SIZE_MAX.
void tdl_data_cutter_init(tdl_data_cutter *cutter, const tdl_allocator *mem, const tdl_data_source *sources,
                          size_t n_sources, tdl_text separator, tdl_data_cuts cuts);
void tdl_data_cutter_deinit(tdl_data_cutter *cutter);
// DONE after the last. Errors: IO, MEMORY, LIMIT (a record), FORMAT (an array that does not end).
tdl_status tdl_data_cutter_next(tdl_data_cutter *cutter, tdl_data_piece *out, tdl_error *err);
// Lets go of the memory of all pieces so far.
void tdl_data_cutter_release(tdl_data_cutter *cutter);

// Where the element of an array that begins in text at `from` ends: at the comma or bracket behind it; text.size where it does not.
size_t tdl_data_element_end(tdl_text text, size_t from);
// Where the separator begins first in text, from byte `from`; text.size where it does not.
size_t tdl_data_separator_find(tdl_text text, size_t from, tdl_text separator);

#endif
