// SPDX-License-Identifier: MIT
// test_dataset.c - from files to ids: records and their answers, where documents begin, the cache, and bad input.
#include "train/dataset.h"

#include "base/limits.h"
#include "base/rng.h"
#include "support/fail_alloc.h"
#include "support/sanitizer.h"
#include "support/test_files.h"
#include "support/token_golden.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[TEST_PATH_SIZE], cache[TEST_PATH_SIZE];
static char file_paths[4][TEST_PATH_SIZE];
static tdl_tokenizer *gpt2;

static int make_dirs(void **state) {
    (void)state;
    char path[TEST_PATH_SIZE];
    test_dir_make(dir);
    strcpy(cache, test_path(path, dir, "cache"));
    return mkdir(cache, 0777);
}

static int remove_dirs(void **state) {
    (void)state;
    test_dir_remove(dir);
    return 0;
}

// File number i of the test, "dir/name".
static const char *put(int i, const char *name, const char *text, size_t size) {
    test_path(file_paths[i], dir, name);
    test_file_write(file_paths[i], text, size);
    return file_paths[i];
}

#define PUT(i, name, text) put((i), (name), (text), sizeof(text) - 1)

static tdl_status open_files(const tdl_dataset_desc *options, int n, tdl_dataset **out, tdl_error *err) {
    const char *paths[4];
    tdl_dataset_desc desc = *options;
    for (int i = 0; i < n; i++) paths[i] = file_paths[i];
    desc.paths = paths;
    desc.n_paths = (size_t)n;
    desc.cache_dir = cache;
    if (!desc.tokenizer) desc.tokenizer = gpt2;
    *err = (tdl_error){0};
    return tdl_dataset_open(tdl_allocator_or_default(NULL), &desc, out, err);
}

static tdl_dataset *open_good(const tdl_dataset_desc *options, int n) {
    tdl_dataset *dataset = NULL;
    tdl_error err;
    if (open_files(options, n, &dataset, &err)) fail_msg("%s", err.message);
    return dataset;
}

// All documents as text: "|" before each, uncounted tokens in brackets. Special tokens show as they are spelled.
static const char *show(const tdl_dataset *dataset, const tdl_tokenizer *tokenizer) {
    static char shown[1 << 16];
    const tdl_token_file *file = tdl_dataset_tokens(dataset);
    size_t size = 0;
    bool open = false;
    for (uint64_t i = 0; i < file->n_tokens; i++) {
        char text[256];
        size_t n;
        int32_t id = tdl_token_file_id(file, i);
        bool begins = file->documents[tdl_token_file_document(file, i)] == i;
        bool counted = tdl_token_file_counted(file, i);
        assert_int_equal(tdl_tokenizer_decode(tokenizer, &id, 1, NULL, text, sizeof text, &n, NULL), TDL_OK);
        assert_true(size + n + 4 < sizeof shown);
        if (open && (counted || begins)) shown[size++] = ']';
        if (begins) shown[size++] = '|';
        if (!counted && (!open || begins)) shown[size++] = '[';
        open = !counted;
        memcpy(shown + size, text, n);
        size += n;
    }
    if (open) shown[size++] = ']';
    shown[size] = '\0';
    return shown;
}

static void check_shown(const tdl_dataset_desc *options, int n, const char *expected) {
    tdl_dataset *dataset = open_good(options, n);
    assert_string_equal(show(dataset, options->tokenizer ? options->tokenizer : gpt2), expected);
    tdl_dataset_close(dataset);
}

#define END "<|endoftext|>"

static void test_text(void **state) {
    (void)state;
    const tdl_dataset_desc desc = {0};
    PUT(0, "a.txt", "one two\0three\n\0\0 \n\0four <|endoftext|> five");
    check_shown(&desc, 1, "|one two" END "|three\n" END "|four <|endoftext|> five" END);
    PUT(0, "b.txt", "\xEF\xBB\xBFno mark\0");
    PUT(1, "c", "\0\0second file");
    check_shown(&desc, 2, "|no mark" END "|second file" END);
    PUT(0, "d.txt", "x\n---\ny y\n--\nz\n---\n\n---\nw");
    const tdl_dataset_desc lines = {.separator = {"\n---\n", 5}};
    check_shown(&lines, 1, "|x" END "|y y\n--\nz" END "|w" END);
    PUT(0, "e.jsonl", "{\"text\": 1}");
    const tdl_dataset_desc as_text = {.format = TDL_DATA_TEXT};
    check_shown(&as_text, 1, "|{\"text\": 1}" END);
    PUT(0, "e.txt", "{\"text\": \"in\"}");
    const tdl_dataset_desc as_records = {.format = TDL_DATA_JSONL};
    check_shown(&as_records, 1, "|in" END);
    PUT(0, "f.txt", "bad \xFF\xC3 bytes \xE2\x82");
    check_shown(&desc, 1, "|bad \xFF\xC3 bytes \xE2\x82" END);
}

static void test_records(void **state) {
    (void)state;
    const tdl_dataset_desc desc = {0};
    PUT(0, "a.jsonl",
        "{\"text\": \"one\\u0000two\", \"id\": 7}\r\n"
        "\n  \n"
        "{\"prompt\": \"Q: \", \"completion\": \"A.\"}\n"
        "{\"text\": \"\"}\n"
        "{\"completion\": \"is learned\", \"prompt\": \"\", \"text\": \"is not read\"}\n"
        "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}], \"text\": \"nothing is learned here\"}\n"
        "{\"messages\": [{\"role\": \"system\", \"content\": \"be brief\"}, {\"role\": \"user\", \"content\": \"hi\"},"
        " {\"role\": \"assistant\", \"content\": \"ho\"}, {\"role\": \"user\", \"content\": \"ha\"},"
        " {\"content\": \"he\", \"role\": \"assistant\"}]}");
    tdl_dataset *dataset = open_good(&desc, 1);
    const tdl_token_file *file = tdl_dataset_tokens(dataset);
    assert_int_equal(file->n_documents, 4);
    // The first document has a NUL, which `show` cannot show.
    assert_string_equal(strchr(show(dataset, gpt2) + 1, '\0') + 1,
                        "two" END "|[Q: ]A." END "|is learned" END "|[system: be brief\nuser: hi\nassistant:] ho" END
                        "[user: ha\nassistant:] he" END);
    tdl_dataset_close(dataset);
}

