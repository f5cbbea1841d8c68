// SPDX-License-Identifier: MIT
// test_bpe_train.c - training a tokenizer: what Hugging Face's trainer learns from the same corpus, a naive trainer on random
// texts, any bytes there and back, limits, and memory that runs out.
#include "token/bpe_train.h"

#include "base/limits.h"
#include "base/rng.h"
#include "support/fail_alloc.h"
#include "support/golden.h"
#include "support/test_files.h"
#include "token/bpe_words.h"
#include "token/tokenizer_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const end_of_text[] = {"<|endoftext|>"};

static tdl_bpe_train_desc plain(int32_t n_vocab) {
    return (tdl_bpe_train_desc){.mem = tdl_allocator_or_default(NULL),
                                .pre = "gpt-2",
                                .n_vocab = n_vocab,
                                .count_min = 1,
                                .specials = end_of_text,
                                .n_specials = 1};
}

static tdl_bpe_trainer *trained(const tdl_bpe_train_desc *desc, const char *text, size_t size) {
    tdl_bpe_trainer *t = NULL;
    tdl_error err = {0};
    assert_int_equal(tdl_bpe_trainer_create(desc, &t, &err), TDL_OK);
    assert_int_equal(tdl_bpe_trainer_add(t, tdl_text_of(text, size), &err), TDL_OK);
    tdl_status status;
    while ((status = tdl_bpe_trainer_merge(t, &err)) == TDL_PENDING) continue;
    assert_int_equal(status, TDL_DONE);
    return t;
}

static tdl_tokenizer *tokenizer_of(const tdl_bpe_trainer *t) {
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    tdl_str json = tdl_str_make(mem);
    tdl_tokenizer *tokenizer = NULL;
    tdl_error err = {0};
    assert_int_equal(tdl_bpe_trainer_write(t, &json, &err), TDL_OK);
    const tdl_tokenizer_json_desc desc = {.mem = mem, .json = tdl_text_of(json.ptr, json.size), .bos = -1, .eos = -1};
    assert_int_equal(tdl_tokenizer_from_json(&desc, &tokenizer, &err), TDL_OK);
    tdl_str_deinit(&json);
    return tokenizer;
}

// ---- Hugging Face's trainer

static void check_case(const json_t *of, const char *corpus, size_t size) {
    const char *specials[8];
    size_t i, n_specials = json_array_size(json_object_get(of, "specials"));
    for (i = 0; i < n_specials; i++)
        specials[i] = json_string_value(json_array_get(json_object_get(of, "specials"), i));
    tdl_bpe_train_desc desc = {.mem = tdl_allocator_or_default(NULL),
                               .pre = json_string_value(json_object_get(of, "pre")),
                               .n_vocab = (int32_t)json_integer_value(json_object_get(of, "n_vocab")),
                               .count_min = (int32_t)json_integer_value(json_object_get(of, "count_min")),
                               .specials = specials,
                               .n_specials = n_specials};
    tdl_bpe_trainer *t = trained(&desc, corpus, size);
    tdl_tokenizer *tokenizer = tokenizer_of(t);
    const json_t *tokens = json_object_get(of, "tokens"), *merges = json_object_get(of, "merges"), *text;
    assert_int_equal(tdl_tokenizer_n_vocab(tokenizer), json_array_size(tokens));
    json_array_foreach(tokens, i, text) {
        tdl_text own = tdl_tokenizer_token(tokenizer, (int32_t)i);
        assert_true(tdl_text_is(own, json_string_value(text)));
    }
    tdl_bpe_train_info info;
    tdl_bpe_trainer_get_info(t, &info);
    assert_int_equal(info.n_merges, json_array_size(merges));
    json_array_foreach(merges, i, text) {
        int32_t left, right;
        tdl_bpe_trainer_merged(t, (int32_t)i, &left, &right);
        tdl_text l = tdl_tokenizer_token(tokenizer, left), r = tdl_tokenizer_token(tokenizer, right);
        char own[256];
        snprintf(own, sizeof own, "%.*s %.*s", (int)l.size, l.ptr, (int)r.size, r.ptr);
        assert_string_equal(own, json_string_value(text));
    }
    size_t n_expected, n;
    int32_t *expected = golden_ids(json_object_get(of, "ids"), &n_expected), *ids = malloc(size * sizeof *ids);
    assert_int_equal(tdl_tokenizer_encode(tokenizer, corpus, size, NULL, ids, size, &n, NULL), TDL_OK);
    assert_int_equal(n, n_expected);
    assert_memory_equal(ids, expected, n * sizeof *ids);
    free(expected);
    free(ids);
    tdl_tokenizer_destroy(tokenizer);
    tdl_bpe_trainer_destroy(t);
}

