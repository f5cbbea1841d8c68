// SPDX-License-Identifier: MIT
// batch_texts.c - several texts at once: batch MODEL PROMPT... Each step of the model computes a token for all of them, which
// costs little more than one; each line of output is a prompt, what follows it, and why it ended.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <treadle.h>

typedef struct text {
    tdl_session *session;
    const char *prompt;
    char *written; // [size], the text so far
    size_t size;
    bool done;
} text;

// Takes what is new. False: no memory.
static bool collect(text *t) {
    tdl_text new = tdl_session_take_text(t->session);
    char *grown = realloc(t->written, t->size + new.size + 1);
    if (!grown) return false;
    memcpy(grown + t->size, new.ptr, new.size);
    t->written = grown;
    t->size += new.size;
    return true;
}

// Lets every session have what the last step computed. *n_left: those that have not ended.
static tdl_status advance(text *texts, int n, int *n_left, tdl_error *err) {
    *n_left = 0;
    for (int i = 0; i < n; i++) {
        text *t = &texts[i];
        int32_t token;
        if (t->done) continue;
        tdl_status status = tdl_session_next(t->session, &token, err);
        if (status < 0) return status;
        t->done = status == TDL_DONE;
        if (!collect(t)) return TDL_ERROR_MEMORY;
        if (!t->done) {
            ++*n_left;
            continue;
        }
        printf("%s|%.*s (%s)\n", t->prompt, (int)t->size, t->written, tdl_finish_name(tdl_session_finish(t->session)));
        fflush(stdout);
    }
    return TDL_OK;
}

int main(int argc, char **argv) {
    int n = argc > 2 ? argc - 2 : 0, n_left = n;
    text *texts = calloc((size_t)n + 1, sizeof *texts);
    tdl_error err = {0};
    tdl_model *model = NULL;
    tdl_batch *batch = NULL;
    tdl_model_desc model_desc = {.size = sizeof model_desc, .path = argc > 1 ? argv[1] : "model.gguf"};
    tdl_batch_desc batch_desc = {.size = sizeof batch_desc, .n_sessions_max = n, .n_cache_tokens = (int64_t)n * 512};

    if (!texts || !n) {
        fprintf(stderr, "usage: batch MODEL PROMPT...\n");
        free(texts);
        return 2;
    }
    tdl_status status = tdl_model_open(&model_desc, &model, &err);
    if (status == TDL_OK) status = tdl_batch_create(model, &batch_desc, &batch, &err);
    for (int i = 0; i < n && status == TDL_OK; i++) {
        tdl_session_desc desc = {.size = sizeof desc, .batch = batch, .n_ctx = 512, .n_predict = 24};
        texts[i].prompt = argv[i + 2];
        status = tdl_session_create(model, &desc, &texts[i].session, &err);
        if (status == TDL_OK)
            status = tdl_session_push_text(texts[i].session, argv[i + 2], strlen(argv[i + 2]), NULL, &err);
    }
    while (status >= 0 && n_left) {
        status = tdl_batch_step(batch, &err);
        if (status >= 0) status = advance(texts, n, &n_left, &err);
    }
    if (status < 0) fprintf(stderr, "batch: %s\n", err.code ? err.message : tdl_status_name(status));
    for (int i = 0; i < n; i++) {
        tdl_session_destroy(texts[i].session);
        free(texts[i].written);
    }
    tdl_batch_destroy(batch);
    tdl_model_close(model);
    free(texts);
    return status < 0;
}
