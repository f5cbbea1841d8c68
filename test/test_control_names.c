// SPDX-License-Identifier: MIT
// test_control_names.c - what a tokenizer makes of tokens whose file has them as another kind than their text says, which tokens end
// a generation, and where the tokens at a text's beginning and end come from.
//
// Which texts are meant is llama.cpp's list (src/llama-vocab.cpp, "control-looking token", July 2026), written down here again.
#include "base/limits.h"
#include "base/str.h"
#include "support/token_golden.h"
#include "token/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N_BASE = 3, TOKENS_MAX = 64 }; // "a", "<", "|"

typedef struct vocab {
    tdl_text tokens[TOKENS_MAX];
    int32_t kinds[TOKENS_MAX];
    size_t n;
} vocab;

static int32_t add(vocab *v, const char *text, int32_t kind) {
    v->tokens[v->n] = tdl_text_cstr(text);
    v->kinds[v->n] = kind;
    return (int32_t)v->n++;
}

static vocab base(void) {
    vocab v = {.n = 0};
    add(&v, "a", TDL_TOKEN_NORMAL);
    add(&v, "<", TDL_TOKEN_NORMAL);
    add(&v, "|", TDL_TOKEN_NORMAL);
    return v;
}

static tdl_tokenizer *create(const vocab *v, tdl_tokenizer_desc desc) {
    tdl_tokenizer *t = NULL;
    tdl_error err = {0};
    desc.mem = tdl_allocator_or_default(NULL);
    desc.scheme = TDL_SCHEME_BPE;
    if (!desc.n_pretokenizers) desc.pre = "gpt-2";
    desc.tokens = v->tokens;
    desc.kinds = v->kinds;
    desc.n_tokens = v->n;
    if (tdl_tokenizer_create(&desc, &t, &err)) fail_msg("%s", err.message);
    return t;
}

static const tdl_tokenizer_desc none = {.bos = -1, .eos = -1, .unk = -1};
static const tdl_tokenizer_desc doubtful = {.bos = -1, .eos = -1, .unk = -1, .kinds_doubtful = true};

static const char *const ends[] = {"<|eot_id|>",
                                   "<|im_end|>",
                                   "<|end|>",
                                   "<|return|>",
                                   "<|call|>",
                                   "<|flush|>",
                                   "<|calls|>",
                                   "<end_of_turn>",
                                   "<|endoftext|>",
                                   "<|eom_id|>",
                                   "<EOT>",
                                   "_<EOT>",
                                   "[EOT]",
                                   "[EOS]",
                                   "<|end_of_text|>",
                                   "<end_of_utterance>",
                                   "<eos>",
                                   "<turn|>",
                                   "<|tool_response>",
                                   "[e~[",
                                   "<｜end▁of▁sentence｜>"};
static const char *const files[] = {"<|fim_pad|>", "<fim-pad>", "<fim_pad>",  "<|fim_repo|>", "<|repo_name|>",
                                    "<fim-repo>",  "<REPO>",    "<reponame>", "<|file_sep|>"};
static const char *const fills[] = {"<|fim_prefix|>", "<fim-suffix>", "<fim_middle>",
                                    "<｜fim▁hole｜>", "<PRE>",        "▁<SUF>"};

static bool is_special(const tdl_tokenizer *t, int32_t id) {
    size_t size;
    char *text = golden_decode(t, &id, 1, true, &size);
    free(text);
    return size == 0;
}

// Whether the text of the token names it where special tokens are parsed.
static bool is_parsed(const tdl_tokenizer *t, int32_t id, bool special) {
    tdl_text text = tdl_tokenizer_token(t, id);
    golden_ids ids = golden_encode(t, text.ptr, text.size, TDL_BOS_NEVER, special);
    bool found = ids.n == 1 && ids.ids[0] == id;
    free(ids.ids);
    return found;
}

