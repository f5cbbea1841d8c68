// SPDX-License-Identifier: MIT
// test_checkpoint.c - checkpoints: round trip, damage of every byte, another version or model, a full disk, kill -9.
#include "support/fail_alloc.h"
#include "support/test_files.h"
#include "train/checkpoint.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

#include <cmocka.h>

enum { N_WEIGHTS = 15 };

static char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];

static const tdl_allocator *mem(void) { return tdl_allocator_or_default(NULL); }

static int make_dir(void **state) {
    (void)state;
    test_dir_make(dir);
    test_path(path, dir, "checkpoint.tdl");
    return 0;
}

static int remove_dir(void **state) {
    (void)state;
    test_dir_remove(dir);
    return 0;
}

static tdl_tensor weights_tensor(float *data) {
    tdl_tensor t;
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){3, 5}, data, &t, NULL), TDL_OK);
    return t;
}

static void fill_weights(float *weights, int64_t step) {
    for (int i = 0; i < N_WEIGHTS; i++) weights[i] = (float)step + (float)i / 16;
}

// A checkpoint of `step`, with a tensor given in pieces, one given whole, one transposed, one empty, and every type of value.
static tdl_status save(const tdl_allocator *m, const char *where, int64_t step, tdl_error *err) {
    tdl_checkpoint_writer *w = NULL;
    float weights[N_WEIGHTS];
    uint16_t half[4] = {1, 2, 3, (uint16_t)step};
    fill_weights(weights, step);
    tdl_tensor t = weights_tensor(weights), turned = tdl_tensor_transpose(&t, 0, 1), h, none;
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_BF16, 1, (int64_t[]){4}, half, &h, NULL), TDL_OK);
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){0, 7}, NULL, &none, NULL), TDL_OK);
    tdl_status status = tdl_checkpoint_writer_create(m, where, &w, err);
    if (status == TDL_OK) status = tdl_checkpoint_writer_int(w, "step", step, err);
    if (status == TDL_OK) status = tdl_checkpoint_writer_float(w, "lr", 1e-3, err);
    if (status == TDL_OK) status = tdl_checkpoint_writer_text(w, "arch", tdl_text_cstr("llama"), err);
    if (status == TDL_OK) status = tdl_checkpoint_writer_bytes(w, "rng", &(uint64_t[]){1, 2}, 16, err);
    if (status == TDL_OK) status = tdl_checkpoint_writer_begin(w, "blk.0.w", &t, err);
    for (size_t at = 0; at < sizeof weights && status == TDL_OK; at += 20)
        status = tdl_checkpoint_writer_add(w, (uint8_t *)weights + at, 20, err);
    if (status == TDL_OK) status = tdl_checkpoint_writer_tensor(w, "half", &h, err);
    if (status == TDL_OK) status = tdl_checkpoint_writer_tensor(w, "none", &none, err);
    if (status == TDL_OK) status = tdl_checkpoint_writer_tensor(w, "turned", &turned, err);
    if (status == TDL_OK) status = tdl_checkpoint_writer_commit(w, err);
    tdl_checkpoint_writer_destroy(w);
    return status;
}

// Opens and compares with what save wrote; *step gets the step.
static tdl_status load(const tdl_allocator *m, const char *where, int64_t *step, tdl_error *err) {
    tdl_checkpoint *c = NULL;
    tdl_status status = tdl_checkpoint_open(m, where, &c, err);
    if (status != TDL_OK) return status;
    float weights[N_WEIGHTS];
    double lr;
    uint64_t rng[2];
    tdl_text arch;
    tdl_tensor t, shape = weights_tensor(NULL), turned;
    assert_int_equal(tdl_checkpoint_get_int(c, "step", step, err), TDL_OK);
    assert_int_equal(tdl_checkpoint_get_float(c, "lr", &lr, err), TDL_OK);
    assert_int_equal(tdl_checkpoint_get_text(c, "arch", &arch, err), TDL_OK);
    assert_int_equal(tdl_checkpoint_get_bytes(c, "rng", rng, sizeof rng, err), TDL_OK);
    assert_true(lr == 1e-3 && tdl_text_is(arch, "llama") && rng[0] == 1 && rng[1] == 2);
    fill_weights(weights, *step);
    assert_int_equal(tdl_checkpoint_n_tensors(c), 4);
    assert_int_equal(tdl_checkpoint_get_tensor(c, "blk.0.w", &shape, &t, err), TDL_OK);
    assert_memory_equal(t.data, weights, sizeof weights);
    assert_int_equal((uintptr_t)t.data % 4, 0);
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){5, 3}, NULL, &turned, NULL), TDL_OK);
    assert_int_equal(tdl_checkpoint_get_tensor(c, "turned", &turned, &t, err), TDL_OK);
    for (int i = 0; i < N_WEIGHTS; i++) assert_true(((float *)(void *)t.data)[i] == weights[i % 3 * 5 + i / 3]);
    assert_string_equal(tdl_checkpoint_tensor_at(c, 1)->name, "half");
    tdl_checkpoint_close(c);
    return TDL_OK;
}

