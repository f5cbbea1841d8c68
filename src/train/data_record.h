// SPDX-License-Identifier: MIT
// data_record.h - documents become ids: what a tokenizer wants round them, and the records of a JSONL file.
//
// A record is one JSON object with one of
//
//     {"text": "..."}                                             all of it is learned
//     {"prompt": "...", "completion": "..."}                      the completion is learned
//     {"messages": [{"role": "user", "content": "..."}, ...]}     the content of role "assistant" is learned
//     {"conversations": [{"from": "human", "value": "..."}, ...]} the same in ShareGPT's words
//     {"instruction": "...", "input": "...", "output": "..."}     Alpaca: a conversation of one question and one answer
//
// Where several of the forms are there, the conversation goes before prompt, prompt before text, text before Alpaca. Keys
// that would change what the model sees and are not understood (tools, tool_calls, images ...) are refused by name
// (record_forms.c); others are not read. A prompt and its completion are encoded each by itself, as a model is given a prompt
// and goes on from it. What ends a document or an answer is learned with it. Markers in the text itself ("<|im_end|>") stay
// plain text.
#ifndef TDL_TRAIN_DATA_RECORD_H
#define TDL_TRAIN_DATA_RECORD_H

#include "base/alloc.h"
#include "treadle.h"

// How a conversation is written. Chosen by what the vocabulary has:
typedef enum tdl_chat_kind {
    TDL_CHAT_PLAIN = 0, // "role: content\n"; an answer ends with the end-of-sequence token instead where there is one
    TDL_CHAT_CHATML,    // <|im_start|>role\ncontent<|im_end|>\n
    TDL_CHAT_HEADERS,   // <|start_header_id|>role<|end_header_id|>\n\ncontent<|eot_id|> (Llama 3)
} tdl_chat_kind;

// Where a text may be cut so that its parts give the same tokens as the whole. "x" and "y" are no white space.
typedef struct tdl_data_cuts {
    bool line;     // "x\n|y"
    int paragraph; // 1: "x\n|\ny", 2: "x\n\n|y", 0: neither
} tdl_data_cuts;

// What to know about a tokenizer, found once.
typedef struct tdl_data_style {
    const tdl_tokenizer *tokenizer; // borrowed
    int32_t bos, eos;               // round a document; -1: none. eos is looked for by well-known names, too
    tdl_data_cuts cuts;
    tdl_chat_kind chat;
    int32_t chat_begin, chat_mid, chat_end; // the template's markers
} tdl_data_style;

// Errors: MEMORY.
tdl_status tdl_data_style_find(const tdl_tokenizer *tokenizer, tdl_data_style *out, tdl_error *err);

// What was read and what was left out of it. A document of a text file is a record too.
typedef struct tdl_data_counts {
    uint64_t n_records;       // read, those left out too
    uint64_t n_empty;         // without any text: left out
    uint64_t n_masked;        // with text, none of which the loss would count: left out
    uint64_t n_empty_answers; // answers and completions without text: the model learns to end at once
    uint64_t n_bad_utf8;      // documents of text files with bytes that are no UTF-8: encoded as they are
} tdl_data_counts;

// Ids of documents, one after the other.
typedef struct tdl_token_run {
    tdl_vec ids;     // int32_t
    tdl_vec counted; // uint8_t, one an id: 1 where the loss counts it as a target
    tdl_vec starts;  // size_t: where documents begin; ids before the first belong to one begun earlier
    tdl_data_counts counts;
    bool has_records; // some came from a file of records
} tdl_token_run;

void tdl_token_run_init(tdl_token_run *run, const tdl_allocator *mem);
void tdl_token_run_deinit(tdl_token_run *run);
void tdl_token_run_clear(tdl_token_run *run); // keeps the memory

// Errors of these: MEMORY, LIMIT. begin starts a document, end ends it; text between them.
tdl_status tdl_token_run_begin(tdl_token_run *run, const tdl_data_style *style, tdl_error *err);
tdl_status tdl_token_run_text(tdl_token_run *run, const tdl_data_style *style, tdl_text text, bool counted,
                              tdl_error *err);
tdl_status tdl_token_run_end(tdl_token_run *run, const tdl_data_style *style, tdl_error *err);
// A message of a conversation in the style's template. counted: an answer that is learned.
tdl_status tdl_token_run_message(tdl_token_run *run, const tdl_data_style *style, tdl_text role, tdl_text content,
                                 bool counted, tdl_error *err);
// What stands before an answer in the style's template: what a model goes on from.
tdl_status tdl_token_run_answer(tdl_token_run *run, const tdl_data_style *style, tdl_error *err);

// Appends the document of one record; none where nothing of it can be learned. `what` names the record in messages:
// "train.jsonl:37". Untrusted input. Errors: FORMAT, UNSUPPORTED (a key that is refused), LIMIT, MEMORY.
tdl_status tdl_data_record_encode(tdl_text json, const char *what, const tdl_data_style *style, tdl_token_run *run,
                                  tdl_error *err);

#endif
