// SPDX-License-Identifier: MIT
// fuzz_tokenize.c - any text over small vocabularies of all three schemes: ids in range, text comes back, streams agree.
//
// The first byte chooses the vocabulary and the options; the rest is the text, and the same bytes read as ids. Each
// choice's tokenizer is made once and kept: compiling its regexes takes longer than the rest of a run.
#include "base/utf8.h"
#include "token/tokenizer.h"

#include <stdlib.h>
#include <string.h>

enum { N_BYTES = 256, N_TOKENS_MAX = 320, TEXT_MAX = 4096 };

typedef struct vocab {
    char spelled[N_TOKENS_MAX][16];
    tdl_text tokens[N_TOKENS_MAX];
    int32_t kinds[N_TOKENS_MAX];
    float scores[N_TOKENS_MAX];
    uint8_t flags[N_TOKENS_MAX];
    size_t n;
} vocab;

static const char *const words[] = {"th",   "he", "the", "in",   "an",     "and", "aa",
                                    "aaaa", "ab", "ba",  "abab", "\u00e9", "12",  "e\u0301"};
static const char *const merges[] = {"t h", "h e", "th e", "i n", "a n", "an d", "a a", "aa aa", "a b", "b a", "ab ab"};
static const char *const pres[] = {"default",      "gpt-2",  "llama-bpe", "qwen2",     "deepseek-coder",
                                   "deepseek-llm", "falcon", "smollm",    "tekken",    "gpt-4o",
                                   "deepseek-v3",  "bloom",  "viking",    "seed-coder"};

static tdl_tokenizer *make(uint8_t choice);
static int32_t add(vocab *v, const char *text, size_t size, int32_t kind);
static void check_text(const tdl_tokenizer *t, const char *text, size_t size, bool special, bool exact);
static void check_ids(const tdl_tokenizer *t, const int32_t *ids, size_t n, bool skip_special);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (size == 0 || size > TEXT_MAX) return 0;
    static tdl_tokenizer *made[256];
    if (!made[bytes[0]]) made[bytes[0]] = make(bytes[0]);
    const tdl_tokenizer *t = made[bytes[0]];
    const char *text = (const char *)bytes + 1;
    size_t n = size - 1;
    // Byte-level text always comes back; SPM's and a prefixed one only without U+2581 or added tokens' white space.
    bool exact = bytes[0] % 4 == 0 && !(bytes[0] & 128);
    check_text(t, text, n, (bytes[0] & 64) != 0, exact);

    int32_t ids[TEXT_MAX];
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)((uint32_t)(uint8_t)text[i] * 5 % (uint32_t)tdl_tokenizer_n_vocab(t));
    check_ids(t, ids, n, (bytes[0] & 64) != 0);
    return 0;
}

// choice: the two low bits the scheme and normalizers, then the pre-tokenizer; bit 7: added tokens with flags.
static tdl_tokenizer *make(uint8_t choice) {
    static vocab v;
    static tdl_text merge_texts[sizeof merges / sizeof *merges];
    v.n = 0;
    uint8_t scheme = choice % 4;
    for (int b = 0; b < N_BYTES; b++) {
        char text[8];
        if (scheme == 0) {
            // GPT-2's alphabet, written out independently of the library: visible Latin-1 stands for itself.
            bool self = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
            static uint32_t next;
            if (b == 0) next = 256;
            add(&v, text, tdl_utf8_encode(self ? (uint32_t)b : next++, text), TDL_TOKEN_NORMAL);
        } else {
            static const char hex[] = "0123456789ABCDEF";
            memcpy(text, "<0x00>", 6);
            text[3] = hex[b >> 4];
            text[4] = hex[b & 15];
            add(&v, text, 6, TDL_TOKEN_BYTE);
        }
    }
    if (scheme != 0) {
        add(&v, "\u2581", 3, TDL_TOKEN_NORMAL);
        for (const char *c = "theinadb"; *c; c++) add(&v, c, 1, TDL_TOKEN_NORMAL);
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (scheme == 0 && (unsigned char)words[i][0] >= 0x80) continue;
        v.scores[add(&v, words[i], strlen(words[i]), TDL_TOKEN_NORMAL)] = -(float)(i % 5);
    }
    int32_t unk = add(&v, "<unk>", 5, TDL_TOKEN_UNKNOWN), bos = add(&v, "<s>", 3, TDL_TOKEN_CONTROL);
    v.flags[add(&v, "<tool>", 6, TDL_TOKEN_USER)] = choice & 128 ? TDL_TOKEN_LSTRIP | TDL_TOKEN_RSTRIP : 0;
    v.flags[add(&v, "aab", 3, TDL_TOKEN_USER)] = choice & 128 ? TDL_TOKEN_SINGLE_WORD | TDL_TOKEN_NORMALIZED : 0;
    for (size_t i = 0; i < sizeof merges / sizeof *merges; i++) merge_texts[i] = tdl_text_cstr(merges[i]);

    const tdl_normalizer_desc normalizers[] = {{.kind = TDL_NORMALIZER_NFKC},
                                               {.kind = TDL_NORMALIZER_LOWERCASE},
                                               {.kind = TDL_NORMALIZER_STRIP, .left = true, .right = true}};
    const tdl_pretokenizer_desc steps[] = {
        {.kind = TDL_PRETOKENIZER_REPLACE, .pattern = {" ", 1}, .content = tdl_text_cstr("\u2581")},
        {.kind = TDL_PRETOKENIZER_PREFIX, .content = tdl_text_cstr("\u2581"), .first_only = (choice & 16) != 0},
        {.kind = TDL_PRETOKENIZER_SPLIT,
         .behavior = (tdl_split_behavior)(choice >> 3 & 3),
         .is_regex = true,
         .pattern = tdl_text_cstr("\u2581|\\d*|[\\s\\w]x")}};
    tdl_tokenizer_desc desc = {.mem = tdl_allocator_or_default(NULL),
                               .n_tokens = v.n,
                               .tokens = v.tokens,
                               .kinds = v.kinds,
                               .flags = v.flags,
                               .scores = v.scores,
                               .bos = bos,
                               .eos = -1,
                               .unk = unk,
                               .add_bos = (choice & 32) != 0};
    if (scheme == 0) {
        desc.scheme = TDL_SCHEME_BPE;
        desc.pre = pres[choice / 4 % (sizeof pres / sizeof *pres)];
    } else if (scheme == 1) {
        desc.scheme = TDL_SCHEME_SPM;
        desc.add_space_prefix = (choice & 8) != 0;
    } else {
        desc.scheme = TDL_SCHEME_CHAR_BPE;
        desc.byte_fallback = (choice & 16) != 0;
        desc.fuse_unk = (choice & 8) != 0;
        desc.decoder = (tdl_token_decoder){tdl_text_cstr("\u2581"), tdl_text_cstr(" "), true, true, scheme == 3};
        desc.pretokenizers = steps;
        desc.n_pretokenizers = 3;
        desc.normalizers = normalizers;
        desc.n_normalizers = scheme == 3 ? 3 : 0;
    }
    if (desc.scheme != TDL_SCHEME_SPM) {
        desc.merges = merge_texts;
        desc.n_merges = sizeof merges / sizeof *merges;
    }
    tdl_tokenizer *t = NULL;
    if (tdl_tokenizer_create(&desc, &t, NULL) != TDL_OK) abort();
    return t;
}

