// SPDX-License-Identifier: MIT
// test_plan_print.c - the plan of every architecture row as a golden file: test/data/plans/<name>.txt.
//
// The prints are the readable view of an architecture: a change of the graph, a fusion or a kernel's choice shows as a diff.
// They are made on the "plain" instruction set, so that they do not depend on the machine. After a wanted change:
//
//     TDL_UPDATE=1 build/test_plan_print      and read the diff
#include "support/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct {
    const char *name, *path;
    tdl_precision precision;
} plans[] = {
    {"gpt2", TDL_TEST_DATA "/hf-tiny/gpt2", TDL_PRECISION_AUTO},
    {"llama", TDL_TEST_DATA "/hf-tiny/llama", TDL_PRECISION_AUTO},
    {"llama-yarn", TDL_TEST_DATA "/hf-tiny/llama-yarn", TDL_PRECISION_AUTO},
    {"mistral", TDL_TEST_DATA "/hf-tiny/mistral", TDL_PRECISION_AUTO},
    {"qwen2", TDL_TEST_DATA "/hf-tiny/qwen2", TDL_PRECISION_AUTO},
    {"qwen3", TDL_TEST_DATA "/hf-tiny/qwen3", TDL_PRECISION_AUTO},
    {"mixtral", TDL_TEST_DATA "/hf-tiny/mixtral", TDL_PRECISION_AUTO},
    {"qwen3_moe", TDL_TEST_DATA "/hf-tiny/qwen3_moe", TDL_PRECISION_AUTO},
    {"novelist-q8_0", TDL_REPO "/models/novelist-7m-q8_0.gguf", TDL_PRECISION_AUTO},
    {"novelist-q8_0-f32", TDL_REPO "/models/novelist-7m-q8_0.gguf", TDL_PRECISION_F32},
};

static void prints_are_golden(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        tdl_device *device;
        tdl_error err = {0};
        char *text = NULL, path[4096], expected[1 << 16] = "";
        tdl_model *model = golden_open(plans[i].path, plans[i].precision, 1, "plain", &device);
        if (tdl_model_plan_text(model, NULL, &text, &err) != TDL_OK) fail_msg("%s", err.message);
        snprintf(path, sizeof path, "%s/plans/%s.txt", TDL_TEST_DATA, plans[i].name);
        if (getenv("TDL_UPDATE")) {
            FILE *out = fopen(path, "w");
            assert_non_null(out);
            fputs(text, out);
            fclose(out);
        }
        FILE *in = fopen(path, "r");
        if (!in) fail_msg("%s is missing", path);
        expected[fread(expected, 1, sizeof expected - 1, in)] = 0;
        fclose(in);
        if (strcmp(text, expected) != 0) {
            size_t at = 0;
            while (text[at] == expected[at]) at++;
            while (at > 0 && text[at - 1] != '\n') at--;
            fail_msg("%s differs:\n  now      %.*s\n  expected %.*s", plans[i].name, (int)strcspn(text + at, "\n"),
                     text + at, (int)strcspn(expected + at, "\n"), expected + at);
        }
        tdl_text_free(model, text);
        tdl_model_close(model);
        tdl_device_close(device);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(prints_are_golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
