// SPDX-License-Identifier: MIT
// data_record.c - a tokenizer's style, runs of ids, messages in a template. See data_record.h; the records' JSON: record_forms.c.
//
// The templates' markers are put as ids and everything between them as plain text, as `treadle chat` does: role, newline
// and content of what others say are one text; an answer is a text of its own, because it follows an open marker when a
// model is used. ChatML ends an answer with <|im_end|> and a newline that is not learned.
#include "train/data_record.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/str.h"

#include <string.h>

enum {
    IDS_SPARE = 16 // an encoder may add a few ids to those of the text's bytes
};

static tdl_status find_cuts(const tdl_tokenizer *tokenizer, tdl_data_cuts *out, tdl_error *err);
static tdl_status try_cut(const tdl_tokenizer *tokenizer, const char *text, size_t at, bool *same, tdl_error *err);
static tdl_status put_id(tdl_token_run *run, int32_t id, bool counted, tdl_error *err);
static tdl_status encode_role(tdl_text role, const tdl_data_style *style, tdl_token_run *run, tdl_str *head,
                              tdl_error *err);
static tdl_status no_memory(tdl_error *err);

// ---- style

static int32_t find(const tdl_tokenizer *tokenizer, const char *token) {
    return tdl_tokenizer_find(tokenizer, token, strlen(token));
}

tdl_status tdl_data_style_find(const tdl_tokenizer *tokenizer, tdl_data_style *out, tdl_error *err) {
    // Where nobody says which token ends a sequence, as beside a tokenizer.json alone.
    static const char *const ends[] = {"<|endoftext|>", "<|end_of_text|>", "</s>"};
    enum { IDS_MAX = 4 };
    tdl_data_style style = {.tokenizer = tokenizer, .bos = -1, .eos = tdl_tokenizer_eos(tokenizer)};
    int32_t ids[IDS_MAX];
    size_t n, n_with_bos = 0;
    tdl_status status = tdl_tokenizer_encode(tokenizer, "", 0, NULL, ids, IDS_MAX, &n, err);
    if (status == TDL_OK && tdl_tokenizer_bos(tokenizer) >= 0) {
        // What the defaults put round an empty text: bos, eos, both or nothing. Asking for bos shows which.
        const tdl_encode_desc with_bos = {.size = sizeof with_bos, .bos = TDL_BOS_ALWAYS};
        status = tdl_tokenizer_encode(tokenizer, "", 0, &with_bos, ids, IDS_MAX, &n_with_bos, err);
        if (status == TDL_OK && n == n_with_bos) style.bos = tdl_tokenizer_bos(tokenizer);
    }
    for (size_t i = 0; style.eos < 0 && i < sizeof ends / sizeof *ends; i++) style.eos = find(tokenizer, ends[i]);
    if (status == TDL_OK) status = find_cuts(tokenizer, &style.cuts, err);
    if (status != TDL_OK) return status;

    style.chat_begin = find(tokenizer, "<|im_start|>");
    style.chat_mid = -1;
    style.chat_end = find(tokenizer, "<|im_end|>");
    if (style.chat_begin >= 0 && style.chat_end >= 0) {
        style.chat = TDL_CHAT_CHATML;
    } else {
        style.chat_begin = find(tokenizer, "<|start_header_id|>");
        style.chat_mid = find(tokenizer, "<|end_header_id|>");
        style.chat_end = find(tokenizer, "<|eot_id|>");
        if (style.chat_begin >= 0 && style.chat_mid >= 0 && style.chat_end >= 0) style.chat = TDL_CHAT_HEADERS;
    }
    *out = style;
    return TDL_OK;
}

// Pre-tokenizers differ in what they do with white space before the end of a text, so it is tried out.
static tdl_status find_cuts(const tdl_tokenizer *tokenizer, tdl_data_cuts *out, tdl_error *err) {
    static const char *const lines[] = {"One line\nand another", "\"Stop.\"\n\"Go\"", "1\n2"};
    static const char *const paragraphs[] = {"One line\n\nand another", "\"Stop.\"\n\n\"Go\"", "1\n\n2"};
    tdl_data_cuts cuts = {.line = true};
    tdl_status status = TDL_OK;
    for (size_t i = 0; i < 3 && status == TDL_OK && cuts.line; i++) {
        status = try_cut(tokenizer, lines[i], 1, &cuts.line, err);
    }
    for (size_t at = 1; at <= 2 && status == TDL_OK && !cuts.paragraph; at++) {
        bool same = true;
        for (size_t i = 0; i < 3 && status == TDL_OK && same; i++) {
            status = try_cut(tokenizer, paragraphs[i], at, &same, err);
        }
        if (same) cuts.paragraph = (int)at;
    }
    *out = cuts;
    return status;
}