static int32_t add(vocab *v, const char *text, size_t size, int32_t kind) {
    size_t i = v->n++;
    memcpy(v->spelled[i], text, size);
    v->tokens[i] = tdl_text_of(v->spelled[i], size);
    v->kinds[i] = kind;
    v->scores[i] = -9;
    v->flags[i] = 0;
    return (int32_t)i;
}

static void check_text(const tdl_tokenizer *t, const char *text, size_t size, bool special, bool exact) {
    static int32_t ids[8 * TEXT_MAX];
    static char back[32 * TEXT_MAX];
    tdl_encode_desc encode = {.size = sizeof encode, .parse_special = special};
    tdl_decode_desc decode = {.size = sizeof decode, .skip_special = !special};
    size_t n, n_again, back_size;
    if (tdl_tokenizer_encode(t, text, size, &encode, ids, sizeof ids / sizeof *ids, &n, NULL)) abort();
    tdl_status status = tdl_tokenizer_encode(t, text, size, &encode, ids, n / 2, &n_again, NULL);
    if (n_again != n || status != (n / 2 < n ? TDL_ERROR_LIMIT : TDL_OK)) abort();
    if (tdl_tokenizer_encode(t, text, size, &encode, ids, n, &n_again, NULL)) abort();
    for (size_t i = 0; i < n; i++) {
        if (ids[i] < 0 || ids[i] >= tdl_tokenizer_n_vocab(t)) abort();
        if (!special && i > 0 && ids[i] == tdl_tokenizer_bos(t)) abort(); // text never names a control token by itself
    }
    if (tdl_tokenizer_decode(t, ids, n, &decode, back, sizeof back, &back_size, NULL)) abort();
    size_t bos_size = special && n && ids[0] == tdl_tokenizer_bos(t) && back_size == size + 3 ? 3 : 0;
    if (exact && (back_size != size + bos_size || memcmp(back + bos_size, text, size) != 0)) abort();
    check_ids(t, ids, n, !special);
}

static void check_ids(const tdl_tokenizer *t, const int32_t *ids, size_t n, bool skip_special) {
    static char text[32 * TEXT_MAX];
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    tdl_decode_desc desc = {.size = sizeof desc, .skip_special = skip_special};
    tdl_str streamed = tdl_str_make(mem), expected = streamed;
    tdl_detokenizer d;
    size_t size, step;
    if (tdl_tokenizer_decode(t, ids, n, &desc, text, sizeof text, &size, NULL)) abort();
    for (size_t pos = 0; pos < size; pos += step) {
        bool valid = tdl_utf8_decode(text + pos, size - pos, &step) != TDL_UTF8_INVALID;
        tdl_str_append(&expected, valid ? text + pos : "\uFFFD", valid ? step : 3);
    }
    tdl_detokenizer_init(&d, t, mem, skip_special);
    for (size_t i = 0; i < n; i++) {
        size_t before = streamed.size;
        if (tdl_detokenizer_put(&d, ids[i], &streamed, NULL)) abort();
        if (streamed.size > before && !tdl_utf8_valid(streamed.ptr + before, streamed.size - before)) abort();
    }
    if (tdl_detokenizer_flush(&d, &streamed, NULL)) abort();
    if (streamed.size != expected.size || (expected.size && memcmp(streamed.ptr, expected.ptr, expected.size))) abort();
    tdl_detokenizer_deinit(&d);
    tdl_str_deinit(&streamed);
    tdl_str_deinit(&expected);
}
