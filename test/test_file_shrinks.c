// SPDX-License-Identifier: MIT
// test_file_shrinks.c - a model's file becomes shorter, changes or goes away while a program uses it: a download that begins
// anew, a share that is lost. A mapped file would end the process by SIGBUS; here it is a status, and a model that is open goes
// on as if nothing had happened.
#include "model/model_impl.h"
#include "support/golden.h"
#include "support/test_files.h"
#include "train/export.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define TINY TDL_TEST_DATA "/hf-tiny/llama"
enum { N_IDS = 3, N_OUT = 8 };

typedef struct place {
    char dir[TEST_PATH_SIZE], gguf[TEST_PATH_SIZE], tensors[TEST_PATH_SIZE];
} place;

static tdl_status open_model(const char *path, bool (*progress)(void *, double), void *user, tdl_model **out,
                             tdl_error *err) {
    return tdl_model_open(
        &(tdl_model_desc){.size = sizeof(tdl_model_desc), .path = path, .progress = progress, .progress_user = user},
        out, err);
}

// The same model as a directory and as a GGUF file.
static void make(place *p) {
    char to[TEST_PATH_SIZE];
    tdl_error err = {0};
    tdl_model *model = NULL;
    test_dir_make(p->dir);
    test_file_copy(TINY "/config.json", test_path(to, p->dir, "config.json"));
    test_file_copy(TINY "/model.safetensors", test_path(p->tensors, p->dir, "model.safetensors"));
    if (open_model(TINY, NULL, NULL, &model, &err)) fail_msg("%s", err.message);
    test_path(p->gguf, p->dir, "model.gguf");
    if (tdl_export_save(&(tdl_export_desc){.model = model}, p->gguf, &err)) fail_msg("%s", err.message);
    tdl_model_close(model);
}

static void shorten(const char *path) { assert_int_equal(truncate(path, 100), 0); }

static void touch(const char *path) { // another time of change, the same size
    const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void vanish(const char *path) { assert_int_equal(unlink(path), 0); }

static bool goes_on(void *user, double fraction) {
    (void)user, (void)fraction;
    return true;
}

static bool shortens(void *user, double fraction) {
    (void)fraction;
    shorten(user);
    return true;
}

// An open model generates what it would have.
static void test_after_open(void **state) {
    (void)state;
    void (*const harms[])(const char *) = {shorten, touch, vanish};
    for (int gguf = 0; gguf <= 1; gguf++)
        for (size_t i = 0; i < sizeof harms / sizeof *harms; i++) {
            place p;
            tdl_model *model = NULL;
            tdl_error err = {0};
            int32_t ids[N_IDS] = {1, 2, 3}, expected[N_OUT], out[N_OUT];
            make(&p);
            if (open_model(gguf ? p.gguf : p.dir, goes_on, NULL, &model, &err)) fail_msg("%s", err.message);
            golden_greedy(model, ids, N_IDS, expected, N_OUT);
            harms[i](gguf ? p.gguf : p.tensors);
            golden_greedy(model, ids, N_IDS, out, N_OUT);
            assert_memory_equal(out, expected, sizeof out);
            tdl_model_close(model);
            test_dir_remove(p.dir);
        }
}

// What reads the file once more says what has become of it. A file that was removed is still there for who has it open.
static void test_read_again(void **state) {
    (void)state;
    static const struct {
        void (*harm)(const char *);
        tdl_status status;
        const char *message;
    } cases[] = {{shorten, TDL_ERROR_IO, "model.safetensors': has changed: 100 bytes, "},
                 {touch, TDL_ERROR_IO, "model.safetensors': has changed since it was opened"},
                 {vanish, TDL_OK, NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        place p;
        char path[TEST_PATH_SIZE];
        tdl_weights *weights = NULL;
        tdl_model *model = NULL;
        tdl_error err = {0};
        make(&p);
        // Opened, but no plan has wanted a weight yet: an export is the first to read the matrices.
        if (tdl_weights_open(&(tdl_weights_desc){.mem = tdl_allocator_or_default(NULL), .path = p.dir}, &weights,
                             &err) ||
            tdl_model_open_weights(weights, &(tdl_model_desc){.size = sizeof(tdl_model_desc)}, &model, &err))
            fail_msg("%s", err.message);
        cases[i].harm(p.tensors);
        tdl_status status =
            tdl_export_save(&(tdl_export_desc){.model = model}, test_path(path, p.dir, "out.gguf"), &err);
        if (cases[i].message) assert_error(status, cases[i].status, &err, cases[i].message);
        else assert_int_equal(status, cases[i].status);
        tdl_model_close(model);
        test_dir_remove(p.dir);
    }
}

static void test_during_open(void **state) {
    (void)state;
    for (int gguf = 0; gguf <= 1; gguf++) {
        place p;
        tdl_model *model = NULL;
        tdl_error err = {0};
        make(&p);
        char *file = gguf ? p.gguf : p.tensors;
        assert_error(open_model(gguf ? p.gguf : p.dir, shortens, file, &model, &err), TDL_ERROR_IO, &err,
                     "has changed: 100 bytes");
        assert_null(model);
        test_dir_remove(p.dir);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_after_open), cmocka_unit_test(test_read_again),
                                       cmocka_unit_test(test_during_open)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
