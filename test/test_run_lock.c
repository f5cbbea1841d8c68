// SPDX-License-Identifier: MIT
// test_run_lock.c - two runs in one directory, in one process and in two, and what a killed one leaves.
#include "base/alloc.h"
#include "support/fail_alloc.h"
#include "support/test_files.h"
#include "train/run_lock.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const tdl_allocator *mem(void) { return tdl_allocator_or_default(NULL); }

static void test_two(void **state) {
    (void)state;
    char parent[TEST_PATH_SIZE], dir[TEST_PATH_SIZE], process[64];
    tdl_run_lock *a = NULL, *b = NULL;
    tdl_error err = {0};
    test_dir_make(parent);
    test_path(dir, parent, "a/b//run/"); // is made, with what is above it
    assert_int_equal(tdl_run_lock_take(mem(), dir, &a, &err), TDL_OK);
    snprintf(process, sizeof process, "another run is in this directory (process %ld)", (long)getpid());
    assert_error(tdl_run_lock_take(mem(), dir, &b, &err), TDL_ERROR_ARGUMENT, &err, process);
    tdl_run_lock_give(a);
    assert_int_equal(tdl_run_lock_take(mem(), dir, &b, &err), TDL_OK);
    tdl_run_lock_give(b);
    tdl_run_lock_give(NULL);
    test_dir_remove(parent);
}

// A process that holds the lock and is killed: refused before, free after, its temporary files gone, others not.
static void test_crash(void **state) {
    (void)state;
    static const char *const names[] = {"checkpoint.tdl.tmp-123-0", "a.tmp-1-0.txt", ".tmp-1-0", "x.tmp-12", "tmp-1-2",
                                        "a.tmp-b.tmp-77-12"};
    static const bool stays[] = {false, true, true, true, true, false};
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE], byte;
    tdl_run_lock *lock = NULL;
    tdl_error err = {0};
    int ready[2];
    test_dir_make(dir);
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        tdl_status status = tdl_run_lock_take(mem(), dir, &lock, NULL);
        if (write(ready[1], status == TDL_OK ? "y" : "n", 1) != 1) _exit(1);
        for (;;) pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    assert_error(tdl_run_lock_take(mem(), dir, &lock, &err), TDL_ERROR_ARGUMENT, &err, "another run");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) test_file_write(test_path(path, dir, names[i]), "x", 1);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_int_equal(tdl_run_lock_take(mem(), dir, &lock, &err), TDL_OK);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(test_file_exists(test_path(path, dir, names[i])), stays[i]);
    tdl_run_lock_give(lock);
    close(ready[0]), close(ready[1]);
    test_dir_remove(dir);
}

static void test_bad(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
    tdl_run_lock *lock = NULL;
    tdl_error err = {0};
    test_dir_make(dir);
    test_file_write(test_path(path, dir, "file"), "x", 1);
    assert_error(tdl_run_lock_take(mem(), path, &lock, &err), TDL_ERROR_IO, &err, "is no directory");
    assert_error(tdl_run_lock_take(mem(), "/proc/none/run", &lock, &err), TDL_ERROR_IO, &err,
                 "cannot make the directory");
    assert_error(tdl_run_lock_take(mem(), "/proc", &lock, &err), TDL_ERROR_IO, &err, "cannot open");
    test_dir_remove(dir);
}

// A directory that one may not write into, and one in which none may be made. As root the test becomes nobody for a while.
static void test_no_permission(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
    tdl_run_lock *lock = NULL;
    tdl_error err = {0};
    test_dir_make(dir);
    assert_int_equal(chmod(dir, 0555), 0);
    uid_t user = geteuid();
    if (user == 0) assert_int_equal(seteuid(65534), 0);
    tdl_status there = tdl_run_lock_take(mem(), dir, &lock, &err);
    tdl_error err_below = {0};
    tdl_status below = tdl_run_lock_take(mem(), test_path(path, dir, "run/of"), &lock, &err_below);
    if (user == 0) assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(dir, 0755), 0);
    assert_error(there, TDL_ERROR_IO, &err, "lock': cannot open: Permission denied");
    assert_error(below, TDL_ERROR_IO, &err_below, "/run': cannot make the directory: Permission denied");
    test_dir_remove(dir);
}

static tdl_status scenario(const tdl_allocator *m, void *arg) {
    tdl_run_lock *lock = NULL;
    tdl_status status = tdl_run_lock_take(m, arg, &lock, NULL);
    tdl_run_lock_give(lock);
    return status;
}

static void test_memory(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE];
    test_dir_make(dir);
    assert_true(fail_alloc_each(scenario, dir) >= 2);
    test_dir_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_two), cmocka_unit_test(test_crash),
                                       cmocka_unit_test(test_bad), cmocka_unit_test(test_no_permission),
                                       cmocka_unit_test(test_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
