// SPDX-License-Identifier: MIT
// test_golden_stories.c - stories260K (F32, a SentencePiece vocabulary) writes llama2.c's greedy text, byte for byte.
//
// The text is the output of llama2.c's run.c at temperature 0 from an empty prompt, so after the beginning-of-sequence
// token, 256 tokens long; a newline ends the file. Both precisions: F32 weights are exact in each.
#include "support/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void greedy_text(void **state) {
    (void)state;
    const char *path = golden_shared("models/stories260K.greedy256.txt");
    if (!path) skip();
    char expected[4096] = "", text[4096];
    FILE *f = fopen(path, "r");
    size_t size = fread(expected, 1, sizeof expected - 1, f);
    fclose(f);
    if (size && expected[size - 1] == '\n') size--;
    path = golden_shared("models/stories260K-f32.gguf");
    if (!path) skip();
    for (int precision = TDL_PRECISION_AUTO; precision <= TDL_PRECISION_F32; precision++) {
        tdl_device *device;
        tdl_session *session = NULL;
        tdl_error err = {0};
        tdl_model *model = golden_open(path, (tdl_precision)precision, 2, NULL, &device);
        tdl_session_desc desc = {.size = sizeof desc, .n_predict = 256, .ignore_eos = true};
        assert_int_equal(tdl_session_create(model, &desc, &session, &err), TDL_OK);
        const int32_t bos = tdl_tokenizer_bos(tdl_model_tokenizer(model));
        assert_int_equal(tdl_session_push(session, &bos, 1, &err), TDL_OK);
        size_t n = 0;
        tdl_status status;
        do {
            int32_t token;
            status = tdl_session_next(session, &token, &err);
            tdl_text piece = tdl_session_take_text(session);
            assert_true(status >= 0 && n + piece.size < sizeof text);
            memcpy(text + n, piece.ptr, piece.size);
            n += piece.size;
        } while (status != TDL_DONE);
        assert_int_equal(n, size);
        assert_memory_equal(text, expected, size);
        tdl_session_destroy(session);
        tdl_model_close(model);
        tdl_device_close(device);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(greedy_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