// Conversations as ShareGPT and Alpaca spell them, parts of contents, weights; what is left out is counted.
static void test_forms(void **state) {
    (void)state;
    PUT(0, "a.JSONL",
        "{\"conversations\": [{\"from\": \"human\", \"value\": \"hi\"}, {\"from\": \"gpt\", \"value\": \"ho\"}]}\n"
        "{\"conversations\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"b\"}],"
        " \"system\": \"brief\"}\n"
        "{\"instruction\": \"add\", \"input\": \"1 and 2\", \"output\": \"3\"}\n"
        "{\"instruction\": \"say no\", \"input\": \"\", \"output\": \"no\", \"history\": []}\n"
        "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"one \"},"
        " {\"type\": \"text\", \"text\": \"two\"}], \"id\": 3, \"name\": null},"
        " {\"role\": \"assistant\", \"content\": \"bad\", \"weight\": 0},"
        " {\"role\": \"user\", \"content\": \"again\"},"
        " {\"role\": \"assistant\", \"content\": \"good\", \"weight\": 1, \"tool_calls\": []}]}\n"
        "{\"prompt\": \"p\", \"completion\": \"\"}\n" // learns the end
        "{\"text\": \"\"}\n{\"messages\": []}\n"      // empty
        "{\"messages\": [{\"role\": \"user\", \"content\": \"nobody answers\"}]}\n");
    tdl_dataset *dataset = open_good(&(tdl_dataset_desc){0}, 1);
    assert_string_equal(show(dataset, gpt2),
                        "|[user: hi\nassistant:] ho" END "|[system: brief\nuser: a\nassistant:] b" END
                        "|[user: add\n\n1 and 2\nassistant:] 3" END "|[user: say no\nassistant:] no" END
                        "|[user: one two\nassistant: bad" END "user: again\nassistant:] good" END "|[p]" END);
    const tdl_token_file *file = tdl_dataset_tokens(dataset);
    assert_true(file->has_records);
    assert_int_equal(file->counts.n_records, 9);
    assert_int_equal(file->counts.n_empty, 2);
    assert_int_equal(file->counts.n_masked, 1);
    assert_int_equal(file->counts.n_empty_answers, 1);
    tdl_dataset_close(dataset);
    dataset = open_good(&(tdl_dataset_desc){0}, 1); // from the cache
    assert_true(tdl_dataset_was_cached(dataset));
    assert_int_equal(tdl_dataset_tokens(dataset)->counts.n_masked, 1);
    tdl_dataset_close(dataset);

    PUT(0, "b.txt", "one\0 \n\0\0two \xFF\0");
    dataset = open_good(&(tdl_dataset_desc){0}, 1);
    file = tdl_dataset_tokens(dataset);
    assert_false(file->has_records);
    assert_true(file->counts.n_records == 3 && file->counts.n_empty == 1 && file->counts.n_bad_utf8 == 1);
    tdl_dataset_close(dataset);
}

// A .json file is an array of records, or JSONL; a text that looks like either is noticed.
static void test_json_files(void **state) {
    (void)state;
    const tdl_dataset_desc desc = {0};
    const char *first;
    tdl_dataset *dataset = NULL;
    tdl_error err;
    PUT(0, "a.json",
        "\n [{\"text\": \"one ] , \\\" } [\"},\n{\"prompt\": \"p\",\n \"completion\": \"c\", \"x\": [[], {}]}\n]\n ");
    check_shown(&desc, 1, "|one ] , \" } [" END "|[p]c" END);
    PUT(0, "b.Json", "{\"text\": \"one\"}\n{\"text\": \"two\"}\n");
    check_shown(&desc, 1, "|one" END "|two" END);
    static const char *const bad[][2] = {{"[{\"text\": \"a\"},\n\n{\"text\": 3}]", "c.json:3: \"text\" is a number"},
                                         {"[{\"text\": \"a\"}", "c.json:1: the file ends within the array"},
                                         {"[{\"text\": \"a\"},", "c.json:1: the file ends within the array"},
                                         {"[{\"text\": \"a\"}]\n{}", "c.json:2: text after the array"},
                                         {"[{\"text\": \"a\"},]", "nothing"},
                                         {"[{\"text\": \"a\"},,{}]", "c.json:1: "},
                                         {"[\"a\"]", "c.json:1: expected a JSON object"},
                                         {"[]", "nothing to learn from"},
                                         {"{\n\"text\": \"a\"}", "c.json:1: "}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put(0, "c.json", bad[i][0], strlen(bad[i][0]));
        tdl_status status = open_files(&desc, 1, &dataset, &err);
        if (strcmp(bad[i][1], "nothing") == 0) { // a comma too many does no harm
            assert_int_equal(status, TDL_OK);
            tdl_dataset_close(dataset);
        } else {
            assert_error(status, TDL_ERROR_FORMAT, &err, bad[i][1]);
        }
    }
    static const struct {
        const char *text;
        size_t n;
    } texts[] = {{"{\"text\": \"a\"}\nmore", 1}, {"[{\"text\": \"a\"}, {}]", 1}, {"{not json}\n", 0}, {"plain", 0}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        put(0, "d.txt", texts[i].text, strlen(texts[i].text));
        dataset = open_good(&desc, 1);
        assert_int_equal(tdl_dataset_n_like_json(dataset, &first), texts[i].n);
        if (texts[i].n) assert_string_equal(first, file_paths[0]);
        tdl_dataset_close(dataset);
    }
    // Over several pieces, with an element that lies across their boundary.
    enum { N = 60000 };
    char *text = malloc(N * 40);
    size_t size = (size_t)sprintf(text, "[");
    for (int i = 0; i < N; i++) size += (size_t)sprintf(text + size, "%s\n{\"text\": \"%d in\"}", i ? "," : "", i);
    size += (size_t)sprintf(text + size, "]");
    put(0, "e.json", text, size);
    dataset = open_good(&desc, 1);
    assert_int_equal(tdl_dataset_tokens(dataset)->n_documents, N);
    tdl_dataset_close(dataset);
    *strstr(text, "\"59999 in") = '3';
    put(0, "e.json", text, size);
    assert_error(open_files(&desc, 1, &dataset, &err), TDL_ERROR_FORMAT, &err, "e.json:60001: ");
    free(text);
}

