// SPDX-License-Identifier: MIT
// hello.c - the smallest program that lets a model speak: hello MODEL [PROMPT]
#include <stdio.h>
#include <string.h>
#include <treadle.h>

int main(int argc, char **argv) {
    const char *prompt = argc > 2 ? argv[2] : "Once upon a time";
    tdl_error err = {0};
    tdl_model *model = NULL;
    tdl_session *session = NULL;
    tdl_model_desc model_desc = {.size = sizeof model_desc, .path = argc > 1 ? argv[1] : "model.gguf"};
    tdl_session_desc session_desc = {.size = sizeof session_desc, .n_predict = 32};

    tdl_status status = tdl_model_open(&model_desc, &model, &err);
    if (status == TDL_OK) status = tdl_session_create(model, &session_desc, &session, &err);
    if (status == TDL_OK) status = tdl_session_push_text(session, prompt, strlen(prompt), NULL, &err);
    while (status >= 0 && status != TDL_DONE) {
        int32_t token;
        status = tdl_session_next(session, &token, &err);
        tdl_text text = tdl_session_take_text(session);
        fwrite(text.ptr, 1, text.size, stdout);
    }
    if (status < 0) fprintf(stderr, "hello: %s\n", err.message);
    tdl_session_destroy(session);
    tdl_model_close(model);
    return status < 0;
}