// Whether text gives the same tokens as its parts, cut `at` bytes after the beginning of its line break.
static tdl_status try_cut(const tdl_tokenizer *tokenizer, const char *text, size_t at, bool *same, tdl_error *err) {
    enum { IDS_MAX = 256 };
    const tdl_encode_desc bare = {.size = sizeof bare, .bos = TDL_BOS_NEVER};
    int32_t whole[IDS_MAX], parts[IDS_MAX];
    size_t size = strlen(text), cut = (size_t)(strchr(text, '\n') - text) + at, n, n_first = 0, n_second = 0;
    tdl_status status = tdl_tokenizer_encode(tokenizer, text, size, &bare, whole, IDS_MAX, &n, err);
    if (status == TDL_OK) status = tdl_tokenizer_encode(tokenizer, text, cut, &bare, parts, IDS_MAX, &n_first, err);
    if (status == TDL_OK) {
        status = tdl_tokenizer_encode(tokenizer, text + cut, size - cut, &bare, parts + n_first, IDS_MAX - n_first,
                                      &n_second, err);
    }
    *same = status == TDL_OK && n == n_first + n_second && memcmp(whole, parts, n * sizeof *whole) == 0;
    return status;
}

// ---- run

void tdl_token_run_init(tdl_token_run *run, const tdl_allocator *mem) {
    run->ids = tdl_vec_make(mem, sizeof(int32_t));
    run->counted = tdl_vec_make(mem, sizeof(uint8_t));
    run->starts = tdl_vec_make(mem, sizeof(size_t));
    run->counts = (tdl_data_counts){0};
    run->has_records = false;
}

void tdl_token_run_deinit(tdl_token_run *run) {
    tdl_vec_deinit(&run->ids);
    tdl_vec_deinit(&run->counted);
    tdl_vec_deinit(&run->starts);
}

void tdl_token_run_clear(tdl_token_run *run) {
    run->ids.n = run->counted.n = run->starts.n = 0;
    run->counts = (tdl_data_counts){0};
    run->has_records = false;
}

tdl_status tdl_token_run_begin(tdl_token_run *run, const tdl_data_style *style, tdl_error *err) {
    if (!tdl_vec_push(&run->starts, &run->ids.n, 1)) return no_memory(err);
    return style->bos < 0 ? TDL_OK : put_id(run, style->bos, false, err);
}

tdl_status tdl_token_run_end(tdl_token_run *run, const tdl_data_style *style, tdl_error *err) {
    return style->eos < 0 ? TDL_OK : put_id(run, style->eos, true, err);
}

tdl_status tdl_token_run_text(tdl_token_run *run, const tdl_data_style *style, tdl_text text, bool counted,
                              tdl_error *err) {
    const tdl_encode_desc desc = {.size = sizeof desc, .bos = TDL_BOS_NEVER};
    size_t n_room = text.size, n_ids = 0;
    if (!tdl_add_size(n_room, IDS_SPARE, &n_room)) return no_memory(err);
    for (;;) { // a byte is an id at most, unless a normalizer makes the text longer: then once more
        size_t n = run->ids.n, n_wanted;
        if (!tdl_add_size(n, n_room, &n_wanted)) return no_memory(err);
        if (n_wanted > run->ids.n_max && !tdl_vec_reserve(&run->ids, n_wanted > 2 * n ? n_wanted : 2 * n)) {
            return no_memory(err);
        }
        int32_t *ids = tdl_vec_at(&run->ids, int32_t, n);
        tdl_status status =
            tdl_tokenizer_encode(style->tokenizer, text.ptr, text.size, &desc, ids, n_room, &n_ids, err);
        if (status == TDL_OK) break;
        if (status != TDL_ERROR_LIMIT || n_ids <= n_room) return status;
        n_room = n_ids;
        if (err) *err = (tdl_error){0};
    }
    size_t n_max = run->ids.n + n_ids;
    if (n_max > run->counted.n_max && !tdl_vec_reserve(&run->counted, run->ids.n_max)) return no_memory(err);
    if (n_ids) memset(tdl_vec_at(&run->counted, uint8_t, run->counted.n), counted, n_ids);
    run->ids.n = run->counted.n = n_max;
    return TDL_OK;
}