static void test_templates(void **state) {
    (void)state;
    static const char lines[] =
        "{\"messages\": [{\"role\": \"user\", \"content\": \"say <|im_end|> </s>\"},"
        " {\"role\": \"assistant\", \"content\": \"no\"}, {\"role\": \"user\", \"content\": \"ok\"}]}\n";
    PUT(0, "a.jsonl", lines);
    tdl_tokenizer *qwen2 = golden_tokenizer("qwen2.tokenizer.json");
    int32_t im_end = tdl_tokenizer_find(qwen2, "<|im_end|>", 10);
    tdl_dataset *dataset = open_good(&(tdl_dataset_desc){.tokenizer = qwen2}, 1);
    assert_string_equal(show(dataset, qwen2),
                        "|[<|im_start|>user\nsay <|im_end|> </s><|im_end|>\n<|im_start|>assistant\n]no<|im_end|>[\n"
                        "<|im_start|>user\nok<|im_end|>\n]");
    int n_ends = 0; // the one that the message talks about is plain text
    const tdl_token_file *file = tdl_dataset_tokens(dataset);
    for (uint64_t i = 0; i < file->n_tokens; i++) n_ends += tdl_token_file_id(file, i) == im_end;
    assert_int_equal(n_ends, 3);
    tdl_dataset_close(dataset);
    tdl_tokenizer_close(qwen2);

    // One that begins every text with its own token.
    tdl_tokenizer *llama3 = golden_tokenizer("llama3.tokenizer.json");
    check_shown(&(tdl_dataset_desc){.tokenizer = llama3}, 1,
                "|[<s>user: say <|im_end|> </s>\nassistant:] no</s>[user: ok\n]");
    tdl_tokenizer_close(llama3);
}

// Long documents are cut for the threads: the ids are those of the whole, whatever the threads, for a tokenizer that
// allows it in one way (gpt2), in another (qwen2), and one that puts a space before every text (llama2).
static void test_cuts(void **state) {
    (void)state;
    static const char *const names[] = {"gpt2.tokenizer.json", "qwen2.tokenizer.json", "llama2.tokenizer.json"};
    static const tdl_data_cuts cuts[] = {{true, 1}, {true, 2}, {false, 0}};
    enum { SIZE = (3 << 20) + 12345, DULL_BEGIN = 900000, DULL_END = 1300000 };
    static char text[SIZE];
    static const char *const words[] = {"the ",       "and\n",          "\n", "\n\n", " in", "x", "3.5 ",
                                        "\xC3\xA9\n", "\xE3\x80\x80\n", "th", "\t\n"};
    tdl_rng rng = tdl_rng_make(3, 3);
    size_t size = 0;
    while (size + 8 < SIZE) {
        const char *word = words[tdl_rng_u32(&rng) % (sizeof words / sizeof *words)];
        if (size > DULL_BEGIN && size < DULL_END) word = "e "; // no line ends for long
        memcpy(text + size, word, strlen(word));
        size += strlen(word);
    }
    text[size / 2] = '\0';
    put(0, "long.txt", text, size);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (THREAD_SANITIZED && i != 1) continue; // threads do the same for all
        tdl_tokenizer *tokenizer = golden_tokenizer(names[i]);
        tdl_data_style style;
        assert_int_equal(tdl_data_style_find(tokenizer, &style, NULL), TDL_OK);
        assert_int_equal(style.cuts.line, cuts[i].line);
        assert_int_equal(style.cuts.paragraph, cuts[i].paragraph);
        golden_ids halves[] = {
            golden_encode(tokenizer, text, size / 2, TDL_BOS_DEFAULT, false),
            golden_encode(tokenizer, text + size / 2 + 1, size - size / 2 - 1, TDL_BOS_DEFAULT, false)};
        for (int32_t n_threads = i == 0 ? 1 : 2; n_threads <= 2; n_threads++) {
            tdl_dataset *dataset = open_good(&(tdl_dataset_desc){.tokenizer = tokenizer, .n_threads = n_threads}, 1);
            const tdl_token_file *file = tdl_dataset_tokens(dataset);
            assert_int_equal(file->n_documents, 2);
            for (size_t h = 0; h < 2; h++) {
                uint64_t begin = file->documents[h];
                assert_int_equal(file->documents[h + 1] - begin, halves[h].n + (style.eos >= 0));
                for (size_t t = 0; t < halves[h].n; t++) {
                    if (tdl_token_file_id(file, begin + t) != halves[h].ids[t]) fail_msg("%s: token %zu", names[i], t);
                }
            }
            assert_false(tdl_dataset_was_cached(dataset));
            assert_int_equal(unlink(tdl_dataset_cache_path(dataset)), 0);
            tdl_dataset_close(dataset);
        }
        free(halves[0].ids);
        free(halves[1].ids);
        tdl_tokenizer_close(tokenizer);
    }
}

