// SPDX-License-Identifier: MIT
// test_weights_bad.c - damaged model files: an error with a message, or tensors that can be read; never anything else.
//
// Files are cut at every byte, every field that holds a length, count, offset, dimension, type or alignment is set to
// the values around its limits, and bytes are changed at random. Each result is opened from memory of exactly its size,
// so that the address sanitizer sees a read beyond it, through an allocator that counts: memory must stay in proportion
// to the file. Where a damaged file opens, every tensor and every value is read in full.
#include "base/limits.h"
#include "base/rng.h"
#include "format/gguf.h"
#include "format/safetensors.h"
#include "format/weights.h"
#include "support/fail_alloc.h"
#include "support/gguf_bytes.h"
#include "support/test_files.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    SMALL_SIZE = 64 << 10, // files up to here are cut at every byte
    N_RANDOM_CUTS = 1000,  // larger ones at so many
    N_RANDOM_CHANGES = 20000,
    MEMORY_PER_BYTE = 64,  // most memory a byte of a file may cost, beside
    MEMORY_BASE = 1 << 20, // this much
};

typedef struct memory_file {
    const uint8_t *bytes;
    size_t size;
} memory_file;

typedef void (*open_fn)(const uint8_t *bytes, size_t size, const char *what);

static volatile uint64_t sum; // keeps reads from being left out

static void read_all(const void *data, size_t size) {
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++) sum += bytes[i];
}

static void read_meta(const tdl_meta *value) {
    if (value->type == TDL_META_STRING) read_all(value->string.ptr, value->string.size);
    if (value->type != TDL_META_ARRAY) return;
    if (value->element == TDL_META_BOOL) read_all(value->array, value->n * sizeof(bool));
    else if (value->element != TDL_META_STRING) read_all(value->array, value->n * 8);
    else
        for (size_t i = 0; i < value->n; i++) {
            tdl_text text = ((const tdl_text *)value->array)[i];
            read_all(text.ptr, text.size);
        }
}

static void read_weights(const tdl_weights *w) {
    for (size_t i = 0; i < tdl_weights_n_meta(w); i++) {
        tdl_text key;
        tdl_meta value = tdl_weights_meta_at(w, i, &key);
        read_all(key.ptr, key.size);
        read_meta(&value);
    }
    for (size_t i = 0; i < tdl_weights_n_tensors(w); i++) {
        const tdl_weights_tensor *t = tdl_weights_at(w, i);
        assert_ptr_equal(tdl_weights_find(w, t->name), t);
        if (!t->odd_type) read_all(t->tensor.data, tdl_tensor_size(&t->tensor));
    }
}

// An outcome that this file allows: OK, or an error that says something.
static void check_status(tdl_status status, const tdl_error *err, const char *what) {
    if (status == TDL_OK) return;
    if (status > 0 || err->code != status || strlen(err->message) < 10)
        fail_msg("%s: status %s, error %s, message '%s'", what, tdl_status_name(status), tdl_status_name(err->code),
                 err->message);
}

static void check_memory(const fail_alloc *fa, size_t size, const char *what) {
    fail_alloc_check(fa);
    if ((uint64_t)fa->size_peak > (uint64_t)size * MEMORY_PER_BYTE + MEMORY_BASE)
        fail_msg("%s: %" PRId64 " bytes of memory for a file of %zu", what, fa->size_peak, size);
}

static void open_desc(tdl_weights_desc desc, size_t size, const char *what) {
    fail_alloc fa;
    tdl_weights *w = NULL;
    tdl_error err = {0};
    fail_alloc_init(&fa);
    desc.mem = &fa.mem;
    tdl_status status = tdl_weights_open(&desc, &w, &err);
    check_status(status, &err, what);
    assert_true((w != NULL) == (status == TDL_OK));
    if (w) read_weights(w);
    tdl_weights_close(w);
    check_memory(&fa, size, what);
}

static tdl_status read_memory(void *user, uint64_t offset, void *dst, size_t size) {
    const memory_file *file = user;
    assert_true(offset <= file->size && size <= file->size - offset); // nothing beyond the size is asked for
    memcpy(dst, file->bytes + offset, size);
    return TDL_OK;
}

static void open_gguf(const uint8_t *bytes, size_t size, const char *what) {
    memory_file file = {.bytes = bytes, .size = size};
    tdl_reader reader = {.read = read_memory, .user = &file, .size = size};
    open_desc((tdl_weights_desc){.bytes = bytes, .bytes_size = size}, size, what);
    open_desc((tdl_weights_desc){.reader = &reader}, size, what);
    open_desc((tdl_weights_desc){.bytes = bytes, .bytes_size = size, .metadata_only = true}, size, what);
}

