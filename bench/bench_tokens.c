// SPDX-License-Identifier: MIT
// bench_tokens.c - makes a token file as training does, and says how fast.
//
//     bench_tokens TOKENIZER CACHE_DIR THREADS FILE...
//
// TOKENIZER is a model or a tokenizer.json. The file's path is printed, and what is in it; a file that is there already
// is only opened.
#include "train/data_reader.h"
#include "train/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(int argc, char **argv) {
    enum { BATCH = 256, SEQ = 512 };
    tdl_error err = {0};
    tdl_tokenizer *tokenizer = NULL;
    tdl_dataset *dataset = NULL;
    tdl_data_reader *reader = NULL;
    tdl_data_batch batch;
    int n_batches = 0, code = EXIT_FAILURE;
    if (argc < 5) {
        fprintf(stderr, "usage: bench_tokens TOKENIZER CACHE_DIR THREADS FILE...\n");
        return 2;
    }
    const tdl_model_desc model = {.size = sizeof model, .path = argv[1]};
    if (tdl_tokenizer_open(&model, &tokenizer, &err)) goto cleanup;
    const tdl_dataset_desc desc = {.paths = (const char *const *)(argv + 4),
                                   .n_paths = (size_t)argc - 4,
                                   .tokenizer = tokenizer,
                                   .cache_dir = argv[2],
                                   .n_threads = (int32_t)strtol(argv[3], NULL, 10)};
    double start = seconds();
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    if (tdl_dataset_open(mem, &desc, &dataset, &err)) goto cleanup;
    double opened = seconds();
    const tdl_token_file *tokens = tdl_dataset_tokens(dataset);
    printf("%s: %s in %.3f s: %llu tokens of %llu documents, %llu to learn\n", tdl_dataset_cache_path(dataset),
           tdl_dataset_was_cached(dataset) ? "opened" : "made", opened - start, (unsigned long long)tokens->n_tokens,
           (unsigned long long)tokens->n_documents, (unsigned long long)tokens->n_targets);

    const tdl_data_reader_desc read = {.tokens = tokens, .batch = BATCH, .seq = SEQ, .in_order = true};
    if (tdl_data_reader_create(mem, &read, &reader, &err)) goto cleanup;
    double begin = seconds();
    while (tdl_data_reader_next(reader, &batch) == TDL_OK) n_batches++;
    printf("%d batches of %d x %d read in %.3f s\n", n_batches, BATCH, SEQ, seconds() - begin);
    code = EXIT_SUCCESS;
cleanup:
    if (err.code) fprintf(stderr, "%s\n", err.message);
    tdl_data_reader_destroy(reader);
    tdl_dataset_close(dataset);
    tdl_tokenizer_close(tokenizer);
    return code;
}