// Records over several pieces come out in order, with one thread or more, and an error has its line.
static void test_many_lines(void **state) {
    (void)state;
    enum { N = 60000 };
    char *text = malloc(N * 64);
    size_t size = 0;
    assert_non_null(text);
    for (int i = 0; i < N; i++)
        size += (size_t)sprintf(text + size, "{\"prompt\": \"%d in\", \"completion\": \"the\"}\n", i);
    put(0, "many.jsonl", text, size);
    for (int32_t n_threads = 1; n_threads <= 2; n_threads++) {
        tdl_dataset *dataset = open_good(&(tdl_dataset_desc){.n_threads = n_threads}, 1);
        const tdl_token_file *file = tdl_dataset_tokens(dataset);
        assert_int_equal(file->n_documents, N);
        for (uint64_t i = 0; i < N; i += 7) {
            char shown[64], expected[64];
            int32_t ids[32];
            size_t n = (size_t)(file->documents[i + 1] - file->documents[i]), shown_size;
            for (size_t t = 0; t < n; t++) ids[t] = tdl_token_file_id(file, file->documents[i] + t);
            assert_int_equal(tdl_tokenizer_decode(gpt2, ids, n, NULL, shown, sizeof shown, &shown_size, NULL), TDL_OK);
            snprintf(expected, sizeof expected, "%d inthe" END, (int)i);
            assert_int_equal(shown_size, strlen(expected));
            assert_memory_equal(shown, expected, shown_size);
        }
        unlink(tdl_dataset_cache_path(dataset));
        tdl_dataset_close(dataset);
    }
    size_t bad = 0;
    for (int line = 1; line < 51234; line++) bad = (size_t)(strchr(text + bad, '\n') - text) + 1;
    text[bad] = '[';
    put(0, "many.jsonl", text, size);
    tdl_dataset *dataset = NULL;
    tdl_error err;
    assert_error(open_files(&(tdl_dataset_desc){0}, 1, &dataset, &err), TDL_ERROR_FORMAT, &err, "many.jsonl:51234: ");
    free(text);
}

static void test_cache(void **state) {
    (void)state;
    const tdl_dataset_desc desc = {0};
    const char *path = PUT(0, "a.txt", "one in the");
    tdl_dataset *dataset = open_good(&desc, 1);
    char cached[TEST_PATH_SIZE];
    assert_false(tdl_dataset_was_cached(dataset));
    strcpy(cached, tdl_dataset_cache_path(dataset));
    tdl_dataset_close(dataset);

    dataset = open_good(&desc, 1);
    assert_true(tdl_dataset_was_cached(dataset));
    assert_string_equal(show(dataset, gpt2), "|one in the" END);
    tdl_dataset_close(dataset);

    // Another text, also of the same size, another time, damage, an empty file, nonsense: made anew under the same name.
    struct timespec times[2] = {{.tv_sec = 1000000, .tv_nsec = 5}, {.tv_sec = 1000000, .tv_nsec = 7}};
    for (int i = 0; i < 5; i++) {
        size_t size;
        uint8_t *bytes = test_file_read(cached, &size);
        if (i == 0) test_file_write(path, "one in two", 10);
        if (i == 0 || i == 1) {
            times[1].tv_nsec += 1;
            assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
        }
        if (i == 2) {
            bytes[70] ^= 1;
            test_file_write(cached, bytes, size);
        }
        if (i == 3) test_file_write(cached, "", 0);
        if (i == 4) test_file_write(cached, bytes, size - 1);
        free(bytes);
        dataset = open_good(&desc, 1);
        assert_false(tdl_dataset_was_cached(dataset));
        assert_string_equal(tdl_dataset_cache_path(dataset), cached);
        assert_string_equal(show(dataset, gpt2), "|one in two" END);
        tdl_dataset_close(dataset);
        dataset = open_good(&desc, 1);
        assert_true(tdl_dataset_was_cached(dataset));
        tdl_dataset_close(dataset);
    }

    // Other options and other tokenizers have files of their own.
    tdl_tokenizer *qwen2 = golden_tokenizer("qwen2.tokenizer.json");
    const tdl_dataset_desc others[] = {{.separator = {" ", 1}}, {.n_vocab = 5000}, {.tokenizer = qwen2}};
    for (size_t i = 0; i < 3; i++) {
        dataset = open_good(&others[i], 1);
        assert_false(tdl_dataset_was_cached(dataset));
        assert_string_not_equal(tdl_dataset_cache_path(dataset), cached);
        tdl_dataset_close(dataset);
    }
    tdl_tokenizer_close(qwen2);
    dataset = open_good(&desc, 1);
    assert_true(tdl_dataset_was_cached(dataset));
    tdl_dataset_close(dataset);
}

// A token file in place of its sources.
static void test_token_file_given(void **state) {
    (void)state;
    PUT(0, "a.txt", "one in the");
    tdl_dataset *dataset = open_good(&(tdl_dataset_desc){0}, 1);
    test_file_copy(tdl_dataset_cache_path(dataset), test_path(file_paths[0], dir, "moved.bin"));
    tdl_dataset_close(dataset);
    dataset = open_good(&(tdl_dataset_desc){0}, 1);
    assert_true(tdl_dataset_was_cached(dataset));
    assert_string_equal(tdl_dataset_cache_path(dataset), file_paths[0]);
    assert_string_equal(show(dataset, gpt2), "|one in the" END);
    tdl_dataset_close(dataset);

    tdl_error err;
    tdl_tokenizer *qwen2 = golden_tokenizer("qwen2.tokenizer.json");
    assert_error(open_files(&(tdl_dataset_desc){.tokenizer = qwen2}, 1, &dataset, &err), TDL_ERROR_ARGUMENT, &err,
                 "another tokenizer");
    tdl_tokenizer_close(qwen2);
    assert_error(open_files(&(tdl_dataset_desc){.n_vocab = 1000}, 1, &dataset, &err), TDL_ERROR_ARGUMENT, &err,
                 "another tokenizer");
    PUT(1, "b.txt", "more");
    assert_error(open_files(&(tdl_dataset_desc){0}, 2, &dataset, &err), TDL_ERROR_ARGUMENT, &err,
                 "moved.bin': a token file is given by itself, these are 2 files");
    char moved[TEST_PATH_SIZE];
    strcpy(moved, file_paths[0]);
    test_file_copy(moved, test_path(file_paths[0], dir, "moved.txt"));
    assert_error(open_files(&(tdl_dataset_desc){0}, 1, &dataset, &err), TDL_ERROR_UNSUPPORTED, &err,
                 "moved.txt': is a token file not named .bin");
    PUT(0, "c.bin",
        "not one of these, but long enough to have room for all that stands in such a file: a head of 64"
        " bytes and 128 bytes more at its end, which say how many tokens there are, and what they are of.");
    assert_error(open_files(&(tdl_dataset_desc){0}, 1, &dataset, &err), TDL_ERROR_FORMAT, &err, "c.bin: token file: ");
}

