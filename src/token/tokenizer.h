// SPDX-License-Identifier: MIT
// tokenizer.h - text to token ids and back. Public handle: tdl_tokenizer in treadle.h.
//
// Built from a description that names the vocabulary, the scheme and the steps around it, whoever read it: GGUF metadata
// (model/ fills the description) or a tokenizer.json (tokenizer_json.h). Immutable once created; several threads may use
// it. Encoding is always the same pipeline:
//
//     text -> added tokens cut out -> normalizers -> pre-tokenizers -> scheme (merges) on each piece -> ids
#ifndef TDL_TOKEN_TOKENIZER_H
#define TDL_TOKEN_TOKENIZER_H

#include "base/str.h"
#include "treadle.h"

typedef enum tdl_token_scheme {
    TDL_SCHEME_BPE = 1,  // byte-level BPE: GPT-2's byte alphabet, ranked merges, pre-tokenizer regexes
    TDL_SCHEME_SPM,      // SentencePiece-style BPE: U+2581 for space, merges by score, byte fallback <0xNN>
    TDL_SCHEME_CHAR_BPE, // ranked merges over characters: a SentencePiece model converted to tokenizer.json
} tdl_token_scheme;

// A token's kind, with GGUF's numbers (tokenizer.ggml.token_type).
typedef enum tdl_token_kind {
    TDL_TOKEN_NORMAL = 1,
    TDL_TOKEN_UNKNOWN = 2,
    TDL_TOKEN_CONTROL = 3, // special: matched in text only where the caller asks for it
    TDL_TOKEN_USER = 4,    // added: matched in any text before the scheme runs
    TDL_TOKEN_UNUSED = 5,
    TDL_TOKEN_BYTE = 6,
} tdl_token_kind;

// How an added token (USER, CONTROL, UNKNOWN) is matched.
typedef enum tdl_token_flag {
    TDL_TOKEN_LSTRIP = 1,      // takes the white space before it along
    TDL_TOKEN_RSTRIP = 2,      // and after it
    TDL_TOKEN_SINGLE_WORD = 4, // not inside a word
    TDL_TOKEN_NORMALIZED = 8,  // looked for in the normalized text
} tdl_token_flag;

typedef enum tdl_normalizer_kind {
    TDL_NORMALIZER_NFC = 1,
    TDL_NORMALIZER_NFD,
    TDL_NORMALIZER_NFKC,
    TDL_NORMALIZER_NFKD,
    TDL_NORMALIZER_LOWERCASE,
    TDL_NORMALIZER_STRIP_ACCENTS, // drops marks
    TDL_NORMALIZER_STRIP,         // white space at `left`, `right`
    TDL_NORMALIZER_PREPEND,       // `content`, before any text that is not empty
    TDL_NORMALIZER_REPLACE,       // `pattern` by `content`
} tdl_normalizer_kind;

// All text is borrowed for the call of create, here and below.
typedef struct tdl_normalizer_desc {
    tdl_normalizer_kind kind;
    bool left, right;
    bool is_regex; // of pattern
    tdl_text pattern, content;
} tdl_normalizer_desc;

typedef enum tdl_pretokenizer_kind {
    TDL_PRETOKENIZER_SPLIT = 1, // cuts each piece at the matches of `pattern`
    TDL_PRETOKENIZER_REPLACE,   // `pattern`, a plain text, by `content`
    TDL_PRETOKENIZER_PREFIX,    // `content` before each piece that does not begin with it
} tdl_pretokenizer_kind;

// What becomes of the matches of a split.
typedef enum tdl_split_behavior {
    TDL_SPLIT_ISOLATED = 0, // pieces of their own
    TDL_SPLIT_REMOVED,
    TDL_SPLIT_MERGED_WITH_PREVIOUS,
    TDL_SPLIT_MERGED_WITH_NEXT,
    TDL_SPLIT_CONTIGUOUS, // neighbouring matches become one piece
} tdl_split_behavior;

typedef struct tdl_pretokenizer_desc {
    tdl_pretokenizer_kind kind;
    tdl_split_behavior behavior;
    bool is_regex;   // of pattern
    bool invert;     // what does not match counts as the match
    bool first_only; // PREFIX: only at the beginning of the whole text
    tdl_text pattern, content;
} tdl_pretokenizer_desc;

