// SPDX-License-Identifier: MIT
// test_file.c - mapping, what is refused, paths, and the writer with its failures.
#include "base/file.h"
#include "base/limits.h"
#include "support/fail_alloc.h"
#include "support/sanitizer.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64]; // of this run
static char path_text[256];

static const char *in_dir(const char *name) {
    snprintf(path_text, sizeof path_text, "%s/%s", dir, name);
    return path_text;
}

static void put_file(const char *path, const void *data, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static int count_files(void) {
    DIR *d = opendir(dir);
    int n = 0;
    for (const struct dirent *entry; (entry = readdir(d));) n += entry->d_name[0] != '.';
    closedir(d);
    return n;
}

static int make_dir(void **state) {
    (void)state;
    strcpy(dir, "/tmp/tdl-test-file-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state) {
    (void)state;
    DIR *d = opendir(dir);
    for (const struct dirent *entry; (entry = readdir(d));) unlinkat(dirfd(d), entry->d_name, 0);
    closedir(d);
    return rmdir(dir);
}

enum { LARGE_SIZE = TDL_FILE_COPY_MAX + 1 }; // a hole: it takes no room on the disk

static void put_large(const char *path) {
    put_file(path, "begin", 5);
    assert_int_equal(truncate(path, LARGE_SIZE), 0);
}

static void test_map(void **state) {
    (void)state;
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    tdl_file_map map;
    tdl_error err = {0};
    put_large(in_dir("data"));
    assert_int_equal(tdl_file_map_open(mem, in_dir("data"), &map, &err), TDL_OK);
    assert_true(map.mapped);
    assert_int_equal(map.size, LARGE_SIZE);
    assert_memory_equal(map.data, "begin", 5);
    // Whatever is released comes back when it is read: whole, from inside a page, over the end of a page, nothing.
    tdl_file_map_release(&map, map.data, LARGE_SIZE);
    tdl_file_map_release(&map, map.data + 5000, 20000);
    tdl_file_map_release(&map, map.data + 4095, 2);
    tdl_file_map_release(&map, map.data + LARGE_SIZE, 0);
    assert_memory_equal(map.data, "begin", 5);
    assert_int_equal(map.data[LARGE_SIZE - 1], 0);
    // Whoever reads it asks before: a file that has become shorter says so.
    assert_int_equal(tdl_file_map_check(&map, &err), TDL_OK);
    assert_int_equal(truncate(in_dir("data"), LARGE_SIZE + 10), 0);
    assert_int_equal(tdl_file_map_check(&map, &err), TDL_OK);
    assert_int_equal(truncate(in_dir("data"), LARGE_SIZE - 1), 0);
    assert_int_equal(tdl_file_map_check(&map, &err), TDL_ERROR_IO);
    assert_non_null(strstr(err.message, "has become shorter: 67108864 bytes, 67108865 when it was opened"));
    tdl_file_map_close(&map);
    assert_null(map.data);
    tdl_file_map_close(&map);
    unlink(in_dir("data"));
}

// Up to a limit a file is copied, so that nothing that happens to it later matters; some are always.
static void test_copy(void **state) {
    (void)state;
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    static const struct {
        off_t size;
        bool always;
    } cases[] = {{5, false}, {TDL_FILE_COPY_MAX, false}, {LARGE_SIZE, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tdl_file_map map;
        tdl_error err = {0};
        put_large(in_dir("data"));
        assert_int_equal(truncate(in_dir("data"), cases[i].size), 0);
        tdl_status status = cases[i].always ? tdl_file_copy_open(mem, in_dir("data"), &map, &err)
                                            : tdl_file_map_open(mem, in_dir("data"), &map, &err);
        assert_int_equal(status, TDL_OK);
        assert_false(map.mapped);
        assert_int_equal(truncate(in_dir("data"), 1), 0);
        assert_int_equal(map.size, cases[i].size);
        assert_memory_equal(map.data, "begin", 5);
        assert_int_equal(map.data[map.size - 1], i ? 0 : 'n');
        assert_int_equal(tdl_file_map_check(&map, &err), TDL_OK);
        tdl_file_map_release(&map, map.data, map.size); // no-op
        assert_memory_equal(map.data, "begin", 5);
        tdl_file_map_close(&map);
        unlink(in_dir("data"));
    }
}

// A file that is read piece by piece.
static void test_read_at(void **state) {
    (void)state;
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    tdl_file file;
    tdl_error err = {0};
    char bytes[8] = {0};
    put_file(in_dir("data"), "0123456789", 10);
    assert_int_equal(tdl_file_open(mem, in_dir("data"), &file, &err), TDL_OK);
    assert_int_equal(file.size, 10);
    assert_int_equal(tdl_file_read_at(&file, 2, bytes, 3, &err), TDL_OK);
    assert_memory_equal(bytes, "234\0", 4);
    assert_int_equal(tdl_file_read_at(&file, 10, bytes, 0, &err), TDL_OK);
    assert_int_equal(truncate(in_dir("data"), 4), 0);
    assert_int_equal(tdl_file_read_at(&file, 2, bytes, 2, &err), TDL_ERROR_IO);
    assert_non_null(strstr(err.message, "data': has changed: 4 bytes, 10 when it was opened"));
    put_file(in_dir("data"), "abcdefghij", 10);
    const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    assert_int_equal(utimensat(AT_FDCWD, in_dir("data"), times, 0), 0);
    assert_int_equal(tdl_file_read_at(&file, 2, bytes, 2, &err), TDL_ERROR_IO);
    assert_non_null(strstr(err.message, "data': has changed since it was opened"));
    tdl_file_close(&file);
    tdl_file_close(&file);
    unlink(in_dir("data"));
}

// What a clone without Git LFS leaves in the place of a file.
static void test_lfs_pointer(void **state) {
    (void)state;
    static const char pointer[] = "version https://git-lfs.github.com/spec/v1\noid sha256:"
                                  "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    tdl_file_map map;
    tdl_file file;
    tdl_error err = {0};
    put_file(in_dir("data"), pointer, sizeof pointer - 1);
    assert_int_equal(tdl_file_map_open(mem, in_dir("data"), &map, &err), TDL_ERROR_FORMAT);
    assert_non_null(
        strstr(err.message, "data': is a Git LFS pointer, not the file itself: fetch that with 'git lfs pull'"));
    assert_int_equal(tdl_file_copy_open(mem, in_dir("data"), &map, &err), TDL_ERROR_FORMAT);
    err = (tdl_error){0};
    assert_int_equal(tdl_file_open(mem, in_dir("data"), &file, &err), TDL_ERROR_FORMAT);
    assert_non_null(strstr(err.message, "is a Git LFS pointer"));
    // A text that only begins like one: pointers have at most 1024 bytes.
    assert_int_equal(truncate(in_dir("data"), 1024), 0);
    assert_int_equal(tdl_file_open(mem, in_dir("data"), &file, &err), TDL_ERROR_FORMAT);
    assert_int_equal(truncate(in_dir("data"), 1025), 0);
    assert_int_equal(tdl_file_open(mem, in_dir("data"), &file, &err), TDL_OK);
    tdl_file_close(&file);
    put_file(in_dir("data"), pointer, 20);
    assert_int_equal(tdl_file_open(mem, in_dir("data"), &file, &err), TDL_OK);
    tdl_file_close(&file);
    unlink(in_dir("data"));
}

static void check_refused(const char *path, tdl_status status, const char *what) {
    tdl_file_map map;
    tdl_error err = {0};
    assert_int_equal(tdl_file_map_open(tdl_allocator_or_default(NULL), path, &map, &err), status);
    assert_int_equal(err.code, status);
    assert_non_null(strstr(err.message, path));
    assert_non_null(strstr(err.message, what));
}

static void test_map_refuses(void **state) {
    (void)state;
    check_refused(in_dir("absent"), TDL_ERROR_IO, "No such file");
    check_refused(dir, TDL_ERROR_IO, "is a directory, expected a regular file");
    check_refused("/dev/zero", TDL_ERROR_IO, "is a device, expected");
    put_file(in_dir("empty"), "", 0);
    check_refused(in_dir("empty"), TDL_ERROR_FORMAT, "the file is empty");
    unlink(in_dir("empty"));
    assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
    check_refused(in_dir("fifo"), TDL_ERROR_IO, "is a FIFO, expected"); // and does not wait for a writer
    unlink(in_dir("fifo"));

    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, in_dir("socket"));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    check_refused(in_dir("socket"), TDL_ERROR_IO, "is a socket, expected");
    close(fd);
    unlink(in_dir("socket"));
}

// Where a file cannot be mapped it is read. An address space that is full makes mmap fail.
static uint8_t spare[TDL_FILE_COPY_MAX + 64] __attribute__((aligned(64)));

static void *spare_alloc(void *user, size_t size, size_t align) {
    *(int *)user += 1;
    return size <= sizeof spare && align <= 64 ? spare : NULL;
}

static void spare_free(void *user, void *ptr) {
    assert_ptr_equal(ptr, spare);
    *(int *)user -= 1;
}

static void test_map_falls_back_to_reading(void **state) {
    (void)state;
    if (SANITIZED) skip(); // they need address space of their own
    put_large(in_dir("data"));
    int n_live = 0;
    tdl_allocator mem = {spare_alloc, spare_free, &n_live};
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    none = before;
    none.rlim_cur = 4096;
    tdl_file_map map;
    tdl_error err = {0};
    const char *path = in_dir("data");
    assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
    tdl_status status = tdl_file_map_open(&mem, path, &map, &err);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_int_equal(status, TDL_OK);
    assert_false(map.mapped);
    assert_int_equal(map.size, LARGE_SIZE);
    assert_memory_equal(map.data, "begin", 5);
    assert_int_equal(n_live, 1);
    tdl_file_map_close(&map);
    assert_int_equal(n_live, 0);

    fail_alloc fa;
    fail_alloc_init(&fa);
    fa.fail_at = 1;
    assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
    status = tdl_file_map_open(&fa.mem, path, &map, &err);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_int_equal(status, TDL_ERROR_MEMORY);
    unlink(in_dir("data"));
}

static void test_paths(void **state) {
    (void)state;
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    assert_true(tdl_path_is_dir(dir));
    assert_true(tdl_path_exists(dir));
    assert_false(tdl_path_exists(in_dir("absent")));
    assert_false(tdl_path_is_dir(in_dir("absent")));
    assert_false(tdl_path_is_dir("/dev/null"));
    static const char *const joins[][3] = {
        {"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"", "b", "b"}, {"/", "b", "/b"}, {"", "", ""}, {"a", "", "a/"},
    };
    for (size_t i = 0; i < sizeof joins / sizeof *joins; i++) {
        char *joined = tdl_path_join(mem, joins[i][0], joins[i][1]);
        assert_string_equal(joined, joins[i][2]);
        tdl_free(mem, joined);
    }
    static const char *const dirs[][2] = {
        {"model.gguf", "."}, {"a/model.gguf", "a"}, {"/a/b/c", "/a/b"}, {"/model", "/"}, {"a//b", "a"}, {"//b", "/"},
        {"", "."},           {"./b", "."},          {"a/b/", "a/b"},
    };
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        char *part = tdl_path_dir(mem, dirs[i][0]);
        assert_string_equal(part, dirs[i][1]);
        tdl_free(mem, part);
    }
}

static void test_dir_make(void **state) {
    (void)state;
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    tdl_error err = {0};
    char path[300];
    snprintf(path, sizeof path, "%s/a//b/c/", dir);
    assert_int_equal(tdl_dir_make(mem, path, &err), TDL_OK);
    assert_true(tdl_path_is_dir(path));
    assert_int_equal(tdl_dir_make(mem, path, &err), TDL_OK); // is there
    put_file(in_dir("a/file"), "x", 1);
    assert_int_equal(tdl_dir_make(mem, in_dir("a/file"), &err), TDL_ERROR_IO);
    assert_non_null(strstr(err.message, "a/file': is there, and is no directory"));
    assert_int_equal(tdl_dir_make(mem, in_dir("a/file/d/e"), &err), TDL_ERROR_IO); // names what is in the way
    assert_non_null(strstr(err.message, "a/file': is there, and is no directory"));
    assert_int_equal(tdl_dir_make(mem, "/proc/none/run", &err), TDL_ERROR_IO);
    assert_non_null(strstr(err.message, "'/proc/none': cannot make the directory"));
    assert_int_equal(tdl_dir_make(mem, "", &err), TDL_ERROR_IO);
    unlink(in_dir("a/file"));
    assert_int_equal(rmdir(in_dir("a/b/c")) + rmdir(in_dir("a/b")) + rmdir(in_dir("a")), 0);
}

static tdl_status paths_scenario(const tdl_allocator *mem, void *arg) {
    (void)arg;
    char *joined = tdl_path_join(mem, "a", "b"), *part = tdl_path_dir(mem, "a/b");
    tdl_status status = joined && part ? TDL_OK : TDL_ERROR_MEMORY;
    tdl_free(mem, joined);
    tdl_free(mem, part);
    return status;
}

static void test_paths_out_of_memory(void **state) {
    (void)state;
    assert_in_range(fail_alloc_each(paths_scenario, NULL), 2, 5);
}

static void check_contents(const char *path, const char *expected) {
    tdl_file_map map;
    tdl_error err = {0};
    assert_int_equal(tdl_file_map_open(tdl_allocator_or_default(NULL), path, &map, &err), TDL_OK);
    assert_int_equal(map.size, strlen(expected));
    assert_memory_equal(map.data, expected, map.size);
    tdl_file_map_close(&map);
}

static void test_writer(void **state) {
    (void)state;
    fail_alloc fa;
    fail_alloc_init(&fa);
    tdl_error err = {0};
    put_file(in_dir("out"), "old", 3);
    tdl_file_writer *writer, *second;
    assert_int_equal(tdl_file_writer_open(&fa.mem, in_dir("out"), &writer, &err), TDL_OK);
    assert_int_equal(tdl_file_writer_open(&fa.mem, in_dir("out"), &second, &err), TDL_OK); // another name
    assert_int_equal(count_files(), 3);
    assert_int_equal(tdl_file_writer_write(writer, "new ", 4, &err), TDL_OK);
    assert_int_equal(tdl_file_writer_write(writer, NULL, 0, &err), TDL_OK);
    assert_int_equal(tdl_file_writer_write(writer, "text", 4, &err), TDL_OK);
    assert_int_equal(tdl_file_writer_write(second, "second", 6, &err), TDL_OK);
    assert_int_equal(tdl_file_writer_offset(writer), 8);
    check_contents(in_dir("out"), "old"); // until the commit
    assert_int_equal(tdl_file_writer_commit(writer, &err), TDL_OK);
    check_contents(in_dir("out"), "new text");
    tdl_file_writer_abort(second);
    check_contents(in_dir("out"), "new text");
    tdl_file_writer_abort(NULL);
    assert_int_equal(count_files(), 1);
    fail_alloc_check(&fa);
    unlink(in_dir("out"));
}

static void test_writer_without_directory_part(void **state) {
    (void)state;
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    int here = open(".", O_RDONLY | O_DIRECTORY);
    assert_int_equal(chdir(dir), 0);
    tdl_file_writer *writer;
    assert_int_equal(tdl_file_writer_open(mem, "plain", &writer, NULL), TDL_OK);
    assert_int_equal(tdl_file_writer_write(writer, "x", 1, NULL), TDL_OK);
    assert_int_equal(tdl_file_writer_commit(writer, NULL), TDL_OK);
    assert_int_equal(fchdir(here), 0);
    close(here);
    check_contents(in_dir("plain"), "x");
    unlink(in_dir("plain"));
}

static void test_writer_refuses(void **state) {
    (void)state;
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    tdl_file_writer *writer = NULL;
    tdl_error err = {0};
    assert_int_equal(tdl_file_writer_open(mem, dir, &writer, &err), TDL_ERROR_IO);
    assert_non_null(strstr(err.message, "is a directory"));
    assert_int_equal(tdl_file_writer_open(mem, "/dev/null", &writer, &err), TDL_ERROR_IO);
    assert_non_null(strstr(err.message, "is a device"));
    assert_int_equal(tdl_file_writer_open(mem, in_dir("no/such/dir"), &writer, &err), TDL_ERROR_IO);
    assert_non_null(strstr(err.message, "No such file"));
    assert_null(writer);

    // The place is taken by a directory between open and commit.
    assert_int_equal(tdl_file_writer_open(mem, in_dir("out"), &writer, &err), TDL_OK);
    assert_int_equal(mkdir(in_dir("out"), 0700), 0);
    assert_int_equal(tdl_file_writer_commit(writer, &err), TDL_ERROR_IO);
    assert_non_null(strstr(err.message, "cannot rename"));
    assert_int_equal(rmdir(in_dir("out")), 0);
    assert_int_equal(count_files(), 0);
}

// A file that may not grow is like a full disk: the last write that fits is short, the next fails.
static void test_writer_disk_full(void **state) {
    (void)state;
    fail_alloc fa;
    fail_alloc_init(&fa);
    tdl_file_writer *writer;
    tdl_error err = {0};
    put_file(in_dir("out"), "old", 3);
    assert_int_equal(tdl_file_writer_open(&fa.mem, in_dir("out"), &writer, &err), TDL_OK);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 1000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    static char data[1500];
    tdl_status status = tdl_file_writer_write(writer, data, sizeof data, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(status, TDL_ERROR_IO);
    assert_non_null(strstr(err.message, "cannot write 500 bytes at byte 1000: File too large"));
    assert_int_equal(tdl_file_writer_offset(writer), 1000);
    assert_int_equal(tdl_file_writer_commit(writer, &err), TDL_ERROR_IO);
    assert_non_null(strstr(err.message, "a write failed"));
    check_contents(in_dir("out"), "old");
    assert_int_equal(count_files(), 1);
    fail_alloc_check(&fa);
    unlink(in_dir("out"));
}

static tdl_status writer_scenario(const tdl_allocator *mem, void *arg) {
    (void)arg;
    tdl_file_writer *writer;
    tdl_error err = {0};
    tdl_status status = tdl_file_writer_open(mem, in_dir("out"), &writer, &err);
    if (status != TDL_OK) {
        assert_int_equal(err.code, status);
        assert_int_equal(count_files(), 0);
        return status;
    }
    tdl_file_writer_write(writer, "abc", 3, &err);
    status = tdl_file_writer_commit(writer, &err);
    unlink(in_dir("out"));
    return status;
}

static void test_writer_out_of_memory(void **state) {
    (void)state;
    assert_in_range(fail_alloc_each(writer_scenario, NULL), 3, 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_read_at),
        cmocka_unit_test(test_lfs_pointer),
        cmocka_unit_test(test_map_refuses),
        cmocka_unit_test(test_map_falls_back_to_reading),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_dir_make),
        cmocka_unit_test(test_paths_out_of_memory),
        cmocka_unit_test(test_writer),
        cmocka_unit_test(test_writer_without_directory_part),
        cmocka_unit_test(test_writer_refuses),
        cmocka_unit_test(test_writer_disk_full),
        cmocka_unit_test(test_writer_out_of_memory),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