// A converter's NORMAL or USER: ends a generation, is special, and is found in text only where special tokens are.
static void test_ends(void **state) {
    (void)state;
    static const int32_t kinds[] = {TDL_TOKEN_NORMAL, TDL_TOKEN_USER, TDL_TOKEN_CONTROL};
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
            vocab v = base();
            int32_t id = add(&v, ends[i], kinds[k]);
            tdl_tokenizer *t = create(&v, doubtful);
            if (!tdl_tokenizer_is_end(t, id) || !is_special(t, id) || !is_parsed(t, id, true) ||
                is_parsed(t, id, false))
                fail_msg("'%s' of kind %d: end %d, special %d, parsed %d and %d", ends[i], kinds[k],
                         tdl_tokenizer_is_end(t, id), is_special(t, id), is_parsed(t, id, true),
                         is_parsed(t, id, false));
            tdl_tokenizer_close(t);
        }
}

// What a tokenizer.json has in its vocabulary and not among its added tokens is text: there nobody guessed.
static void test_no_doubt(void **state) {
    (void)state;
    vocab v = base();
    int32_t normal = add(&v, "<EOT>", TDL_TOKEN_NORMAL), user = add(&v, "<|im_end|>", TDL_TOKEN_USER);
    tdl_tokenizer *t = create(&v, none);
    assert_false(tdl_tokenizer_is_end(t, normal) || is_special(t, normal));
    assert_true(tdl_tokenizer_is_end(t, user) && is_special(t, user));
    tdl_tokenizer_close(t);
}

// </s> is HTML, too; UNUSED tokens never come; another text is what its file says.
static void test_left_alone(void **state) {
    (void)state;
    vocab v = base();
    int32_t html = add(&v, "</s>", TDL_TOKEN_NORMAL), unused = add(&v, "<|im_end|>", TDL_TOKEN_UNUSED);
    int32_t other = add(&v, "<|im_end|>x", TDL_TOKEN_NORMAL), start = add(&v, "<|im_start|>", TDL_TOKEN_USER);
    tdl_tokenizer *t = create(&v, doubtful);
    const int32_t ids[] = {html, unused, other, start};
    for (size_t i = 0; i < 4; i++) assert_false(tdl_tokenizer_is_end(t, ids[i]) || is_special(t, ids[i]));
    tdl_tokenizer_close(t);
    v.kinds[html] = TDL_TOKEN_CONTROL;
    t = create(&v, doubtful);
    assert_true(tdl_tokenizer_is_end(t, html));
    tdl_tokenizer_close(t);
}

// Tokens that mark code to fill in are special; those between files end a generation as well, but added ones stay parsed.
static void test_fill(void **state) {
    (void)state;
    for (int user = 0; user <= 1; user++) {
        vocab v = base();
        int32_t file[9], fill[6];
        for (size_t i = 0; i < 9; i++) file[i] = add(&v, files[i], user ? TDL_TOKEN_USER : TDL_TOKEN_NORMAL);
        for (size_t i = 0; i < 6; i++) fill[i] = add(&v, fills[i], user ? TDL_TOKEN_USER : TDL_TOKEN_NORMAL);
        tdl_tokenizer *t = create(&v, doubtful);
        for (size_t i = 0; i < 9; i++)
            assert_true(tdl_tokenizer_is_end(t, file[i]) && is_special(t, file[i]) == !user &&
                        is_parsed(t, file[i], true));
        for (size_t i = 0; i < 6; i++)
            assert_true(!tdl_tokenizer_is_end(t, fill[i]) && is_special(t, fill[i]) == !user &&
                        is_parsed(t, fill[i], true) && is_parsed(t, fill[i], false) == user);
        tdl_tokenizer_close(t);
    }
}

// In harmony's format <|end|> ends a message of several, where there are tokens that end the turn.
static void test_end_of_message(void **state) {
    (void)state;
    static const char *const pairs[][2] = {{"<|return|>", "<|call|>"}, {"<|flush|>", "<|calls|>"}};
    for (size_t i = 0; i < 2; i++) {
        vocab v = base();
        int32_t end = add(&v, "<|end|>", TDL_TOKEN_CONTROL), first = add(&v, pairs[i][0], TDL_TOKEN_CONTROL);
        tdl_tokenizer *t = create(&v, none);
        assert_true(tdl_tokenizer_is_end(t, end) && tdl_tokenizer_is_end(t, first));
        tdl_tokenizer_close(t);
        add(&v, pairs[i][1], TDL_TOKEN_CONTROL);
        t = create(&v, none);
        assert_true(!tdl_tokenizer_is_end(t, end) && tdl_tokenizer_is_end(t, first));
        tdl_tokenizer_close(t);
    }
}