#define TALK(role, content) "{\"messages\": [{\"role\": \"" role "\", \"content\": " content "}]}"

static void test_bad_records(void **state) {
    (void)state;
    static const struct {
        const char *line;
        tdl_status status;
        const char *part;
    } cases[] = {
        {"{\"text\": \"a", TDL_ERROR_FORMAT, "bad.jsonl:3: line 1, column 11"},
        {"not json", TDL_ERROR_FORMAT, "bad.jsonl:3: "},
        {"[]", TDL_ERROR_FORMAT,
         "data: %s:3: expected a JSON object; a file that is one array of records is named .json"},
        {"\"text\"", TDL_ERROR_FORMAT, ":3: expected a JSON object"},
        {"{}", TDL_ERROR_FORMAT,
         ":3: expected \"text\", \"prompt\" with \"completion\", \"messages\", "
         "\"conversations\" or \"instruction\" with \"output\""},
        {"{\"completion\": \"a\"}", TDL_ERROR_FORMAT, ":3: expected \"text\""},
        {"{\"prompt\": \"a\"}", TDL_ERROR_FORMAT, ":3: \"completion\" is missing, expected a string"},
        {"{\"text\": 3}", TDL_ERROR_FORMAT, ":3: \"text\" is a number, expected a string"},
        {"{\"text\": null}", TDL_ERROR_FORMAT, ":3: \"text\" is null"},
        {"{\"prompt\": [], \"completion\": \"\"}", TDL_ERROR_FORMAT, ":3: \"prompt\" is an array"},
        {"{\"messages\": {}}", TDL_ERROR_FORMAT, ":3: \"messages\" is no array"},
        {"{\"messages\": [3]}", TDL_ERROR_FORMAT, ":3: message 1: expected a JSON object"},
        {"{\"messages\": [{\"role\": \"user\", \"content\": \"\"}, {\"role\": \"user\"}]}", TDL_ERROR_FORMAT,
         ":3: message 2: \"content\" is missing"},
        {"{\"messages\": [{\"role\": true, \"content\": \"\"}]}", TDL_ERROR_FORMAT, ":3: message 1: \"role\" is true"},
        {"{\"text\": \"a\", \"text\": NaN}", TDL_ERROR_FORMAT, ":3: \"text\" is a number"},
        {"{\"text\": \"\xFF\"}", TDL_ERROR_FORMAT, ":3: line 1"},
        // What a model would see otherwise is refused by name.
        {TALK("assistant", "\"\", \"tool_calls\": [{\"type\": \"function\"}]"), TDL_ERROR_UNSUPPORTED,
         ":3: message 1: \"tool_calls\" is not understood"},
        {TALK("assistant", "null, \"tool_calls\": [{}]"), TDL_ERROR_UNSUPPORTED, "\"tool_calls\" is not understood"},
        {TALK("assistant", "null"), TDL_ERROR_FORMAT, ":3: message 1: \"content\" is null"},
        {TALK("assistant", "\"a\", \"function_call\": {\"name\": \"f\"}"), TDL_ERROR_UNSUPPORTED, "\"function_call\""},
        {TALK("assistant", "\"a\", \"reasoning_content\": \"hm\""), TDL_ERROR_UNSUPPORTED, "\"reasoning_content\""},
        {TALK("user", "\"a\", \"name\": \"Ann\""), TDL_ERROR_UNSUPPORTED, "\"name\" is not understood"},
        {TALK("tool", "\"a\", \"tool_call_id\": \"c1\""), TDL_ERROR_UNSUPPORTED, "\"tool_call_id\""},
        {TALK("user", "\"a\", \"anything\": 1"), TDL_ERROR_UNSUPPORTED, "message 1: \"anything\" is not understood"},
        {TALK("assistant", "\"a\", \"weight\": 0.5"), TDL_ERROR_UNSUPPORTED, "\"weight\": 0 or 1 expected"},
        {TALK("assistant", "\"a\", \"weight\": \"1\""), TDL_ERROR_UNSUPPORTED, "\"weight\": 0 or 1 expected"},
        {TALK("user", "\"a\", \"weight\": 1"), TDL_ERROR_UNSUPPORTED, "\"weight\" is 1, but only answers are learned"},
        {TALK("Assistant", "\"a\""), TDL_ERROR_UNSUPPORTED,
         "\"role\" is 'Assistant', expected system, user, assistant"},
        {TALK("user", "[{\"type\": \"image_url\", \"image_url\": \"x\"}]"), TDL_ERROR_UNSUPPORTED,
         "\"content\": part 1 has the type 'image_url', expected 'text'"},
        {TALK("user", "[{\"type\": \"text\"}]"), TDL_ERROR_FORMAT, "message 1: \"text\" is missing"},
        {TALK("user", "[\"a\"]"), TDL_ERROR_UNSUPPORTED, "part 1 has the type ''"},
        {"{\"tools\": [{}], \"messages\": []}", TDL_ERROR_UNSUPPORTED, ":3: \"tools\" is not understood"},
        {"{\"images\": [\"a.png\"], \"text\": \"a\"}", TDL_ERROR_UNSUPPORTED, ":3: \"images\" is not understood"},
        {"{\"system\": \"s\", \"prompt\": \"a\", \"completion\": \"b\"}", TDL_ERROR_UNSUPPORTED, "\"system\" is not"},
        {"{\"system\": \"s\", \"messages\": [{\"role\": \"system\", \"content\": \"t\"}]}", TDL_ERROR_FORMAT,
         "\"system\" is given beside a first message of that role"},
        {"{\"conversations\": [{\"from\": \"observation\", \"value\": \"a\"}]}", TDL_ERROR_UNSUPPORTED,
         "\"from\" is 'observation', expected human, gpt or system"},
        {"{\"conversations\": [{\"from\": \"gpt\"}]}", TDL_ERROR_FORMAT, "message 1: \"value\" is missing"},
        {"{\"instruction\": \"a\"}", TDL_ERROR_FORMAT, ":3: \"output\" is missing"},
        {"{\"instruction\": \"a\", \"output\": \"b\", \"history\": [[\"a\", \"b\"]]}", TDL_ERROR_UNSUPPORTED,
         "\"history\" is not understood"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024], part[256];
        tdl_dataset *dataset = NULL;
        tdl_error err;
        int size = snprintf(text, sizeof text, "{\"text\": \"fine\"}\n\n%s\n{\"text\": \"fine\"}\n", cases[i].line);
        put(0, "bad.jsonl", text, (size_t)size);
        snprintf(part, sizeof part, cases[i].part, file_paths[0]);
        assert_error(open_files(&(tdl_dataset_desc){0}, 1, &dataset, &err), cases[i].status, &err, part);
        assert_null(dataset);
    }
    char name[TEST_PATH_SIZE]; // nothing is left of them
    assert_int_equal(rmdir(cache), 0);
    assert_int_equal(mkdir(test_path(name, dir, "cache"), 0777), 0);
}