static void test_golden(void **state) {
    (void)state;
    size_t size, i;
    char *corpus = (char *)test_file_read(TDL_TEST_DATA "/bpe/corpus.txt", &size);
    json_t *golden = golden_json(TDL_TEST_DATA "/bpe/golden.json"), *cases = json_object_get(golden, "cases");
    const json_t *of;
    assert_int_equal(json_array_size(cases), 4);
    json_array_foreach(cases, i, of) check_case(of, corpus, size);
    json_decref(golden);
    free(corpus);
}

// ---- a naive trainer: counts all pairs again for every merge

enum { NAIVE_MAX = 4096 };

typedef struct naive {
    int32_t ids[NAIVE_MAX]; // -1 between words
    size_t n;
    int32_t n_tokens;
} naive;

// The best pair of the smallest ids; its count, or 0.
static int naive_best(const naive *v, int32_t *left, int32_t *right) {
    static int counts[320][320];
    int best = 0;
    memset(counts, 0, sizeof counts);
    for (size_t i = 0; i + 1 < v->n; i++)
        if (v->ids[i] >= 0 && v->ids[i + 1] >= 0) counts[v->ids[i]][v->ids[i + 1]]++;
    for (int32_t l = 0; l < v->n_tokens; l++)
        for (int32_t r = 0; r < v->n_tokens; r++)
            if (counts[l][r] > best) {
                best = counts[l][r];
                *left = l;
                *right = r;
            }
    return best;
}

static void naive_merge(naive *v, int32_t left, int32_t right) {
    size_t n = 0;
    for (size_t i = 0; i < v->n; i++) {
        bool found = i + 1 < v->n && v->ids[i] == left && v->ids[i + 1] == right;
        v->ids[n++] = found ? v->n_tokens : v->ids[i];
        i += found;
    }
    v->n = n;
    v->n_tokens++;
}

// Words of few letters, with runs and repetitions in which occurrences of a pair overlap.
static size_t random_words(tdl_rng *rng, char *text, naive *v) {
    size_t size = 0;
    uint32_t n_letters = 1 + tdl_rng_u32(rng) % 3;
    *v = (naive){.n_tokens = 257};
    for (int w = 0; w < 60; w++) {
        text[size++] = '\n'; // a piece of its own before a letter
        v->ids[v->n++] = -1;
        uint32_t length = 1 + tdl_rng_u32(rng) % 24;
        for (uint32_t i = 0; i < length; i++) {
            char c = (char)('a' + tdl_rng_u32(rng) % n_letters);
            text[size++] = c;
            v->ids[v->n++] = 1 + c - '!'; // the alphabet begins with '!', after one special token
        }
    }
    return size;
}

static void test_naive(void **state) {
    (void)state;
    tdl_rng rng = tdl_rng_make(11, 0);
    for (int round = 0; round < 60; round++) {
        char text[NAIVE_MAX];
        naive v;
        size_t size = random_words(&rng, text, &v);
        tdl_bpe_train_desc desc = plain(310);
        desc.count_min = 1 + round % 3;
        tdl_bpe_trainer *t = trained(&desc, text, size);
        tdl_bpe_train_info info;
        tdl_bpe_trainer_get_info(t, &info);
        int32_t n = 0, left = 0, right = 0;
        for (; v.n_tokens < 310 && naive_best(&v, &left, &right) >= desc.count_min; n++) {
            int32_t own_left, own_right;
            assert_true(n < info.n_merges);
            tdl_bpe_trainer_merged(t, n, &own_left, &own_right);
            assert_int_equal(own_left, left);
            assert_int_equal(own_right, right);
            naive_merge(&v, left, right);
        }
        assert_int_equal(info.n_merges, n);
        assert_int_equal(info.n_vocab, 257 + n);
        tdl_bpe_trainer_destroy(t);
    }
}