// ---- what is put round a text

static void check_ids(const tdl_tokenizer *t, const char *text, tdl_encode_desc desc, const int32_t *expected,
                      size_t n) {
    int32_t ids[16];
    size_t n_ids = 0;
    tdl_error err = {0};
    desc.size = sizeof desc;
    if (tdl_tokenizer_encode(t, text, strlen(text), &desc, ids, 16, &n_ids, &err)) fail_msg("%s", err.message);
    assert_int_equal(n_ids, n);
    if (n) assert_memory_equal(ids, expected, n * sizeof *ids);
}

// The end-of-sequence token follows a text only where the caller says that nothing else does, whatever the file wants.
static void test_eos(void **state) {
    (void)state;
    vocab v = base();
    int32_t bos = add(&v, "<s>", TDL_TOKEN_CONTROL), eos = add(&v, "</s>", TDL_TOKEN_CONTROL);
    tdl_tokenizer *t =
        create(&v, (tdl_tokenizer_desc){.bos = bos, .eos = eos, .unk = -1, .add_bos = true, .add_eos = true});
    check_ids(t, "a", (tdl_encode_desc){0}, (int32_t[]){bos, 0}, 2);
    check_ids(t, "a", (tdl_encode_desc){.bos = TDL_BOS_ALWAYS}, (int32_t[]){bos, 0}, 2);
    check_ids(t, "a", (tdl_encode_desc){.bos = TDL_BOS_NEVER}, (int32_t[]){0}, 1);
    check_ids(t, "", (tdl_encode_desc){0}, (int32_t[]){bos}, 1);
    check_ids(t, "a", (tdl_encode_desc){.whole = true}, (int32_t[]){bos, 0, eos}, 3);
    check_ids(t, "a", (tdl_encode_desc){.whole = true, .bos = TDL_BOS_NEVER}, (int32_t[]){0, eos}, 2);
    tdl_tokenizer_close(t);
    t = create(&v, (tdl_tokenizer_desc){.bos = bos, .eos = eos, .unk = -1, .add_bos = true}); // the model wants none
    check_ids(t, "a", (tdl_encode_desc){.whole = true}, (int32_t[]){bos, 0}, 2);
    tdl_tokenizer_close(t);
}

// A template may begin with the beginning-of-sequence token: it is not doubled.
static void test_bos_in_text(void **state) {
    (void)state;
    vocab v = base();
    int32_t bos = add(&v, "<s>", TDL_TOKEN_CONTROL), other = add(&v, "<t>", TDL_TOKEN_CONTROL);
    tdl_tokenizer *t = create(&v, (tdl_tokenizer_desc){.bos = bos, .eos = -1, .unk = -1, .add_bos = true});
    check_ids(t, "<s>a", (tdl_encode_desc){.parse_special = true}, (int32_t[]){bos, 0}, 2);
    check_ids(t, "<s><s>a", (tdl_encode_desc){.parse_special = true}, (int32_t[]){bos, bos, 0}, 3);
    check_ids(t, "<s>a", (tdl_encode_desc){.parse_special = true, .bos = TDL_BOS_ALWAYS}, (int32_t[]){bos, bos, 0}, 3);
    check_ids(t, "<s>a", (tdl_encode_desc){.parse_special = true, .bos = TDL_BOS_NEVER}, (int32_t[]){bos, 0}, 2);
    // As Hugging Face's tokenizers encode it.
    check_ids(t, "<s>a", (tdl_encode_desc){.parse_special = true, .whole = true}, (int32_t[]){bos, bos, 0}, 3);
    check_ids(t, "a<s>", (tdl_encode_desc){.parse_special = true}, (int32_t[]){bos, 0, bos}, 3);
    check_ids(t, "<t>a", (tdl_encode_desc){.parse_special = true}, (int32_t[]){bos, other, 0}, 3);
    check_ids(t, "", (tdl_encode_desc){.parse_special = true}, (int32_t[]){bos}, 1);
    tdl_tokenizer_close(t);
}