static void check_bad(const tdl_dataset_desc *desc, int n, tdl_status status, const char *part) {
    tdl_dataset *dataset = NULL;
    tdl_error err;
    assert_error(open_files(desc, n, &dataset, &err), status, &err, part);
    assert_null(dataset);
}

static void test_bad_input(void **state) {
    (void)state;
    const tdl_dataset_desc desc = {0};
    PUT(0, "good.txt", "fine");
    test_path(file_paths[1], dir, "absent.txt");
    check_bad(&desc, 2, TDL_ERROR_IO, "absent.txt': cannot open: No such file");
    strcpy(file_paths[1], dir);
    check_bad(&desc, 2, TDL_ERROR_IO, "is a directory");
    PUT(1, "empty.txt", "");
    check_bad(&desc, 2, TDL_ERROR_FORMAT, "empty.txt': the file is empty");
    PUT(1, "xz.txt",
        "\xFD"
        "7zXZ\0 and so on");
    check_bad(&desc, 2, TDL_ERROR_UNSUPPORTED, "xz.txt': is compressed (xz), expected text in UTF-8");
    PUT(1, "wide.txt", "\xFF\xFEw\0i\0d\0e\0");
    check_bad(&desc, 2, TDL_ERROR_UNSUPPORTED, "wide.txt': is UTF-16");
    PUT(1, "wide.txt", "w\0i\0d\0e\0 \0t\0e\0x\0t\0 \0h\0e\0r\0e\0");
    check_bad(&desc, 2, TDL_ERROR_UNSUPPORTED,
              "wide.txt': looks like UTF-16, expected text in UTF-8: iconv -f utf-16le");
    PUT(1, "wide.txt", "\0w\0i\0d\0e\0 \0t\0e\0x\0t\0 \0h\0e\0r\0e");
    check_bad(&desc, 2, TDL_ERROR_UNSUPPORTED, "iconv -f utf-16be");
    PUT(1, "latin.txt", "na\xEFve caf\xE9s s\xE9rieux \xE0 No\xEBl, o\xF9 l'on c\xF4toie");
    check_bad(&desc, 2, TDL_ERROR_UNSUPPORTED, "latin.txt': is in another encoding");
    PUT(1, "binary.txt", "\1\2\3\4\5 and so on");
    check_bad(&desc, 2, TDL_ERROR_UNSUPPORTED, "binary.txt': is a binary file");
    PUT(1, "a.pdf", "%PDF-1.7\n");
    check_bad(&desc, 2, TDL_ERROR_UNSUPPORTED, "a.pdf': is a PDF");
    PUT(1, "a.docx", "PK\x03\x04 and so on");
    check_bad(&desc, 2, TDL_ERROR_UNSUPPORTED, "a.docx': is compressed (zip), as .docx");
    PUT(1, "a.CSV", "text\nhello\n");
    check_bad(&desc, 2, TDL_ERROR_UNSUPPORTED,
              "a.CSV': is CSV, expected text or JSONL; its rows, with columns prompt and completion, become records "
              "with: python3");
    PUT(1, "a.tsv", "text\nhello\n");
    check_bad(&desc, 2, TDL_ERROR_UNSUPPORTED, "delimiter='\\t'");
    PUT(1, "a.parquet", "anything");
    check_bad(&desc, 2, TDL_ERROR_UNSUPPORTED, "pandas.read_parquet('FILE').to_json(");
    PUT(1, "a.json", "text");
    check_bad(&desc, 2, TDL_ERROR_FORMAT, "a.json': expected an array of records, or a record a line");
    if (geteuid() != 0) { // root may read anything
        PUT(1, "secret.txt", "secret");
        chmod(file_paths[1], 0);
        check_bad(&desc, 2, TDL_ERROR_IO, "secret.txt': cannot open: Permission denied");
    }

    // Nothing to learn: blank, only ends, answers to nobody.
    PUT(0, "blank.txt", " \n\0\n");
    check_bad(&desc, 1, TDL_ERROR_FORMAT, "blank.txt': nothing to learn from: 0 tokens");
    PUT(0, "none.jsonl", "\n{\"messages\": []}\n{\"text\": \"\"}");
    check_bad(&desc, 1, TDL_ERROR_FORMAT, "nothing to learn from: 0 tokens");
    tdl_tokenizer *endless = golden_tokenizer("smollm.tokenizer.json"); // one that has no end token
    PUT(0, "one.txt", "a");
    check_bad(&(tdl_dataset_desc){.tokenizer = endless}, 1, TDL_ERROR_FORMAT,
              "one.txt': nothing to learn from: 1 tokens, none of them counted after another");
    PUT(0, "two.txt", "aa\0a");
    check_shown(&(tdl_dataset_desc){.tokenizer = endless}, 1, "| aa| a");
    tdl_tokenizer_close(endless);

    PUT(0, "good.txt", "fine");
    check_bad(&(tdl_dataset_desc){.n_vocab = 20}, 1, TDL_ERROR_ARGUMENT, "the model's vocabulary has 20");
    check_bad(&(tdl_dataset_desc){.n_vocab = -1}, 1, TDL_ERROR_ARGUMENT, "a vocabulary of -1");
    check_bad(&(tdl_dataset_desc){.n_vocab = TDL_VOCAB_MAX + 1}, 1, TDL_ERROR_ARGUMENT, "expected 1 to 4194304");
    check_bad(&(tdl_dataset_desc){.n_threads = TDL_THREADS_MAX + 1}, 1, TDL_ERROR_ARGUMENT, "expected 1 to 256");
    check_bad(&desc, 0, TDL_ERROR_ARGUMENT, "no files");
    static char separator[TDL_DATA_SEPARATOR_SIZE_MAX + 1];
    memset(separator, '-', sizeof separator);
    check_bad(&(tdl_dataset_desc){.separator = {separator, sizeof separator}}, 1, TDL_ERROR_LIMIT, "at most 256");
    check_shown(&(tdl_dataset_desc){.separator = {separator, sizeof separator - 1}}, 1, "|fine" END);

    char kept[TEST_PATH_SIZE];
    strcpy(kept, cache);
    strcat(cache, "/absent");
    check_bad(&desc, 1, TDL_ERROR_IO, "absent/tokens-");
    strcpy(cache, kept);
}

