// SPDX-License-Identifier: MIT
// run_start.c - see run_start.h.
//
// Only names that a run gives to its files are removed: whoever trains into a directory of other things keeps them, also
// those that came while the run was starting.
#include "train/run_start.h"

#include "base/error.h"
#include "base/file.h"
#include "base/str.h"

#include <dirent.h>
#include <string.h>
#include <unistd.h>

struct tdl_run_start {
    const tdl_allocator *mem;
    char *dir;
    size_t n_there; // bytes of dir that name a directory that was there; 0: none of it
    tdl_arena arena;
    tdl_vec names; // const char *: a run's files that were there
};

static tdl_status note_names(tdl_run_start *start, tdl_error *err);
static void remove_new(const tdl_run_start *start);
static bool is_of_run(const char *name);
static bool was_there(const tdl_run_start *start, const char *name);
static size_t parent_size(const char *path, size_t size);

tdl_status tdl_run_start_note(const tdl_allocator *mem, const char *dir, tdl_run_start **out, tdl_error *err) {
    tdl_run_start *start = tdl_alloc(mem, 1, sizeof *start);
    if (!start) return tdl_fail(err, TDL_ERROR_MEMORY, "run: no memory");
    *start = (tdl_run_start){.mem = mem, .names = tdl_vec_make(mem, sizeof(char *))};
    tdl_arena_init(&start->arena, mem);
    start->dir = tdl_strndup(mem, dir, strlen(dir));
    tdl_status status = start->dir ? TDL_OK : tdl_fail(err, TDL_ERROR_MEMORY, "run: no memory");
    if (status == TDL_OK) {
        size_t size = strlen(dir);
        for (; size; size = parent_size(dir, size)) {
            start->dir[size] = 0;
            bool there = tdl_path_is_dir(start->dir);
            start->dir[size] = dir[size];
            if (there) break;
        }
        start->n_there = size;
        status = note_names(start, err);
    }
    if (status == TDL_OK) *out = start;
    else tdl_run_start_end(start, true, false);
    return status;
}

void tdl_run_start_end(tdl_run_start *start, bool started, bool locked) {
    if (!start) return;
    if (!started && start->dir) {
        if (locked) remove_new(start);
        for (size_t size = strlen(start->dir); size > start->n_there; size = parent_size(start->dir, size)) {
            start->dir[size] = 0;
            if (rmdir(start->dir) != 0) break; // something else is in it
        }
    }
    tdl_free(start->mem, start->dir);
    tdl_vec_deinit(&start->names);
    tdl_arena_deinit(&start->arena);
    tdl_free(start->mem, start);
}

static tdl_status note_names(tdl_run_start *start, tdl_error *err) {
    DIR *dir = opendir(start->dir);
    bool ok = true;
    if (!dir) return TDL_OK;
    for (const struct dirent *entry; ok && (entry = readdir(dir));) {
        if (!is_of_run(entry->d_name)) continue;
        const char *name = tdl_arena_strndup(&start->arena, entry->d_name, strlen(entry->d_name));
        ok = name && tdl_vec_push(&start->names, &name, 1);
    }
    closedir(dir);
    return ok ? TDL_OK : tdl_fail(err, TDL_ERROR_MEMORY, "run: no memory for the names in '%s'", start->dir);
}

static void remove_new(const tdl_run_start *start) {
    DIR *dir = opendir(start->dir);
    if (!dir) return;
    for (const struct dirent *entry; (entry = readdir(dir));)
        if (is_of_run(entry->d_name) && !was_there(start, entry->d_name)) unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
}

// What may be made before a run's first step.
static bool is_of_run(const char *name) {
    static const char *const names[] = {"lock", "config.json", "tokenizer.json", "log.jsonl", "run.json", "loss.html"};
    static const char *const beginnings[] = {"tokens-", "events.out.tfevents."};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) return true;
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0) return true;
    return false;
}

static bool was_there(const tdl_run_start *start, const char *name) {
    for (size_t i = 0; i < start->names.n; i++)
        if (strcmp(*tdl_vec_at(&start->names, const char *, i), name) == 0) return true;
    return false;
}

// The bytes of the directory above path[0, size); 0: none is named.
static size_t parent_size(const char *path, size_t size) {
    while (size && path[size - 1] == '/') size--;
    while (size && path[size - 1] != '/') size--;
    while (size > 1 && path[size - 1] == '/') size--;
    return size;
}
