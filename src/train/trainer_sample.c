// SPDX-License-Identifier: MIT
// trainer_sample.c - what the model makes of a text while it is trained: shown to a person, who sees it learn.
//
// The forward pass of training, over a window of its own, gives the logits of its last token; the most probable one is added, and
// so on. Nothing of the run is touched: weights are read, the reader stays where it is, no random number is drawn. It computes
// the whole window for each token, which for a sentence now and then is little beside the steps, and needs no cache.
#include "train/trainer.h"

#include "base/checked.h"
#include "base/utf8.h"

#include <math.h>
#include <string.h>

enum {
    SAMPLE_TOKENS = 48, // new ones at most
    WINDOW_STEP = 16,   // windows have a multiple of it
    ROLE_TOKENS = 8,    // within which a conversation says "user:" or "system:"
};

static tdl_status encode(tdl_trainer *t, tdl_token_run *run, tdl_data_style *style, tdl_error *err);
static bool has_conversations(const tdl_token_file *tokens, const tdl_data_style *style,
                              const tdl_tokenizer *tokenizer);
static bool begins_with_role(const tdl_tokenizer *tokenizer, const int32_t *ids, size_t n);
static tdl_status decode(tdl_trainer *t, tdl_error *err);

tdl_status tdl_trainer_sample_open(tdl_trainer *t, tdl_error *err) {
    tdl_train_sample *s = &t->sample;
    tdl_data_style style;
    tdl_token_run run;
    if (!t->desc.sample) return TDL_OK;
    tdl_token_run_init(&run, t->mem);
    tdl_status status = encode(t, &run, &style, err);
    int64_t n_ctx = t->model->config.n_ctx, n = (int64_t)run.ids.n;
    if (status == TDL_OK && n == 0) status = tdl_fail(err, TDL_ERROR_ARGUMENT, "trainer: sample: the text is empty");
    if (status == TDL_OK && n >= n_ctx)
        status = tdl_fail(err, TDL_ERROR_ARGUMENT, "trainer: sample: %lld tokens, the model's context is %lld",
                          (long long)n, (long long)n_ctx);
    if (status != TDL_OK) goto cleanup;
    int64_t n_window = tdl_min_i64(n_ctx, tdl_div_up(n + SAMPLE_TOKENS, WINDOW_STEP) * WINDOW_STEP);
    s->n_prompt = (int32_t)n;
    s->n_window = (int32_t)n_window;
    s->text = tdl_str_make(t->mem);
    s->prompt = tdl_alloc(t->mem, (size_t)n, sizeof *s->prompt);
    s->ids = tdl_alloc(t->mem, (size_t)n_window, sizeof *s->ids);
    s->positions = tdl_alloc(t->mem, (size_t)n_window, sizeof *s->positions);
    s->logits = tdl_alloc(t->mem, (size_t)t->model->config.n_vocab, sizeof *s->logits);
    if (s->prompt && s->ids && s->positions && s->logits)
        memcpy(s->prompt, run.ids.data, (size_t)n * sizeof *s->prompt);
    else status = tdl_fail(err, TDL_ERROR_MEMORY, "trainer: sample: no memory for %lld tokens", (long long)n_window);
cleanup:
    tdl_token_run_deinit(&run);
    return status;
}

void tdl_trainer_sample_close(tdl_trainer *t) {
    tdl_train_sample *s = &t->sample;
    tdl_free(t->mem, s->prompt);
    tdl_free(t->mem, s->ids);
    tdl_free(t->mem, s->positions);
    tdl_free(t->mem, s->logits);
    if (s->text.mem) tdl_str_deinit(&s->text);
}

// As the data has it: a user's message and the mark of an answer, or the beginning of a document.
static tdl_status encode(tdl_trainer *t, tdl_token_run *run, tdl_data_style *style, tdl_error *err) {
    tdl_text text = tdl_text_cstr(t->desc.sample);
    tdl_status status = tdl_data_style_find(t->model->tokenizer, style, err);
    if (status == TDL_OK) status = tdl_token_run_begin(run, style, err);
    if (status != TDL_OK) return status;
    if (!has_conversations(tdl_dataset_tokens(t->data), style, t->model->tokenizer))
        return tdl_token_run_text(run, style, text, false, err);
    status = tdl_token_run_message(run, style, tdl_text_cstr("user"), text, false, err);
    return status == TDL_OK ? tdl_token_run_answer(run, style, err) : status;
}

