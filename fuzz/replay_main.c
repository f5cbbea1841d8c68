// SPDX-License-Identifier: MIT
// replay_main.c - feeds files to a fuzz target without a fuzzer.
//
// libFuzzer exists for clang only. This main takes its place in every other build: it hands each file named on the
// command line, or found directly in a directory named there, to the target once. A crash or a sanitizer's report fails
// the test; so does a directory without a single file, since that would test nothing.
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static int replay_path(const char *path, size_t *n_files);
static int replay_directory(const char *path, size_t *n_files);
static int replay_file(const char *path, size_t size);

int main(int argc, char **argv) {
    size_t n_files = 0;
    for (int i = 1; i < argc; i++) {
        if (replay_path(argv[i], &n_files)) return 1;
    }
    printf("%zu inputs replayed\n", n_files);
    return n_files > 0 ? 0 : 1;
}

static int replay_path(const char *path, size_t *n_files) {
    struct stat info;
    if (stat(path, &info)) {
        perror(path);
        return 1;
    }
    if (S_ISDIR(info.st_mode)) return replay_directory(path, n_files);
    (*n_files)++;
    return replay_file(path, (size_t)info.st_size);
}

static int replay_directory(const char *path, size_t *n_files) {
    DIR *dir = opendir(path);
    if (!dir) {
        perror(path);
        return 1;
    }
    int failed = 0;
    const struct dirent *entry;
    while (!failed && (entry = readdir(dir))) {
        char name[4096];
        if (entry->d_name[0] == '.') continue;
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        failed = replay_path(name, n_files);
    }
    closedir(dir);
    return failed;
}

// The bytes lie in a block of exactly their size, so that reading past the end is seen by the address sanitizer.
static int replay_file(const char *path, size_t size) {
    int failed = 1;
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(size ? size : 1);
    if (file && bytes && fread(bytes, 1, size, file) == size) {
        LLVMFuzzerTestOneInput(bytes, size);
        failed = 0;
    } else {
        fprintf(stderr, "%s: cannot be read\n", path);
    }
    free(bytes);
    if (file) fclose(file);
    return failed;
}