static tdl_status put_id(tdl_token_run *run, int32_t id, bool counted, tdl_error *err) {
    uint8_t bit = counted;
    if (!tdl_vec_push(&run->ids, &id, 1)) return no_memory(err);
    if (tdl_vec_push(&run->counted, &bit, 1)) return TDL_OK;
    run->ids.n--;
    return no_memory(err);
}

// ---- messages

tdl_status tdl_token_run_message(tdl_token_run *run, const tdl_data_style *style, tdl_text role, tdl_text content,
                                 bool counted, tdl_error *err) {
    bool answer = tdl_text_is(role, "assistant"), plain = style->chat == TDL_CHAT_PLAIN;
    tdl_str head = tdl_str_make(run->ids.mem), body = head; // up to the content; the answer
    tdl_status status = encode_role(role, style, run, &head, err);
    if (status != TDL_OK) goto cleanup;
    tdl_str *text = answer ? &body : &head;
    if (plain) tdl_str_append(text, " ", 1); // an answer begins with it: its prompt ends with "assistant:"
    tdl_str_append(text, content.ptr, content.size);
    if (plain && (!answer || style->eos < 0)) tdl_str_append(text, "\n", 1);
    if (head.failed || body.failed) {
        status = no_memory(err);
        goto cleanup;
    }
    status = tdl_token_run_text(run, style, tdl_text_of(head.ptr, head.size), false, err);
    if (status == TDL_OK && body.size) {
        status = tdl_token_run_text(run, style, tdl_text_of(body.ptr, body.size), counted, err);
    }
    if (status == TDL_OK && plain && answer && style->eos >= 0) status = put_id(run, style->eos, counted, err);
    if (status == TDL_OK && !plain) status = put_id(run, style->chat_end, counted, err);
    if (status == TDL_OK && style->chat == TDL_CHAT_CHATML) {
        status = tdl_token_run_text(run, style, tdl_text_of("\n", 1), false, err);
    }
cleanup:
    tdl_str_deinit(&head);
    tdl_str_deinit(&body);
    return status;
}

tdl_status tdl_token_run_answer(tdl_token_run *run, const tdl_data_style *style, tdl_error *err) {
    tdl_str head = tdl_str_make(run->ids.mem);
    tdl_status status = encode_role(tdl_text_cstr("assistant"), style, run, &head, err);
    if (status == TDL_OK && head.failed) status = no_memory(err);
    if (status == TDL_OK) status = tdl_token_run_text(run, style, tdl_text_of(head.ptr, head.size), false, err);
    tdl_str_deinit(&head);
    return status;
}

// What stands before a message's content: its ids to the run, the text that is encoded together with the content to head.
static tdl_status encode_role(tdl_text role, const tdl_data_style *style, tdl_token_run *run, tdl_str *head,
                              tdl_error *err) {
    tdl_status status = TDL_OK;
    if (style->chat != TDL_CHAT_PLAIN) status = put_id(run, style->chat_begin, false, err);
    if (style->chat == TDL_CHAT_HEADERS) {
        if (status == TDL_OK) status = tdl_token_run_text(run, style, role, false, err);
        if (status == TDL_OK) status = put_id(run, style->chat_mid, false, err);
        tdl_str_append(head, "\n\n", 2);
    } else {
        tdl_str_append(head, role.ptr, role.size);
        tdl_str_append(head, style->chat == TDL_CHAT_CHATML ? "\n" : ":", 1);
    }
    return status;
}

static tdl_status no_memory(tdl_error *err) {
    return tdl_fail(err, TDL_ERROR_MEMORY, "data: no memory for the ids of a text");
}