// ---- there and back

static void test_round_trip(void **state) {
    (void)state;
    size_t size;
    char *corpus = (char *)test_file_read(TDL_TEST_DATA "/bpe/corpus.txt", &size);
    static const char *const pres[] = {"gpt-2", "llama-bpe", "qwen2", "smollm", "gpt-4o", "default"};
    tdl_rng rng = tdl_rng_make(3, 0);
    for (size_t p = 0; p < sizeof pres / sizeof *pres; p++) {
        tdl_bpe_train_desc desc = plain(420);
        desc.pre = pres[p];
        tdl_bpe_trainer *t = trained(&desc, corpus, size);
        tdl_tokenizer *tokenizer = tokenizer_of(t);
        for (int round = 0; round < 200; round++) {
            char text[300], back[400];
            int32_t ids[300];
            size_t n = tdl_rng_u32(&rng) % sizeof text, n_ids, back_size;
            size_t from = tdl_rng_u32(&rng) % (uint32_t)(size - sizeof text);
            for (size_t i = 0; i < n; i++) // any bytes, or the corpus with a few of them
                text[i] = round % 2 || i % 20 == 19 ? (char)tdl_rng_u32(&rng) : corpus[from + i];
            assert_int_equal(tdl_tokenizer_encode(tokenizer, text, n, NULL, ids, 300, &n_ids, NULL), TDL_OK);
            assert_int_equal(tdl_tokenizer_decode(tokenizer, ids, n_ids, NULL, back, sizeof back, &back_size, NULL),
                             TDL_OK);
            assert_int_equal(back_size, n);
            if (n) assert_memory_equal(back, text, n);
        }
        tdl_tokenizer_destroy(tokenizer);
        tdl_bpe_trainer_destroy(t);
    }
    free(corpus);
}

// ---- edges

static void test_division(void **state) {
    (void)state;
    const char text[] = "one two two\nthree one\ntwo three three";
    tdl_bpe_train_desc desc = plain(300);
    tdl_bpe_trainer *whole = trained(&desc, text, sizeof text - 1), *parts = NULL;
    assert_int_equal(tdl_bpe_trainer_create(&desc, &parts, NULL), TDL_OK);
    const size_t cuts[] = {22, 12, 0, sizeof text - 1}; // the last line first
    for (int i = 0; i < 3; i++) {
        size_t end = i == 0 ? sizeof text - 1 : cuts[i - 1];
        assert_int_equal(tdl_bpe_trainer_add(parts, tdl_text_of(text + cuts[i], end - cuts[i]), NULL), TDL_OK);
    }
    while (tdl_bpe_trainer_merge(parts, NULL) == TDL_PENDING) continue;
    tdl_str a = tdl_str_make(desc.mem), b = tdl_str_make(desc.mem);
    assert_int_equal(tdl_bpe_trainer_write(whole, &a, NULL), TDL_OK);
    assert_int_equal(tdl_bpe_trainer_write(parts, &b, NULL), TDL_OK);
    assert_string_equal(a.ptr, b.ptr);
    tdl_error err = {0};
    assert_error(tdl_bpe_trainer_add(parts, tdl_text_of("x", 1), &err), TDL_ERROR_ARGUMENT, &err, "after the first");
    tdl_str_deinit(&a);
    tdl_str_deinit(&b);
    tdl_bpe_trainer_destroy(whole);
    tdl_bpe_trainer_destroy(parts);
}

static void refused(tdl_bpe_train_desc desc, tdl_status expected, const char *part) {
    tdl_bpe_trainer *t = NULL;
    tdl_error err = {0};
    assert_error(tdl_bpe_trainer_create(&desc, &t, &err), expected, &err, part);
    assert_null(t);
}

