// SPDX-License-Identifier: MIT
// test_files.h - whole files and scratch directories for tests. A failure of theirs fails the test.
#ifndef TDL_TEST_FILES_H
#define TDL_TEST_FILES_H

#include "treadle.h"

#include <stdio.h>

enum { TEST_PATH_SIZE = 4096 };

// A fresh, empty directory; path [TEST_PATH_SIZE].
void test_dir_make(char *path);
// Removes it and all that is in it.
void test_dir_remove(const char *path);

uint8_t *test_file_read(const char *path, size_t *size); // freed with free
void test_file_write(const char *path, const void *bytes, size_t size);
void test_file_copy(const char *from, const char *to);
bool test_file_exists(const char *path);

// "dir/name" in path [TEST_PATH_SIZE]; returns path.
const char *test_path(char *path, const char *dir, const char *name);

// A cmocka assertion: status is `expected`, err has it too, and its message has `part` in it.
#define assert_error(status, expected, err, part) \
    test_assert_error((status), (expected), (err), (part), __FILE__, __LINE__)
void test_assert_error(tdl_status status, tdl_status expected, const tdl_error *err, const char *part, const char *file,
                       int line);

#endif