// Whether a document begins as a conversation does (data_record.c): with a mark, or with a role where the tokenizer has no marks.
static bool has_conversations(const tdl_token_file *tokens, const tdl_data_style *style,
                              const tdl_tokenizer *tokenizer) {
    for (uint64_t d = 0; d < tokens->n_documents; d++) {
        int32_t ids[ROLE_TOKENS];
        size_t n = 0;
        for (uint64_t i = tokens->documents[d]; i < tokens->documents[d + 1] && n < ROLE_TOKENS; i++) {
            int32_t id = tdl_token_file_id(tokens, i);
            if (n || id != tdl_tokenizer_bos(tokenizer)) ids[n++] = id;
        }
        if (style->chat == TDL_CHAT_PLAIN ? begins_with_role(tokenizer, ids, n) : n && ids[0] == style->chat_begin)
            return true;
    }
    return false;
}

static bool begins_with_role(const tdl_tokenizer *tokenizer, const int32_t *ids, size_t n) {
    char text[ROLE_TOKENS * 16];
    size_t size = 0;
    if (tdl_tokenizer_decode(tokenizer, ids, n, NULL, text, sizeof text, &size, NULL) != TDL_OK) return false;
    return (size >= 5 && memcmp(text, "user:", 5) == 0) || (size >= 7 && memcmp(text, "system:", 7) == 0);
}

// Rows behind the last token are documents of their own, as the reader has them.
static tdl_status next_token(tdl_trainer *t, tdl_error *err) {
    tdl_train_sample *s = &t->sample;
    for (int32_t i = 0; i < s->n_window; i++) s->positions[i] = i < s->n ? i : 0;
    return tdl_train_engine_logits(t->engine, s->ids, s->positions, s->n_window, s->n - 1, s->logits, err);
}

tdl_status tdl_trainer_sample_begin(tdl_trainer *t, tdl_error *err) {
    tdl_train_sample *s = &t->sample;
    memset(s->ids, 0, (size_t)s->n_window * sizeof *s->ids);
    memcpy(s->ids, s->prompt, (size_t)s->n_prompt * sizeof *s->ids);
    s->n = s->n_prompt;
    return next_token(t, err);
}

// The most probable token; -1: what is not finite has none.
static int32_t best_of(const float *logits, int32_t n_vocab) {
    int32_t best = 0;
    for (int32_t i = 0; i < n_vocab; i++) {
        if (isnan(logits[i])) return -1;
        if (logits[i] > logits[best]) best = i;
    }
    return isfinite(logits[best]) ? best : -1;
}

tdl_status tdl_trainer_sample_advance(tdl_trainer *t, tdl_error *err) {
    tdl_train_sample *s = &t->sample;
    const tdl_tokenizer *tokenizer = t->model->tokenizer;
    int32_t id = best_of(s->logits, t->model->config.n_vocab);
    bool ends = id < 0 || id >= tdl_tokenizer_n_vocab(tokenizer) || tdl_tokenizer_is_end(tokenizer, id);
    if (!ends) s->ids[s->n++] = id;
    if (ends || s->n == s->n_window || s->n - s->n_prompt == SAMPLE_TOKENS) return decode(t, err);
    tdl_status status = next_token(t, err);
    return status == TDL_OK ? TDL_PENDING : status;
}

// What is no UTF-8, as the last token's half of a character, becomes U+FFFD.
static tdl_status decode(tdl_trainer *t, tdl_error *err) {
    tdl_train_sample *s = &t->sample;
    const tdl_decode_desc desc = {.size = sizeof desc, .skip_special = true};
    const int32_t *ids = s->ids + s->n_prompt;
    size_t n_ids = (size_t)(s->n - s->n_prompt), size = 0;
    tdl_str_clear(&s->text);
    (void)tdl_tokenizer_decode(t->model->tokenizer, ids, n_ids, &desc, NULL, 0, &size, NULL);
    char *bytes = tdl_alloc(t->mem, size + 1, 1);
    if (!bytes) return tdl_fail(err, TDL_ERROR_MEMORY, "trainer: sample: no memory for %zu bytes", size);
    tdl_status status = tdl_tokenizer_decode(t->model->tokenizer, ids, n_ids, &desc, bytes, size, &size, err);
    bool ok = tdl_str_append(&s->text, "", 0);
    for (size_t at = 0, n; status == TDL_OK && at < size; at += n) {
        char encoded[4];
        uint32_t c = tdl_utf8_decode(bytes + at, size - at, &n);
        size_t n_encoded = tdl_utf8_encode(c == TDL_UTF8_INVALID || c == 0 ? 0xFFFD : c, encoded);
        ok = tdl_str_append(&s->text, encoded, n_encoded);
    }
    tdl_free(t->mem, bytes);
    if (status == TDL_OK && !ok) status = tdl_fail(err, TDL_ERROR_MEMORY, "trainer: sample: no memory for its text");
    return status;
}