static bool cancel(void *user, double fraction) {
    assert_true(fraction > 0.0 && fraction <= 1.0);
    ++*(int *)user;
    return false;
}

static bool go_on(void *user, double fraction) {
    *(double *)user = fraction;
    return true;
}

static void test_progress(void **state) {
    (void)state;
    int n_calls = 0;
    double last = 0.0;
    PUT(0, "a.txt", "one in the");
    check_bad(&(tdl_dataset_desc){.progress = cancel, .progress_user = &n_calls}, 1, TDL_ERROR_CANCELLED,
              "cancelled after 10 of 10 bytes");
    assert_int_equal(n_calls, 1);
    check_shown(&(tdl_dataset_desc){.progress = go_on, .progress_user = &last}, 1, "|one in the" END);
    assert_true(last == 1.0);
}

static void test_limits(void **state) {
    (void)state;
    enum { ROOM = TDL_DATA_RECORD_SIZE_MAX + (4 << 20) };
    static const char record[] = "{\"text\": \"th\"}\n";
    static const struct {
        size_t over;
        const char *part;
    } lines[] = {{0, NULL},
                 {1, "long.jsonl:2: the line has 67108865 bytes, at most 67108864"},
                 {3 << 20, "long.jsonl:2: the line has more than 67108864 bytes"}}; // no piece has its end
    char *text = malloc(ROOM);
    tdl_dataset *dataset = NULL;
    tdl_error err;
    assert_non_null(text);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) { // a line of blanks but for its record
        size_t first = strlen(record), size = TDL_DATA_RECORD_SIZE_MAX + lines[i].over;
        memset(text, ' ', ROOM);
        memcpy(text, record, first);
        memcpy(text + first + size - first, record, first - 1);
        text[first + size] = '\n';
        put(0, "long.jsonl", text, first + size + 1);
        if (lines[i].part) check_bad(&(tdl_dataset_desc){0}, 1, TDL_ERROR_LIMIT, lines[i].part);
        else check_shown(&(tdl_dataset_desc){0}, 1, "|th" END "|th" END);
    }
    free(text);

    for (int over = 0; over < 2; over++) {
        static const char message[] = "{\"role\":\"assistant\",\"content\":\"a\"},";
        size_t n = TDL_DATA_MESSAGES_MAX + (size_t)over, step = strlen(message), size = 14;
        text = malloc(n * step + 32);
        assert_non_null(text);
        memcpy(text, "{\"messages\": [", 14);
        for (size_t i = 0; i < n; i++, size += step) memcpy(text + size, message, step);
        memcpy(text + size - 1, "]}", 2);
        put(0, "talk.jsonl", text, size + 1);
        free(text);
        tdl_status status = open_files(&(tdl_dataset_desc){0}, 1, &dataset, &err);
        if (over) assert_error(status, TDL_ERROR_LIMIT, &err, "talk.jsonl:1: 65537 messages, at most 65536");
        else tdl_dataset_close(dataset);
        assert_int_equal(status, over ? TDL_ERROR_LIMIT : TDL_OK);
    }
}