static void test_bad_desc(void **state) {
    (void)state;
    static char long_special[TDL_ADDED_TOKEN_SIZE_MAX + 2];
    memset(long_special, 'x', TDL_ADDED_TOKEN_SIZE_MAX + 1);
    refused(plain(256), TDL_ERROR_ARGUMENT, "256 tokens, expected 257 (256 bytes and 1 special token)");
    refused(plain(TDL_VOCAB_MAX + 1), TDL_ERROR_ARGUMENT, "expected 257");
    tdl_bpe_train_desc desc = plain(300);
    desc.count_min = 0;
    refused(desc, TDL_ERROR_ARGUMENT, "count_min is 0");
    desc = plain(300);
    desc.pre = "no-such";
    refused(desc, TDL_ERROR_UNSUPPORTED, "'no-such' is unknown");
    static const char *const bad[][2] = {{"<a>", "<a>"}, {"<a>", ""}, {"<a>", "a"}, {"<a>", "\u0120"}, {"<a>", "\xff"}};
    static const char *const messages[] = {"'<a>' is given twice", "expected 1 to", "a byte's token", "a byte's token",
                                           "expected 1 to"};
    for (size_t i = 0; i < 5; i++) {
        desc = plain(300);
        desc.specials = bad[i];
        desc.n_specials = 2;
        refused(desc, TDL_ERROR_ARGUMENT, messages[i]);
    }
    const char *specials[TDL_BPE_SPECIALS_MAX + 1] = {long_special};
    desc = plain(300);
    desc.specials = specials;
    refused(desc, TDL_ERROR_ARGUMENT, "expected 1 to 1024");
    desc.n_specials = TDL_BPE_SPECIALS_MAX + 1;
    refused(desc, TDL_ERROR_LIMIT, "1025 special tokens");
    long_special[TDL_ADDED_TOKEN_SIZE_MAX] = 0;
    desc.n_specials = 1;
    tdl_bpe_trainer_destroy(trained(&desc, "a", 1)); // just below
    desc = plain(257);
    tdl_bpe_trainer *t = trained(&desc, "aaaa aaaa", 9);
    tdl_bpe_train_info info;
    tdl_bpe_trainer_get_info(t, &info);
    assert_int_equal(info.n_vocab, 257);
    tdl_bpe_trainer_destroy(t);
}

// A merge that would be spelled like a special token is passed over; the next best are made.
static void test_special_in_text(void **state) {
    (void)state;
    static const char *const specials[] = {"<|endoftext|>", "ab", "\u0120th"};
    tdl_bpe_train_desc desc = plain(300);
    desc.specials = specials;
    desc.n_specials = 3;
    tdl_bpe_trainer *t = trained(&desc, "abc abc abc the the the the", 27);
    tdl_tokenizer *tokenizer = tokenizer_of(t); // would refuse a text with two ids
    assert_int_equal(tdl_tokenizer_find(tokenizer, "ab", 2), 1);
    assert_int_equal(tdl_tokenizer_find(tokenizer, "\u0120th", 4), 2);
    assert_true(tdl_tokenizer_find(tokenizer, "bc", 2) > 0);
    assert_true(tdl_tokenizer_find(tokenizer, "\u0120the", 5) > 0); // by "he"
    int32_t ids[16];
    size_t n;
    assert_int_equal(tdl_tokenizer_encode(tokenizer, "ab the", 6, NULL, ids, 16, &n, NULL), TDL_OK);
    for (size_t i = 0; i < n; i++) assert_true(ids[i] > 2);
    tdl_tokenizer_destroy(tokenizer);
    tdl_bpe_trainer_destroy(t);
}

static void test_invalid_utf8(void **state) {
    (void)state;
    tdl_bpe_train_desc desc = plain(300);
    tdl_bpe_trainer *t = trained(&desc, "caf\xe9 caf\xe9 \xff\xfe\xff\xfe", 15);
    tdl_bpe_train_info info;
    tdl_bpe_trainer_get_info(t, &info);
    assert_int_equal(info.n_bytes, 15);
    assert_int_equal(info.n_bytes_invalid, 6);
    for (int32_t i = 0; i < info.n_merges; i++) {
        int32_t left, right;
        tdl_bpe_trainer_merged(t, i, &left, &right);
        assert_true((unsigned char)tdl_bpe_trainer_token(t, left).ptr[0] < 0x80);
    }
    tdl_bpe_trainer_destroy(t);
}

