// SPDX-License-Identifier: MIT
// chat.c - a conversation in ChatML: chat MODEL [SYSTEM]. Each line of stdin is a message; the answer comes as it is made.
//
// What the user writes is a segment of its own that may not name special tokens: "<|im_start|>" in a message is text, and
// begins no turn. The whole conversation is kept in the session; only what is new is computed.
#include <stdio.h>
#include <string.h>
#include <treadle.h>

#define MARKER(text) {(text), sizeof(text) - 1, true}
#define PLAIN(text) {(text), sizeof(text) - 1, false}

enum { LINE_MAX_SIZE = 8192, IDS_MAX = 2 * LINE_MAX_SIZE };

// Adds segments to the session's timeline.
static tdl_status push(tdl_session *session, const tdl_tokenizer *tokenizer, const tdl_segment *segments, size_t n,
                       tdl_error *err) {
    static int32_t ids[IDS_MAX];
    size_t n_ids;
    const tdl_encode_desc desc = {.size = sizeof desc, .bos = TDL_BOS_NEVER};
    tdl_status status = tdl_tokenizer_encode_segments(tokenizer, segments, n, &desc, ids, IDS_MAX, &n_ids, err);
    return status == TDL_OK ? tdl_session_push(session, ids, n_ids, err) : status;
}

// Prints the answer. DONE, or an error.
static tdl_status answer(tdl_session *session, tdl_error *err) {
    tdl_status status;
    do {
        int32_t token;
        status = tdl_session_next(session, &token, err);
        tdl_text text = tdl_session_take_text(session);
        fwrite(text.ptr, 1, text.size, stdout);
        fflush(stdout); // the reader sees each word when it is there
    } while (status == TDL_OK || status == TDL_PENDING);
    printf("\n");
    if (status == TDL_DONE && tdl_session_finish(session) == TDL_FINISH_LENGTH)
        fprintf(stderr, "chat: the answer was cut: it is as long as answers may be\n");
    return status;
}

static tdl_status talk(tdl_session *session, const tdl_tokenizer *tokenizer, const char *system, tdl_error *err) {
    char line[LINE_MAX_SIZE];
    const tdl_segment first[] = {
        MARKER("<|im_start|>"), PLAIN("system\n"), {system, strlen(system), false}, MARKER("<|im_end|>"), PLAIN("\n")};
    tdl_status status = push(session, tokenizer, first, 5, err);
    while (status >= 0 && fgets(line, sizeof line, stdin)) {
        size_t size = strcspn(line, "\n");
        const tdl_segment turn[] = {MARKER("<|im_start|>"), PLAIN("user\n"), {line, size, false},
                                    MARKER("<|im_end|>"),   PLAIN("\n"),     MARKER("<|im_start|>"),
                                    PLAIN("assistant\n")};
        status = push(session, tokenizer, turn, 7, err);
        if (status == TDL_OK) status = answer(session, err);
        // An answer ends with a marker of its own, unless it was cut or reached a stop string.
        const tdl_segment end[] = {MARKER("<|im_end|>"), PLAIN("\n")};
        bool ended = status == TDL_DONE && tdl_session_finish(session) == TDL_FINISH_END;
        if (status == TDL_DONE) status = push(session, tokenizer, end + ended, ended ? 1 : 2, err);
    }
    return status;
}

int main(int argc, char **argv) {
    const char *const stops[] = {"<|im_end|>"}; // for models whose vocabulary has no such token
    tdl_error err = {0};
    tdl_model *model = NULL;
    tdl_session *session = NULL;
    tdl_model_desc model_desc = {.size = sizeof model_desc, .path = argc > 1 ? argv[1] : "model.gguf"};
    tdl_session_desc session_desc = {.size = sizeof session_desc,
                                     .n_ctx = 4096,
                                     .n_predict = 256,
                                     .sampler = {.temperature = 0.7f, .top_p = 0.9f, .seed = 1},
                                     .stops = stops,
                                     .n_stops = 1};

    tdl_status status = tdl_model_open(&model_desc, &model, &err);
    const tdl_tokenizer *tokenizer = status == TDL_OK ? tdl_model_tokenizer(model) : NULL;
    if (status == TDL_OK && !tokenizer) {
        fprintf(stderr, "chat: the model has no tokenizer\n");
        status = TDL_ERROR_UNSUPPORTED;
    }
    if (status == TDL_OK) status = tdl_session_create(model, &session_desc, &session, &err);
    if (status == TDL_OK) status = talk(session, tokenizer, argc > 2 ? argv[2] : "You answer in one sentence.", &err);
    if (err.code) fprintf(stderr, "chat: %s\n", err.message);
    tdl_session_destroy(session);
    tdl_model_close(model);
    return status < 0;
}
