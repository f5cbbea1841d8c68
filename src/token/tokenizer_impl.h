// SPDX-License-Identifier: MIT
// tokenizer_impl.h - what a tdl_tokenizer is made of; only for the files of this folder.
#ifndef TDL_TOKEN_TOKENIZER_IMPL_H
#define TDL_TOKEN_TOKENIZER_IMPL_H

#include "token/added_tokens.h"
#include "token/bpe.h"
#include "token/normalize.h"
#include "token/pretokenize.h"
#include "token/spm.h"

struct tdl_tokenizer {
    const tdl_allocator *mem;
    tdl_token_scheme scheme;
    tdl_vocab vocab;
    tdl_bpe bpe;                       // BPE, CHAR_BPE
    tdl_spm spm;                       // SPM
    tdl_added_tokens added;            // looked for in the text as it is
    tdl_added_tokens added_normalized; // and in the normalized text
    tdl_normalizer *normalizers;       // [n_normalizers]
    size_t n_normalizers;
    tdl_pretokenizer *pretokenizers; // [n_pretokenizers]
    size_t n_pretokenizers;
    bool has_regex;
    bool split_words; // no token has U+2581 after another character: text is cut before it without changing a merge
    bool has_merges, ignore_merges, byte_fallback, fuse_unk, add_bos, add_eos;
    bool strip_space, strip_space_after_added, join_spaces; // when decoding
    int32_t bos, eos, unk;
    int32_t *ends; // [n_ends], eos among them
    size_t n_ends;
};

#endif
