// SPDX-License-Identifier: MIT
// test_run_log.c - a run's log: lines, what a resume cuts, event files against TensorBoard's own messages, the page.
#include "base/alloc.h"
#include "base/json.h"
#include "support/fail_alloc.h"
#include "support/test_files.h"
#include "train/event_file.h"
#include "train/run_log.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[TEST_PATH_SIZE], log_path[TEST_PATH_SIZE], page_path[TEST_PATH_SIZE];

static const tdl_allocator *mem(void) { return tdl_allocator_or_default(NULL); }

static int make_dir(void **state) {
    (void)state;
    test_dir_make(dir);
    test_path(log_path, dir, "log.jsonl");
    test_path(page_path, dir, "loss.html");
    return 0;
}

static int remove_dir(void **state) {
    (void)state;
    test_dir_remove(dir);
    return 0;
}

static tdl_run_log *open_log(int64_t resume_step) {
    tdl_run_log *log = NULL;
    tdl_error err = {0};
    tdl_run_log_desc desc = {
        .mem = mem(), .dir = dir, .title = "a <b> run", .resume_step = resume_step, .page_every = 1000};
    if (tdl_run_log_open(&desc, &log, &err)) fail_msg("%s", err.message);
    return log;
}

static tdl_run_line line_of(int64_t step) {
    return (tdl_run_line){.step = step,
                          .loss = 8.0 / (double)step,
                          .lr = 1e-3,
                          .tokens_per_s = 1234.5,
                          .grad_norm = 2,
                          .val_loss = 9.0 / (double)step,
                          .has_grad_norm = true,
                          .has_val_loss = step % 5 == 0};
}

static void add_steps(tdl_run_log *log, int64_t first, int64_t last) {
    tdl_error err = {0};
    for (int64_t step = first; step <= last; step++) {
        tdl_run_line line = line_of(step);
        if (tdl_run_log_add(log, &line, &err)) fail_msg("%s", err.message);
    }
}

// The whole file as text; freed with free.
static char *read_text(const char *path) {
    size_t size;
    uint8_t *bytes = test_file_read(path, &size);
    char *text = malloc(size + 1);
    memcpy(text, bytes, size);
    text[size] = 0;
    free(bytes);
    return text;
}

static void test_lines(void **state) {
    (void)state;
    tdl_error err = {0};
    tdl_run_log *log = open_log(0);
    add_steps(log, 4, 5);
    tdl_run_line bad = line_of(5);
    assert_error(tdl_run_log_add(log, &bad, &err), TDL_ERROR_ARGUMENT, &err, "step 5 after step 5");
    bad = (tdl_run_line){.step = 6, .loss = NAN, .lr = 0, .tokens_per_s = INFINITY};
    assert_int_equal(tdl_run_log_add(log, &bad, &err), TDL_OK);
    char *text = read_text(log_path);
    assert_string_equal(
        text, "{\"step\":4,\"loss\":2.0,\"lr\":0.001,\"tokens_per_s\":1234.5,\"grad_norm\":2.0}\n"
              "{\"step\":5,\"loss\":1.6,\"lr\":0.001,\"tokens_per_s\":1234.5,\"grad_norm\":2.0,\"val_loss\":1.8}\n"
              "{\"step\":6,\"loss\":null,\"lr\":0.0,\"tokens_per_s\":null}\n");
    free(text);
    assert_int_equal(tdl_run_log_close(log, &err), TDL_OK);
    assert_int_equal(tdl_run_log_close(NULL, &err), TDL_OK);
}

static size_t n_lines(void) {
    char *text = read_text(log_path);
    size_t n = 0;
    for (const char *c = text; *c; c++) n += *c == '\n';
    free(text);
    return n;
}

static void test_resume(void **state) {
    (void)state;
    tdl_error err = {0};
    size_t n;
    tdl_run_log *log = open_log(0);
    add_steps(log, 1, 40);
    assert_int_equal(tdl_run_log_close(log, &err), TDL_OK);
    FILE *file = fopen(log_path, "a");
    fputs("{\"step\":41,\"lo", file); // killed while it wrote
    fclose(file);
    log = open_log(30);
    assert_int_equal(n_lines(), 30);
    const tdl_run_line *lines = tdl_run_log_lines(log, &n);
    assert_int_equal(n, 30);
    for (size_t i = 0; i < n; i++) {
        tdl_run_line expected = line_of((int64_t)i + 1);
        assert_true(lines[i].step == expected.step && fabs(lines[i].loss - expected.loss) < 1e-8);
        assert_true(lines[i].has_val_loss == expected.has_val_loss && lines[i].has_grad_norm);
    }
    add_steps(log, 31, 33);
    assert_int_equal(tdl_run_log_close(log, &err), TDL_OK);
    log = open_log(100); // nothing to cut but an unfinished line
    assert_int_equal(n_lines(), 33);
    assert_int_equal(tdl_run_log_close(log, &err), TDL_OK);
    file = fopen(log_path, "a");
    fwrite("\0\0\0\n\0\n\0", 1, 7, file); // the machine stopped while it wrote
    fclose(file);
    log = open_log(100);
    assert_int_equal(n_lines(), 33);
    assert_int_equal(tdl_run_log_close(log, &err), TDL_OK);
    log = open_log(0); // a new run in the old one's directory
    assert_int_equal(n_lines(), 0);
    assert_int_equal(tdl_run_log_close(log, &err), TDL_OK);
    log = open_log(7); // an empty log
    add_steps(log, 8, 8);
    assert_int_equal(tdl_run_log_close(log, &err), TDL_OK);
}