// The longest piece that counts gives a tokenizer that loads; a longer one is left out, and said.
static void test_long_piece(void **state) {
    (void)state;
    for (size_t more = 0; more < 2; more++) {
        size_t size = TDL_BPE_PIECE_SIZE_MAX + more;
        char *text = malloc(size);
        memset(text, '\n', size); // spelled with two bytes each
        tdl_bpe_train_desc desc = plain(400);
        tdl_bpe_trainer *t = trained(&desc, text, size);
        tdl_bpe_train_info info;
        tdl_bpe_trainer_get_info(t, &info);
        assert_int_equal(info.n_pieces_lost, more);
        assert_int_equal(info.n_merges > 0, !more);
        tdl_tokenizer_destroy(tokenizer_of(t));
        tdl_bpe_trainer_destroy(t);
        free(text);
    }
}

// A full table drops the rare words, says how many occurrences that were, and goes on counting.
static void test_words(void **state) {
    (void)state;
    tdl_bpe_words w;
    tdl_bpe_words_init(&w, tdl_allocator_or_default(NULL), 64);
    char text[8];
    for (int i = 0; i < 16;
         i++) // 16 words of 4 bytes fill it; the first four occurred three times, the next four twice
        for (int k = 0; k < (i < 4 ? 3 : i < 8 ? 2 : 1); k++) {
            snprintf(text, sizeof text, "w%03d", i);
            assert_true(tdl_bpe_words_count(&w, tdl_text_of(text, 4)));
        }
    assert_int_equal(w.words.n, 16);
    assert_int_equal(w.n_lost, 0);
    assert_true(tdl_bpe_words_count(&w, tdl_text_of("next", 4)));
    assert_int_equal(w.n_lost, 8); // the eight single ones: half is free then
    assert_int_equal(w.words.n, 9);
    for (int i = 0; i < 9; i++) {
        const tdl_bpe_word *word = tdl_vec_at(&w.words, tdl_bpe_word, i);
        snprintf(text, sizeof text, i < 8 ? "w%03d" : "next", i);
        assert_memory_equal(w.bytes.ptr + word->begin, text, 4);
        assert_int_equal(word->count, i < 4 ? 3 : i < 8 ? 2 : 1);
    }
    assert_true(tdl_bpe_words_count(&w, tdl_text_of("w000", 4)));
    assert_int_equal(tdl_vec_at(&w.words, tdl_bpe_word, 0)->count, 4);
    assert_true(tdl_bpe_words_count(&w, tdl_text_of("longer than half of the whole table's bytes", 43)));
    assert_int_equal(w.n_lost, 9);
    tdl_bpe_words_deinit(&w);
}

static tdl_status life(const tdl_allocator *mem, void *arg) {
    (void)arg;
    tdl_bpe_train_desc desc = plain(270);
    desc.mem = mem;
    tdl_bpe_trainer *t = NULL;
    tdl_str json = tdl_str_make(mem);
    tdl_status status = tdl_bpe_trainer_create(&desc, &t, NULL);
    if (status == TDL_OK) status = tdl_bpe_trainer_add(t, tdl_text_cstr("the cat and the hat and the bat"), NULL);
    while (status == TDL_OK || status == TDL_PENDING) status = tdl_bpe_trainer_merge(t, NULL);
    if (status == TDL_DONE) status = tdl_bpe_trainer_write(t, &json, NULL);
    tdl_str_deinit(&json);
    tdl_bpe_trainer_destroy(t);
    return status;
}

static void test_no_memory(void **state) {
    (void)state;
    assert_true(fail_alloc_each(life, NULL) > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),       cmocka_unit_test(test_naive),      cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_division),     cmocka_unit_test(test_bad_desc),   cmocka_unit_test(test_special_in_text),
        cmocka_unit_test(test_invalid_utf8), cmocka_unit_test(test_long_piece), cmocka_unit_test(test_words),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
