// SPDX-License-Identifier: MIT
// test_files.c - see test_files.h.
#include "support/test_files.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

void test_dir_make(char *path) {
    const char *parent = getenv("TMPDIR");
    snprintf(path, TEST_PATH_SIZE, "%s/tdl-test-XXXXXX", parent ? parent : "/tmp");
    assert_non_null(mkdtemp(path));
}

void test_dir_remove(const char *path) {
    DIR *dir = opendir(path);
    assert_non_null(dir);
    const struct dirent *entry;
    while ((entry = readdir(dir))) {
        char child[TEST_PATH_SIZE];
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        test_path(child, path, entry->d_name);
        assert_int_equal(lstat(child, &st), 0);
        if (S_ISDIR(st.st_mode)) test_dir_remove(child);
        else assert_int_equal(unlink(child), 0);
    }
    closedir(dir);
    assert_int_equal(rmdir(path), 0);
}

uint8_t *test_file_read(const char *path, size_t *size) {
    struct stat st;
    FILE *file = fopen(path, "rb");
    if (!file || fstat(fileno(file), &st)) fail_msg("%s: cannot be read", path);
    *size = (size_t)st.st_size;
    uint8_t *bytes = malloc(*size ? *size : 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

void test_file_write(const char *path, const void *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    if (!file) fail_msg("%s: cannot be written", path);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

void test_file_copy(const char *from, const char *to) {
    size_t size;
    uint8_t *bytes = test_file_read(from, &size);
    test_file_write(to, bytes, size);
    free(bytes);
}

bool test_file_exists(const char *path) {
    struct stat st;
    return lstat(path, &st) == 0;
}

const char *test_path(char *path, const char *dir, const char *name) {
    size_t dir_size = strlen(dir), name_size = strlen(name);
    assert_true(dir_size + name_size + 2 <= TEST_PATH_SIZE);
    memcpy(path, dir, dir_size);
    path[dir_size] = '/';
    memcpy(path + dir_size + 1, name, name_size + 1);
    return path;
}

void test_assert_error(tdl_status status, tdl_status expected, const tdl_error *err, const char *part, const char *file,
                       int line) {
    if (status == expected && err->code == expected && strstr(err->message, part)) return;
    print_error("status %s, error %s, message: %s\nexpected %s and in the message: %s\n", tdl_status_name(status),
                tdl_status_name(err->code), err->message, tdl_status_name(expected), part);
    _fail(file, line);
}