// The same file over and over: as many as there may be, and one more.
static void test_many_files(void **state) {
    (void)state;
    enum { N = TDL_DATA_FILES_MAX + 1 };
    static const char *paths[N];
    tdl_dataset *dataset = NULL;
    tdl_error err = {0};
    PUT(0, "a.txt", "one");
    for (int i = 0; i < N; i++) paths[i] = file_paths[0];
    tdl_dataset_desc desc = {.paths = paths, .n_paths = N, .tokenizer = gpt2, .cache_dir = cache};
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    assert_error(tdl_dataset_open(mem, &desc, &dataset, &err), TDL_ERROR_LIMIT, &err, "65537 files, at most 65536");
    desc.n_paths--;
    if (THREAD_SANITIZED) desc.n_paths = 1000; // one thread opens all files, which would take minutes here
    if (tdl_dataset_open(mem, &desc, &dataset, &err)) fail_msg("%s", err.message);
    assert_int_equal(tdl_dataset_tokens(dataset)->n_documents, desc.n_paths);
    tdl_dataset_close(dataset);
}

static tdl_status open_one(const tdl_allocator *mem, void *arg) {
    const char *paths[] = {file_paths[0], file_paths[1]};
    const tdl_dataset_desc desc = {
        .paths = paths, .n_paths = 2, .tokenizer = gpt2, .cache_dir = cache, .n_threads = *(const int32_t *)arg};
    tdl_dataset *dataset = NULL;
    tdl_error err = {0};
    tdl_status status = tdl_dataset_open(mem, &desc, &dataset, &err);
    if (status == TDL_OK && !tdl_dataset_was_cached(dataset)) unlink(tdl_dataset_cache_path(dataset));
    tdl_dataset_close(dataset);
    return status;
}

static void test_no_memory(void **state) {
    (void)state;
    PUT(0, "a.txt", "one in the\0two");
    PUT(1, "b.jsonl",
        "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}, {\"role\": \"assistant\","
        " \"content\": \"a longer text in the answer\"}]}\n{\"text\": \"more\"}");
    for (int32_t n_threads = 1; n_threads <= 2; n_threads++) fail_alloc_each(open_one, &n_threads);
}

// A file of tokens that is too large to be copied is mapped: one that becomes shorter says so before its tokens are read. A
// text likewise, before its next piece.
static void test_shrinks(void **state) {
    (void)state;
    enum { RUN = 1 << 20, N_RUNS = TDL_FILE_COPY_MAX / 2 / RUN + 1 };
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    tdl_error err = {0};
    PUT(0, "small.txt", "a text");
    tdl_dataset *dataset = open_good(&(tdl_dataset_desc){0}, 1);
    assert_int_equal(tdl_dataset_check(dataset, &err), TDL_OK);
    tdl_token_file_key key = tdl_dataset_tokens(dataset)->key;
    int32_t n_vocab = (int32_t)tdl_dataset_tokens(dataset)->n_vocab;
    tdl_dataset_close(dataset);

    tdl_token_run run;
    tdl_token_writer *writer = NULL;
    tdl_token_run_init(&run, mem);
    assert_true(tdl_vec_reserve(&run.ids, RUN) && tdl_vec_reserve(&run.counted, RUN) &&
                tdl_vec_push(&run.starts, &(size_t){0}, 1));
    run.ids.n = run.counted.n = RUN;
    memset(run.ids.data, 0, RUN * sizeof(int32_t));
    memset(run.counted.data, 1, RUN);
    test_path(file_paths[0], dir, "large.bin");
    assert_int_equal(tdl_token_writer_open(mem, file_paths[0], n_vocab, key, &writer, &err), TDL_OK);
    for (int i = 0; i < N_RUNS; i++) assert_int_equal(tdl_token_writer_add(writer, &run, &err), TDL_OK);
    assert_int_equal(tdl_token_writer_commit(writer, &err), TDL_OK);
    tdl_token_run_deinit(&run);
    dataset = open_good(&(tdl_dataset_desc){0}, 1);
    assert_int_equal(tdl_dataset_check(dataset, &err), TDL_OK);
    assert_int_equal(truncate(file_paths[0], 1000), 0);
    assert_error(tdl_dataset_check(dataset, &err), TDL_ERROR_IO, &err,
                 "large.bin: file: a mapped file has become shorter: 1000 bytes, ");
    tdl_dataset_close(dataset);

    tdl_data_source source;
    tdl_data_cutter cutter;
    tdl_data_piece piece;
    PUT(0, "large.txt", "a text\n");
    assert_int_equal(truncate(file_paths[0], TDL_FILE_COPY_MAX + 1), 0); // documents without a character
    assert_int_equal(tdl_data_source_find(mem, file_paths[0], TDL_DATA_TEXT, &source, &err), TDL_OK);
    tdl_data_cutter_init(&cutter, mem, &source, 1, tdl_text_of("", 1), (tdl_data_cuts){.line = true});
    assert_int_equal(tdl_data_cutter_next(&cutter, &piece, &err), TDL_OK);
    assert_true(cutter.opened); // there is more of it
    assert_int_equal(truncate(file_paths[0], 1000), 0);
    assert_error(tdl_data_cutter_next(&cutter, &piece, &err), TDL_ERROR_IO, &err,
                 "large.txt: file: a mapped file has become shorter: 1000 bytes, 67108865 when it was opened");
    tdl_data_cutter_deinit(&cutter);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dirs, remove_dirs)
    const struct CMUnitTest tests[] = {
        TEST(test_text),        TEST(test_records),    TEST(test_templates),
        TEST(test_cuts),        TEST(test_cache),      TEST(test_token_file_given),
        TEST(test_bad_records), TEST(test_bad_input),  TEST(test_progress),
        TEST(test_limits),      TEST(test_many_files), TEST(test_many_lines),
        TEST(test_no_memory),   TEST(test_forms),      TEST(test_json_files),
        TEST(test_shrinks),
    };
    gpt2 = golden_tokenizer("gpt2.tokenizer.json");
    int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    tdl_tokenizer_close(gpt2);
    return n_failed;
}