// ---- steps that make a text longer

static void check_growth(const tdl_tokenizer_desc *desc, const char *text, tdl_status expected, const char *message) {
    vocab v = base();
    tdl_tokenizer *t = create(&v, *desc);
    size_t n = 0;
    tdl_error err = {0};
    tdl_status status = tdl_tokenizer_encode(t, text, strlen(text), NULL, NULL, 0, &n, &err);
    if (expected == TDL_OK) assert_true(status == TDL_ERROR_LIMIT && n > 0); // no room for ids: they were counted
    else if (status != expected || !strstr(err.message, message)) fail_msg("status %d, '%s'", status, err.message);
    tdl_tokenizer_close(t);
}

// A normalizer may make a text so many times as long and so much longer, and not a byte more; likewise a pre-tokenizer.
static void test_growth(void **state) {
    (void)state;
    enum { GROWN = 2 * TDL_NORMALIZED_GROWTH_MAX + TDL_NORMALIZED_EXTRA_MAX }; // of a text of 2 bytes
    char *content = malloc(GROWN);
    assert_non_null(content);
    memset(content, 'a', GROWN);
    for (int over = 0; over <= 1; over++) {
        tdl_status expected = over ? TDL_ERROR_LIMIT : TDL_OK;
        // "a" becomes content, "<" stays
        const tdl_text pattern = {"a", 1}, grown = {content, (size_t)(GROWN - 1 + over)};
        const tdl_normalizer_desc replace = {.kind = TDL_NORMALIZER_REPLACE, .pattern = pattern, .content = grown},
                                  regex = {.kind = TDL_NORMALIZER_REPLACE,
                                           .pattern = pattern,
                                           .content = grown,
                                           .is_regex = true},
                                  prepend = {.kind = TDL_NORMALIZER_PREPEND, .content = {content, grown.size - 1}};
        const tdl_normalizer_desc *normalizers[] = {&replace, &regex, &prepend};
        tdl_tokenizer_desc desc = none;
        for (size_t i = 0; i < 3; i++) {
            desc.normalizers = normalizers[i];
            desc.n_normalizers = 1;
            check_growth(&desc, "<a", expected, "tokenizer: normalizer 1 of 1 makes the text longer than 65600 bytes");
        }
        const tdl_pretokenizer_desc pre_replace = {.kind = TDL_PRETOKENIZER_REPLACE,
                                                   .pattern = pattern,
                                                   .content = grown},
                                    prefix = {.kind = TDL_PRETOKENIZER_PREFIX, .content = {content, grown.size - 1}};
        const tdl_pretokenizer_desc *pretokenizers[] = {&pre_replace, &prefix};
        desc = none;
        for (size_t i = 0; i < 2; i++) {
            desc.pretokenizers = pretokenizers[i];
            desc.n_pretokenizers = 1;
            check_growth(&desc, "<a", expected,
                         "tokenizer: pre-tokenizer 1 of 1 makes the text longer than 65600 bytes");
        }
    }
    // Steps that each make it longer are stopped at the first that does so too much, before the memory is gone.
    tdl_normalizer_desc steps[4];
    for (size_t i = 0; i < 4; i++)
        steps[i] =
            (tdl_normalizer_desc){.kind = TDL_NORMALIZER_REPLACE, .pattern = {"a", 1}, .content = {content, 1000}};
    tdl_tokenizer_desc desc = none;
    desc.normalizers = steps;
    desc.n_normalizers = 4;
    check_growth(&desc, "a", TDL_ERROR_LIMIT, "tokenizer: normalizer 2 of 4 makes the text longer than 65568 bytes");
    free(content);
}

