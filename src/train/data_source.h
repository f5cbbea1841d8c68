// data_source.h - source files of training data, cut into pieces that can be tokenized apart from each other.
//
//     tdl_data_cutter cutter;
//     tdl_data_cutter_init(&cutter, mem, sources, n_sources, separator, style.cuts);
//     while ((status = tdl_data_cutter_next(&cutter, &piece, err)) == TDL_OK) ...
//     tdl_data_cutter_deinit(&cutter);
//
// Files are mapped, so they may be larger than the memory. A piece is about a mebibyte: of JSONL whole lines, of text
// whole documents where they are short, and else part of one, cut between lines.
#ifndef TDL_TRAIN_DATA_SOURCE_H
#define TDL_TRAIN_DATA_SOURCE_H

#include "base/alloc.h"
#include "base/file.h"
#include "train/data_record.h"

typedef enum tdl_data_format {
    TDL_DATA_AUTO = 0, // by the file's name: .jsonl and .ndjson are JSONL, .bin is tokens, all others text
    TDL_DATA_TEXT,     // documents with the separator between them
    TDL_DATA_JSONL,    // a record a line (data_record.h); empty lines do not count
    TDL_DATA_TOKENS,   // one token file, as it was made for another run (token_file.h)
} tdl_data_format;

typedef struct tdl_data_source {
    const char *path; // borrowed
    tdl_data_format format;
    tdl_file_stat stat;
} tdl_data_source;

// Looks at the file. Errors: IO; FORMAT (an empty file).
tdl_status tdl_data_source_find(const char *path, tdl_data_format format, tdl_data_source *out, tdl_error *err);

typedef struct tdl_data_piece {
    tdl_text text;                 // borrowed from the cutter until it is released
    const tdl_data_source *source; // borrowed
    uint64_t line;                 // JSONL: the number of the first line, from 1
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
// DONE after the last. Errors: IO, MEMORY, LIMIT (a line), UNSUPPORTED (a compressed file, UTF-16), FORMAT.
tdl_status tdl_data_cutter_next(tdl_data_cutter *cutter, tdl_data_piece *out, tdl_error *err);
// Lets go of the memory of all pieces so far.
void tdl_data_cutter_release(tdl_data_cutter *cutter);

// Where the separator begins first in text, from byte `from`; text.size where it does not.
size_t tdl_data_separator_find(tdl_text text, size_t from, tdl_text separator);

#endif