static void test_round_trip(void **state) {
    (void)state;
    tdl_error err = {0};
    int64_t step = 0;
    for (int64_t i = 7; i < 9; i++) {
        if (save(mem(), path, i, &err)) fail_msg("%s", err.message);
        if (load(mem(), path, &step, &err)) fail_msg("%s", err.message);
        assert_int_equal(step, i);
    }
}

// fuzz/seeds/checkpoint/whole was written by a Python script after the format's description, with the package xxhash;
// its first byte is the fuzz target's.
static void test_other_writer(void **state) {
    (void)state;
    tdl_error err = {0};
    size_t size;
    int64_t step;
    uint8_t *bytes = test_file_read(TDL_REPO "/fuzz/seeds/checkpoint/whole", &size);
    uint8_t *copy = aligned_alloc(64, (size + 63) / 64 * 64);
    memcpy(copy, bytes + 1, size - 1);
    tdl_checkpoint *c = NULL;
    if (tdl_checkpoint_parse(mem(), copy, size - 1, &c, &err)) fail_msg("%s", err.message);
    assert_int_equal(tdl_checkpoint_get_int(c, "step", &step, &err), TDL_OK);
    assert_int_equal(step, 5);
    assert_int_equal(tdl_checkpoint_n_tensors(c), 3);
    const tdl_checkpoint_tensor *t = tdl_checkpoint_tensor_at(c, 1);
    assert_string_equal(t->name, "blk.0.b");
    assert_int_equal(t->tensor.dtype, TDL_DTYPE_BF16);
    assert_int_equal(t->tensor.data[9], 9);
    tdl_checkpoint_close(c);
    free(copy);
    free(bytes);
}

static tdl_status scenario(const tdl_allocator *m, void *arg) {
    (void)arg;
    int64_t step;
    tdl_status status = save(m, path, 3, NULL);
    return status == TDL_OK ? load(m, path, &step, NULL) : status;
}

static void test_memory(void **state) {
    (void)state;
    assert_true(fail_alloc_each(scenario, NULL) > 10);
}

static void test_wrong_use(void **state) {
    (void)state;
    tdl_error err = {0};
    float weights[N_WEIGHTS] = {0};
    tdl_tensor t = weights_tensor(weights);
    tdl_checkpoint_writer *w = NULL;
    assert_int_equal(tdl_checkpoint_writer_create(mem(), path, &w, &err), TDL_OK);
    assert_int_equal(tdl_checkpoint_writer_int(w, "step", 1, &err), TDL_OK);
    assert_error(tdl_checkpoint_writer_int(w, "step", 1, &err), TDL_ERROR_ARGUMENT, &err, "'step' was added before");
    assert_error(tdl_checkpoint_writer_int(w, "", 1, &err), TDL_ERROR_ARGUMENT, &err, "empty");
    assert_int_equal(tdl_checkpoint_writer_begin(w, "a", &t, &err), TDL_OK);
    assert_int_equal(tdl_checkpoint_writer_add(w, weights, 8, &err), TDL_OK);
    assert_error(tdl_checkpoint_writer_add(w, weights, sizeof weights, &err), TDL_ERROR_ARGUMENT, &err,
                 "60 bytes added where 52 are missing");
    assert_error(tdl_checkpoint_writer_tensor(w, "b", &t, &err), TDL_ERROR_ARGUMENT, &err, "'a' still lacks 52 bytes");
    assert_error(tdl_checkpoint_writer_commit(w, &err), TDL_ERROR_ARGUMENT, &err, "'a' still lacks 52 bytes");
    tdl_checkpoint_writer_destroy(w);
    tdl_checkpoint_writer_destroy(NULL);
    tdl_checkpoint_close(NULL);
}

static void test_mismatch(void **state) {
    (void)state;
    tdl_error err = {0};
    tdl_checkpoint *c = NULL;
    tdl_tensor shape, t;
    int64_t i;
    uint8_t bytes[8];
    assert_int_equal(save(mem(), path, 1, &err), TDL_OK);
    assert_int_equal(tdl_checkpoint_open(mem(), path, &c, &err), TDL_OK);
    assert_int_equal(tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){5, 3}, NULL, &shape, NULL), TDL_OK);
    assert_error(tdl_checkpoint_get_tensor(c, "blk.0.w", &shape, &t, &err), TDL_ERROR_FORMAT, &err,
                 "'blk.0.w' is [3, 5] F32, expected [5, 3] F32");
    assert_error(tdl_checkpoint_get_tensor(c, "blk.1.w", &shape, &t, &err), TDL_ERROR_FORMAT, &err, "missing");
    assert_error(tdl_checkpoint_get_int(c, "nothing", &i, &err), TDL_ERROR_FORMAT, &err, "'nothing' is missing");
    assert_error(tdl_checkpoint_get_int(c, "lr", &i, &err), TDL_ERROR_FORMAT, &err, "is a float, expected an integer");
    assert_error(tdl_checkpoint_get_bytes(c, "rng", bytes, 8, &err), TDL_ERROR_FORMAT, &err, "16 bytes, expected 8");
    assert_true(tdl_checkpoint_has(c, "step") && !tdl_checkpoint_has(c, "steps"));
    tdl_checkpoint_close(c);
}