static void open_safetensors(const uint8_t *bytes, size_t size, const char *what) {
    fail_alloc fa;
    tdl_safetensors file;
    tdl_error err = {0};
    fail_alloc_init(&fa);
    tdl_status status = tdl_safetensors_parse(
        &fa.mem, &(tdl_safetensors_source){.bytes = bytes, .size = size, .file_size = size}, &file, &err);
    check_status(status, &err, what);
    if (!status) {
        for (size_t i = 0; i < file.tensors.n; i++) {
            const tdl_safetensors_tensor *t = tdl_vec_at(&file.tensors, tdl_safetensors_tensor, i);
            if (!t->odd_type.ptr) read_all(t->tensor.data, tdl_tensor_size(&t->tensor));
        }
        tdl_safetensors_deinit(&file);
    }
    check_memory(&fa, size, what);
}

static void cut_at(const uint8_t *bytes, size_t size, open_fn open) {
    char what[64];
    uint8_t *part = malloc(size ? size : 1);
    assert_non_null(part);
    memcpy(part, bytes, size);
    snprintf(what, sizeof what, "cut at %zu", size);
    open(part, size, what);
    free(part);
}

static void cut_everywhere(const uint8_t *bytes, size_t size, open_fn open) {
    tdl_rng rng = tdl_rng_make(1, 1);
    if (size <= SMALL_SIZE) {
        for (size_t i = 0; i < size; i++) cut_at(bytes, i, open);
    } else {
        for (int i = 0; i < N_RANDOM_CUTS; i++) cut_at(bytes, (size_t)(tdl_rng_uniform(&rng) * (double)size), open);
    }
}

static void cut_file(const char *path, open_fn open) {
    size_t size;
    if (!test_file_exists(path)) {
        print_message("%s is absent: skipped\n", path);
        return;
    }
    uint8_t *bytes = test_file_read(path, &size);
    cut_everywhere(bytes, size, open);
    free(bytes);
}

// One to four bytes of the file's first `head_size` become others.
static void change_randomly(const char *path, size_t head_size, open_fn open) {
    size_t size;
    uint8_t *bytes = test_file_read(path, &size);
    tdl_rng rng = tdl_rng_make(2, 1);
    if (head_size > size) head_size = size;
    for (int i = 0; i < N_RANDOM_CHANGES; i++) {
        size_t places[4];
        uint8_t old[4];
        char what[64];
        int n = 1 + (int)(tdl_rng_u32(&rng) % 4);
        for (int k = 0; k < n; k++) {
            places[k] = tdl_rng_u32(&rng) % head_size;
            old[k] = bytes[places[k]];
            bytes[places[k]] = (uint8_t)tdl_rng_u32(&rng);
        }
        snprintf(what, sizeof what, "change %d", i);
        open(bytes, size, what);
        while (n-- > 0) bytes[places[n]] = old[n];
    }
    free(bytes);
}

// ---- GGUF

// A file with a field of every kind.
static gguf_bytes make_gguf(void) {
    gguf_bytes g = {0};
    gguf_put_header(&g, 3, 4, 6);
    gguf_put_key(&g, "general.architecture", TDL_GGUF_STRING);
    gguf_put_text(&g, "llama", 5);
    gguf_put_key_u32(&g, "general.alignment", 32);
    gguf_put_array(&g, "tokens", TDL_GGUF_STRING, 3);
    gguf_put_text(&g, "a", 1);
    gguf_put_text(&g, "", 0);
    gguf_put_text(&g, "bcd", 3);
    gguf_put_array(&g, "scores", TDL_GGUF_F32, 3);
    gguf_put(&g, (float[]){1, 2, 3}, 12);
    gguf_put_array(&g, "empty", TDL_GGUF_U64, 0);
    gguf_put_key_u32(&g, "split.count", 0);
    gguf_put_tensor(&g, "token_embd.weight", 2, (uint64_t[]){32, 4}, 8, 0);
    gguf_put_tensor(&g, "blk.0.weight", 4, (uint64_t[]){2, 2, 2, 3}, 0, 160);
    gguf_put_tensor(&g, "blk.1.weight", 1, (uint64_t[]){7}, 1, 256);
    gguf_put_tensor(&g, "last", 3, (uint64_t[]){1, 1, 1}, 24, 288);
    gguf_put_data(&g, 32, 289);
    return g;
}