// Text between added tokens counts together: each piece of it has not the whole allowance for itself.
static void test_growth_of_parts(void **state) {
    (void)state;
    char *content = malloc(TDL_NORMALIZED_EXTRA_MAX / 2);
    assert_non_null(content);
    memset(content, 'a', TDL_NORMALIZED_EXTRA_MAX / 2);
    vocab v = base();
    add(&v, "<t>", TDL_TOKEN_USER);
    const tdl_normalizer_desc replace = {
        .kind = TDL_NORMALIZER_REPLACE, .pattern = {"a", 1}, .content = {content, TDL_NORMALIZED_EXTRA_MAX / 2}};
    tdl_tokenizer_desc desc = none;
    desc.normalizers = &replace;
    desc.n_normalizers = 1;
    tdl_tokenizer *t = create(&v, desc);
    size_t n = 0;
    tdl_error err = {0};
    assert_int_equal(tdl_tokenizer_encode(t, "a<t>a", 5, NULL, NULL, 0, &n, &err), TDL_ERROR_LIMIT);
    assert_int_equal(n, TDL_NORMALIZED_EXTRA_MAX + 1); // counted
    n = 0;
    assert_int_equal(tdl_tokenizer_encode(t, "a<t>a<t>a", 9, NULL, NULL, 0, &n, &err), TDL_ERROR_LIMIT);
    assert_int_equal(n, 0);
    assert_non_null(strstr(err.message, "makes the text longer than"));
    tdl_tokenizer_close(t);
    free(content);
}

static void test_limits_of_a_tokenizer(void **state) {
    (void)state;
    vocab v = base();
    tdl_tokenizer *t = NULL;
    static tdl_normalizer_desc steps[TDL_TOKEN_STEPS_MAX + 1];
    static tdl_pretokenizer_desc pre[TDL_TOKEN_STEPS_MAX + 1];
    static char content[TDL_NORMALIZED_EXTRA_MAX];
    memset(content, 'a', sizeof content);
    for (size_t i = 0; i <= TDL_TOKEN_STEPS_MAX; i++) {
        steps[i].kind = TDL_NORMALIZER_LOWERCASE;
        pre[i] = (tdl_pretokenizer_desc){.kind = TDL_PRETOKENIZER_SPLIT, .pattern = {"|", 1}};
    }
    for (size_t over = 0; over <= 1; over++) {
        // The tokens have 3 bytes; the decoder makes each of them as long as its replacement, if it is a match.
        const size_t replaced = (3 * TDL_NORMALIZED_GROWTH_MAX + TDL_NORMALIZED_EXTRA_MAX) / 3 + over;
        tdl_tokenizer_desc descs[3] = {none, none, none};
        descs[0].normalizers = steps, descs[0].n_normalizers = TDL_TOKEN_STEPS_MAX + over;
        descs[1].pretokenizers = pre, descs[1].n_pretokenizers = TDL_TOKEN_STEPS_MAX + over;
        descs[2].decoder = (tdl_token_decoder){.replace = {"a", 1}, .replacement = {content, replaced}};
        static const char *const messages[] = {"257 normalizers and 0 pre-tokenizers, at most 256 of each",
                                               "0 normalizers and 257 pre-tokenizers, at most 256 of each",
                                               "the decoder makes the tokens' 3 bytes up to 65634"};
        for (size_t i = 0; i < 3; i++) {
            tdl_error err = {0};
            descs[i].mem = tdl_allocator_or_default(NULL);
            descs[i].scheme = TDL_SCHEME_CHAR_BPE;
            descs[i].tokens = v.tokens, descs[i].kinds = v.kinds, descs[i].n_tokens = v.n;
            tdl_status status = tdl_tokenizer_create(&descs[i], &t, &err);
            if (status != (over ? TDL_ERROR_LIMIT : TDL_OK) || (over && !strstr(err.message, messages[i])))
                fail_msg("%zu: status %d, '%s'", i, status, err.message);
            if (!over) tdl_tokenizer_close(t);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_no_doubt),
        cmocka_unit_test(test_left_alone),
        cmocka_unit_test(test_fill),
        cmocka_unit_test(test_end_of_message),
        cmocka_unit_test(test_eos),
        cmocka_unit_test(test_bos_in_text),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_growth_of_parts),
        cmocka_unit_test(test_limits_of_a_tokenizer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