// Every byte changed in three ways, and every shorter file: never OK, and never read out of bounds.
static void test_damage(void **state) {
    (void)state;
    tdl_error err = {0};
    assert_int_equal(save(mem(), path, 1, &err), TDL_OK);
    size_t size;
    uint8_t *bytes = test_file_read(path, &size), *copy = aligned_alloc(64, (size + 63) / 64 * 64);
    tdl_checkpoint *c = NULL;
    for (size_t i = 0; i < size; i++)
        for (int change = 0; change < 3; change++) {
            memcpy(copy, bytes, size);
            copy[i] ^= (const uint8_t[]){1, 0x80, 0xFF}[change];
            tdl_status status = tdl_checkpoint_parse(mem(), copy, size, &c, &err);
            assert_true(status == TDL_ERROR_FORMAT || (status == TDL_ERROR_UNSUPPORTED && i >= 8 && i < 12));
        }
    for (size_t n = 0; n < size; n++) {
        uint8_t *part = malloc(n + 1);
        memcpy(part, bytes, n);
        assert_int_equal(tdl_checkpoint_parse(mem(), part, n, &c, &err), TDL_ERROR_FORMAT);
        free(part);
    }
    memcpy(copy, bytes, size);
    copy[64 + 9] ^= 1; // the first tensor's data
    assert_error(tdl_checkpoint_parse(mem(), copy, size, &c, &err), TDL_ERROR_FORMAT, &err,
                 "tensor 'blk.0.w' is damaged");
    memcpy(copy, bytes, size);
    copy[8] = 2;
    assert_error(tdl_checkpoint_parse(mem(), copy, size, &c, &err), TDL_ERROR_UNSUPPORTED, &err,
                 "version 2, expected 1");
    assert_error(tdl_checkpoint_parse(mem(), bytes, size - 1, &c, &err), TDL_ERROR_FORMAT, &err, "truncated");
    test_file_write(path, "GGUF and more", 13);
    assert_error(tdl_checkpoint_open(mem(), path, &c, &err), TDL_ERROR_FORMAT, &err, "no checkpoint");
    free(bytes);
    free(copy);
}

static int count_files(void) {
    int n = 0;
    DIR *d = opendir(dir);
    for (const struct dirent *entry; (entry = readdir(d));) n += entry->d_name[0] != '.';
    closedir(d);
    return n;
}

// A disk that is full after n bytes, for every n up to the file's size: the old checkpoint stays, nothing is left beside it.
static void test_disk_full(void **state) {
    (void)state;
    tdl_error err = {0};
    int64_t step;
    size_t size;
    assert_int_equal(save(mem(), path, 1, &err), TDL_OK);
    free(test_file_read(path, &size));
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    struct rlimit old, now;
    getrlimit(RLIMIT_FSIZE, &old);
    for (size_t n = 0; n < size; n += 8) {
        now = (struct rlimit){n, old.rlim_max};
        setrlimit(RLIMIT_FSIZE, &now);
        tdl_status status = save(mem(), path, 2, &err);
        setrlimit(RLIMIT_FSIZE, &old);
        assert_int_equal(status, TDL_ERROR_IO);
        assert_int_equal(load(mem(), path, &step, &err), TDL_OK);
        assert_int_equal(step, 1);
        assert_int_equal(count_files(), 1);
    }
    signal(SIGXFSZ, before);
    assert_int_equal(save(mem(), path, 2, &err), TDL_OK);
}

// A child writes one checkpoint after the other and is killed at a random moment; what lies there is always whole, and
// never older than what lay there before.
static void test_kill(void **state) {
    (void)state;
    enum { N_KILLS = 100, DELAY_MAX_US = 12000 };
    tdl_error err = {0};
    int64_t last = 1;
    unsigned seed = 12345;
    assert_int_equal(save(mem(), path, last, &err), TDL_OK);
    for (int i = 0; i < N_KILLS; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            for (int64_t step = last + 1;; step++)
                if (save(mem(), path, step, NULL)) _exit(1);
        }
        seed = seed * 1664525 + 1013904223;
        nanosleep(&(struct timespec){.tv_nsec = (long)(seed >> 8) % DELAY_MAX_US * 1000}, NULL);
        int status, still;
        still = waitpid(child, &status, WNOHANG);
        kill(child, SIGKILL);
        if (!still) waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status));
        int64_t step = 0;
        if (load(mem(), path, &step, &err)) fail_msg("after kill %d: %s", i, err.message);
        assert_true(step >= last);
        last = step;
    }
    print_message("%d kills, %d temporary files left, the last checkpoint is of step %d\n", N_KILLS, count_files() - 1,
                  (int)last);
    assert_true(last > 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, make_dir, remove_dir),
        cmocka_unit_test(test_other_writer),
        cmocka_unit_test_setup_teardown(test_memory, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_wrong_use, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_mismatch, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_damage, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_disk_full, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_kill, make_dir, remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