static void test_gguf_cut(void **state) {
    (void)state;
    gguf_bytes g = make_gguf();
    cut_everywhere(g.data, g.size, open_gguf);
    gguf_bytes_free(&g);
    cut_file(TDL_TEST_DATA "/gguf/types.gguf", open_gguf);

    gguf_put_header(&g, 3, 1, 1); // one too large for every byte
    gguf_put_array(&g, "tokens", TDL_GGUF_STRING, 10000);
    for (int i = 0; i < 10000; i++) gguf_put_text(&g, "token", 5);
    gguf_put_tensor(&g, "w", 1, (uint64_t[]){4096}, 0, 0);
    gguf_put_data(&g, 32, 4 * 4096);
    cut_everywhere(g.data, g.size, open_gguf);
    gguf_bytes_free(&g);
    cut_file(TDL_SHARED_DATA "/models/stories260K-f32.gguf", open_gguf);
}

static void test_gguf_fields(void **state) {
    (void)state;
    gguf_bytes g = make_gguf();
    assert_true(g.n_fields > 50 && g.n_fields < GGUF_FIELDS_MAX);
    for (size_t i = 0; i < g.n_fields; i++) {
        const gguf_field *field = &g.fields[i];
        uint64_t old = 0;
        const uint64_t values[] = {
            0,          1,          2,          field->limit - 1, field->limit, field->limit + 1, INT32_MAX,
            1ull << 31, UINT32_MAX, 1ull << 32, INT64_MAX,        1ull << 63,   UINT64_MAX - 31,  UINT64_MAX};
        memcpy(&old, g.data + field->offset, (size_t)field->size);
        for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
            char what[128];
            snprintf(what, sizeof what, "%s at %zu set to %" PRIu64, field->what, field->offset, values[k]);
            memcpy(g.data + field->offset, &values[k], (size_t)field->size);
            open_gguf(g.data, g.size, what);
        }
        memcpy(g.data + field->offset, &old, (size_t)field->size);
    }
    gguf_bytes_free(&g);
}

static void test_gguf_random(void **state) {
    (void)state;
    change_randomly(TDL_TEST_DATA "/gguf/types.gguf", 1500, open_gguf);
}

// ---- safetensors

static void test_safetensors_cut(void **state) {
    (void)state;
    cut_file(TDL_TEST_DATA "/safetensors/types.safetensors", open_safetensors);
    cut_file(TDL_TEST_DATA "/hf-tiny/gpt2/model.safetensors", open_safetensors);
}

static void test_safetensors_random(void **state) {
    (void)state;
    change_randomly(TDL_TEST_DATA "/safetensors/types.safetensors", 600, open_safetensors);
}

static void test_safetensors_length(void **state) {
    (void)state;
    size_t size;
    uint8_t *bytes = test_file_read(TDL_TEST_DATA "/safetensors/types.safetensors", &size);
    uint64_t good;
    memcpy(&good, bytes, 8);
    const uint64_t values[] = {0,
                               1,
                               2,
                               good - 1,
                               good + 1,
                               size - 8,
                               size - 7,
                               TDL_SAFETENSORS_HEADER_MAX,
                               TDL_SAFETENSORS_HEADER_MAX + 1,
                               UINT32_MAX,
                               INT64_MAX,
                               1ull << 63,
                               UINT64_MAX - 7,
                               UINT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char what[64];
        snprintf(what, sizeof what, "header of %" PRIu64 " bytes", values[i]);
        memcpy(bytes, &values[i], 8);
        open_safetensors(bytes, size, what);
        tdl_safetensors file;
        tdl_error err = {0};
        tdl_safetensors_source source = {.bytes = bytes, .size = size, .file_size = size};
        assert_true(tdl_safetensors_parse(tdl_allocator_or_default(NULL), &source, &file, &err) < 0);
    }
    free(bytes);
}

// The file with the header's bytes [start, end) replaced by `value`.
static void open_replaced(const uint8_t *bytes, size_t size, size_t start, size_t end, const char *value) {
    size_t value_size = strlen(value), new_size = size - (end - start) + value_size;
    uint8_t *changed = malloc(new_size);
    char what[128];
    uint64_t header_size;
    assert_non_null(changed);
    memcpy(&header_size, bytes, 8);
    header_size = header_size - (end - start) + value_size;
    memcpy(changed, bytes, start);
    memcpy(changed + start, value, value_size);
    memcpy(changed + start + value_size, bytes + end, size - end);
    memcpy(changed, &header_size, 8);
    snprintf(what, sizeof what, "bytes %zu to %zu become %s", start, end, value);
    open_safetensors(changed, new_size, what);
    free(changed);
}