static void test_bad(void **state) {
    (void)state;
    static const char *const texts[] = {"{\"step\":1}\nhello\n{\"step\":2}\n",
                                        "{\"step\":2}\n{\"step\":1}\n{\"step\":3}\n", "{\"loss\":1}\n"};
    tdl_error err = {0};
    tdl_run_log *log = NULL;
    tdl_run_log_desc desc = {.mem = mem(), .dir = dir, .title = "x", .resume_step = 9};
    for (size_t i = 0; i < 3; i++) {
        test_file_write(log_path, texts[i], strlen(texts[i]));
        assert_error(tdl_run_log_open(&desc, &log, &err), TDL_ERROR_FORMAT, &err, "is no line of a run");
        char *text = read_text(log_path); // as it was
        assert_string_equal(text, texts[i]);
        free(text);
    }
    desc.dir = "/proc/none";
    assert_error(tdl_run_log_open(&desc, &log, &err), TDL_ERROR_IO, &err, "/proc/none/log.jsonl");
}

static void test_disk_full(void **state) {
    (void)state;
    tdl_error err = {0};
    tdl_run_log *log = open_log(0);
    tdl_run_line line = line_of(1);
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    struct rlimit old, now;
    getrlimit(RLIMIT_FSIZE, &old);
    now = (struct rlimit){40, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &now);
    tdl_status status = tdl_run_log_add(log, &line, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, before);
    assert_error(status, TDL_ERROR_IO, &err, "cannot write");
    assert_int_equal(tdl_run_log_close(log, &err), TDL_OK);
}

// test/data/train/events.bin: the same events by TensorBoard's own message classes.
static void test_events(void **state) {
    (void)state;
    char tag[201] = {0};
    memset(tag, 'x', 200);
    tdl_vec out = tdl_vec_make(mem(), 1);
    const tdl_scalar three[] = {{"train/loss", 3.5f}, {"train/lr", 0.001f}, {"val/loss", 3.25f}}, one = {tag, -0.0f};
    assert_true(tdl_event_encode_start(1700000000.25, 301, &out));
    assert_true(tdl_event_encode(&(tdl_event){1700000001.5, 301, 3, three}, &out));
    assert_true(tdl_event_encode(&(tdl_event){1700000002.5, 123456789, 1, &one}, &out));
    size_t size;
    uint8_t *expected = test_file_read(TDL_TEST_DATA "/train/events.bin", &size);
    assert_int_equal(out.n, size);
    assert_memory_equal(out.data, expected, size);
    free(expected);
    tdl_vec_deinit(&out);
}

static int n_event_files(void) {
    int n = 0;
    DIR *d = opendir(dir);
    for (const struct dirent *entry; (entry = readdir(d));)
        n += strncmp(entry->d_name, "events.out.tfevents.", 20) == 0;
    closedir(d);
    return n;
}

// The page's data: averaged where there are many steps, every validation kept, nothing that could end the script.
static void test_page(void **state) {
    (void)state;
    tdl_error err = {0};
    tdl_run_log *log = open_log(0);
    add_steps(log, 1, 999);
    assert_false(test_file_exists(page_path));
    add_steps(log, 1000, 4100);
    assert_true(test_file_exists(page_path));
    assert_int_equal(tdl_run_log_close(log, &err), TDL_OK);
    assert_int_equal(n_event_files(), 1);
    char *text = read_text(page_path), *data = strstr(text, "const D="), *end = strstr(text, ";\nconst $");
    assert_true(data && end && strstr(text, "</html>"));
    assert_null(memchr(data, '<', (size_t)(end - data)));
    assert_null(strstr(text, "http:") ? strstr(strstr(text, "http:") + 1, "http:") : NULL); // SVG's name space only
    assert_null(strstr(text, "https:"));
    json_t *root = NULL;
    data += strlen("const D=");
    assert_int_equal(tdl_json_parse(data, (size_t)(end - data), "page", &root, &err), TDL_OK);
    assert_string_equal(json_string_value(json_object_get(root, "title")), "a <b> run");
    assert_int_equal(json_array_size(json_object_get(root, "val")), 820);
    size_t n = json_array_size(json_object_get(root, "step"));
    assert_true(n > 1000 && n <= 2000);
    static const char *const columns[] = {"loss", "lr", "tokens_per_s", "grad_norm"};
    for (size_t i = 0; i < 4; i++) assert_int_equal(json_array_size(json_object_get(root, columns[i])), n);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(root, "step"), n - 1)), 4100);
    double first = json_number_value(json_array_get(json_object_get(root, "loss"), 0));
    assert_true(fabs(first - (8.0 + 8.0 / 2 + 8.0 / 3) / 3) < 1e-5); // buckets of three
    json_decref(root);
    free(text);
}

// Twice the same directory within a second: two event files.
static tdl_status scenario(const tdl_allocator *m, void *arg) {
    (void)arg;
    tdl_run_log *log = NULL;
    tdl_run_log_desc desc = {.mem = m, .dir = dir, .title = "x", .resume_step = 1, .page_every = 1};
    tdl_run_line line = line_of(2);
    test_file_write(log_path, "{\"step\":1}\n{\"step\":2}\n", 22);
    tdl_status status = tdl_run_log_open(&desc, &log, NULL);
    if (status == TDL_OK) {
        status = tdl_run_log_add(log, &line, NULL);
        tdl_status closed = tdl_run_log_close(log, NULL);
        if (status == TDL_OK) status = closed;
    }
    return status;
}

static void test_memory(void **state) {
    (void)state;
    assert_true(fail_alloc_each(scenario, NULL) > 20);
    assert_true(n_event_files() > 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lines, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_resume, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_bad, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_disk_full, make_dir, remove_dir),
        cmocka_unit_test(test_events),
        cmocka_unit_test_setup_teardown(test_page, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_memory, make_dir, remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