// How tokens become text. SPM needs none: it follows from the scheme.
typedef struct tdl_token_decoder {
    tdl_text replace, replacement; // in each token's text; replace.size 0: nothing
    bool byte_tokens;              // <0xNN> is that byte
    bool strip_space;              // a space at the very beginning of the text is dropped
    bool join_spaces;              // a space between any two tokens
} tdl_token_decoder;

typedef struct tdl_tokenizer_desc {
    const tdl_allocator *mem; // not NULL; borrowed until destroy
    tdl_token_scheme scheme;
    size_t n_tokens;
    const tdl_text *tokens; // [n_tokens], as spelled in the file: byte-level tokens in GPT-2's alphabet. An empty
                            // token is never produced; of two equal ones only the first is
    const int32_t *kinds; // [n_tokens] tdl_token_kind; NULL: all NORMAL. Other numbers count as UNUSED, and are a doubt
    bool kinds_doubtful;  // a converter wrote them: a NORMAL token with the text of a control token is one
    const uint8_t *flags; // [n_tokens] tdl_token_flag bits; NULL: none
    const float *scores;  // [n_tokens], SPM; NULL otherwise
    size_t n_merges;
    const tdl_text *merges;      // [n_merges] "left right", best first. A merge may also be given as two texts:
    const tdl_text *merge_pairs; // [2 * n_merges], where it is not NULL (then merges is NULL)
    const char *pre; // BPE: GGUF's name of the pre-tokenizer ("gpt-2", "llama-bpe", "qwen2", ...); NULL where
    const tdl_pretokenizer_desc *pretokenizers; // [n_pretokenizers] are given
    size_t n_pretokenizers;
    const tdl_normalizer_desc *normalizers; // [n_normalizers]
    size_t n_normalizers;
    tdl_token_decoder decoder; // CHAR_BPE
    bool ignore_merges;        // a whole piece that is in the vocabulary is taken without merging (Llama 3)
    bool byte_fallback;        // CHAR_BPE: unknown characters give <0xNN>
    bool fuse_unk;             // CHAR_BPE: neighbouring unknown characters give one unknown token
    bool add_space_prefix;     // SPM: a space before the text and after each added token
    bool add_bos;              // the model's default
    bool add_eos;              // to a whole text, never to one to go on from
    int32_t bos, eos, unk;     // -1: none
    const int32_t *ends;       // [n_ends] further end-of-generation ids (end of turn, of message); tokens of a
                               // well-known text, such as <|im_end|>, are found without (control_names.h)
    size_t n_ends;
} tdl_tokenizer_desc;

// Copies all it needs from desc. Errors: ARGUMENT, FORMAT, UNSUPPORTED (pre-tokenizer), MEMORY, LIMIT.
tdl_status tdl_tokenizer_create(const tdl_tokenizer_desc *desc, tdl_tokenizer **out, tdl_error *err);
void tdl_tokenizer_destroy(tdl_tokenizer *tokenizer);

// Calls tell with a sentence for each kind of thing in the vocabulary that is odd and was taken all the same: tokens with the text
// of an earlier one, tokens without a text, kinds that are none, no merges. Returns false as soon as tell does.
bool tdl_tokenizer_doubts(const tdl_tokenizer *tokenizer, bool (*tell)(void *arg, const char *sentence), void *arg);

// Whether models with this pre-tokenizer want a beginning-of-sequence token where the file does not say.
bool tdl_pretokenizer_wants_bos(const char *pre);

// Streaming decode: bytes in, whole UTF-8 characters out. Bytes that can never become a character come out as U+FFFD each.
typedef struct tdl_detokenizer {
    const tdl_tokenizer *tokenizer; // borrowed
    tdl_str pending;                // bytes of a character whose end may still come
    bool first;                     // no token yet: SPM's leading space is dropped
    bool skip_special;
} tdl_detokenizer;

void tdl_detokenizer_init(tdl_detokenizer *d, const tdl_tokenizer *tokenizer, const tdl_allocator *mem,
                          bool skip_special);
void tdl_detokenizer_deinit(tdl_detokenizer *d);
// Appends to `out` what became certain. Errors: ARGUMENT (id), MEMORY. Neither `d` nor `out` is changed by a call that fails, here
// and below.
tdl_status tdl_detokenizer_put(tdl_detokenizer *d, int32_t id, tdl_str *out, tdl_error *err);
tdl_status tdl_detokenizer_flush(tdl_detokenizer *d, tdl_str *out,
                                 tdl_error *err); // the rest, as U+FFFD where incomplete
void tdl_detokenizer_reset(tdl_detokenizer *d, bool first);

#endif