// Every number and every quoted text of the header, one after the other.
static void test_safetensors_fields(void **state) {
    (void)state;
    static const char *const values[] = {
        "0",
        "1",
        "-1",
        "1.5",
        "1e300",
        "true",
        "null",
        "[]",
        "{}",
        "\"F32\"",
        "\"BOOL\"",
        "\"NONE\"",
        "\"\"",
        "\"a\\u0000b\"",
        "1048576",
        "4294967295",
        "4294967296",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "99999999999999999999999",
        "-9223372036854775808",
        "[1,1,1,1]",
        "[1,1,1,1,1]",
    };
    size_t size, n_fields = 0;
    uint8_t *bytes = test_file_read(TDL_TEST_DATA "/safetensors/types.safetensors", &size);
    uint64_t header_size;
    memcpy(&header_size, bytes, 8);
    for (size_t start = 8, end; start < 8 + header_size; start = end) {
        end = start + 1;
        if (bytes[start] == '"') {
            while (bytes[end++] != '"') {
            }
        } else if (bytes[start] >= '0' && bytes[start] <= '9') {
            while (bytes[end] >= '0' && bytes[end] <= '9') end++;
        } else {
            continue;
        }
        n_fields++;
        for (size_t k = 0; k < sizeof values / sizeof *values; k++) open_replaced(bytes, size, start, end, values[k]);
    }
    assert_true(n_fields > 60);
    free(bytes);
}

// ---- paths

static void expect_path_error(const char *path, tdl_status expected, const char *part) {
    tdl_weights *w = NULL;
    tdl_error err = {0};
    tdl_weights_desc desc = {.mem = tdl_allocator_or_default(NULL), .path = path};
    assert_error(tdl_weights_open(&desc, &w, &err), expected, &err, part);
    desc.metadata_only = true;
    assert_error(tdl_weights_open(&desc, &w, &err), expected, &err, part);
    assert_null(w);
}

static void test_paths(void **state) {
    (void)state;
    char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
    test_dir_make(dir);
    expect_path_error(test_path(path, dir, "missing.gguf"), TDL_ERROR_IO, "missing.gguf");
    expect_path_error(test_path(path, dir, "missing.safetensors"), TDL_ERROR_IO, "no config.json");
    expect_path_error(dir, TDL_ERROR_IO, "no config.json");
    expect_path_error("", TDL_ERROR_IO, "cannot open");
    expect_path_error("/dev/null", TDL_ERROR_IO, "device");

    test_file_write(test_path(path, dir, "empty.gguf"), "", 0);
    expect_path_error(path, TDL_ERROR_FORMAT, "empty");
    test_file_write(test_path(path, dir, "text.gguf"), "some text", 9);
    expect_path_error(path, TDL_ERROR_FORMAT,
                      "text.gguf: gguf: the file begins with bytes 73 6f 6d 65, expected 'GGUF'");
    assert_int_equal(mkfifo(test_path(path, dir, "pipe.gguf"), 0600), 0);
    expect_path_error(path, TDL_ERROR_IO, "FIFO");
    assert_int_equal(symlink("loop.gguf", test_path(path, dir, "loop.gguf")), 0);
    expect_path_error(path, TDL_ERROR_IO, "loop.gguf");
    expect_path_error(test_path(path, dir, "text.gguf/inside.gguf"), TDL_ERROR_IO, "inside.gguf");

    test_file_write(test_path(path, dir, "secret.gguf"), "GGUF", 4);
    assert_int_equal(chmod(path, 0), 0);
    assert_int_equal(chmod(dir, 0755), 0);
    bool is_root = geteuid() == 0; // who may read everything: look with the eyes of nobody
    if (is_root) assert_int_equal(seteuid(65534), 0);
    expect_path_error(path, TDL_ERROR_IO, "cannot open");
    if (is_root) assert_int_equal(seteuid(0), 0);

    assert_int_equal(mkfifo(test_path(path, dir, "config.json"), 0600), 0);
    expect_path_error(dir, TDL_ERROR_IO, "FIFO");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    expect_path_error(dir, TDL_ERROR_IO, "directory");
    test_dir_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gguf_cut),           cmocka_unit_test(test_gguf_fields),
        cmocka_unit_test(test_gguf_random),        cmocka_unit_test(test_safetensors_cut),
        cmocka_unit_test(test_safetensors_fields), cmocka_unit_test(test_safetensors_length),
        cmocka_unit_test(test_safetensors_random), cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
