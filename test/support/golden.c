// SPDX-License-Identifier: MIT
// golden.c - see golden.h.
#include "golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

json_t *golden_json(const char *path) {
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    if (!root) fail_msg("%s: %s", path, error.text);
    return root;
}

float *golden_floats(const json_t *base64, size_t *n) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *text = json_string_value(base64);
    assert_non_null(text);
    size_t size = strlen(text) / 4 * 3, at = 0;
    uint8_t *bytes = malloc(size + 4);
    for (size_t i = 0; text[i] && text[i] != '='; i += 4) {
        uint32_t bits = 0;
        for (int j = 0; j < 4; j++) {
            const char *c = text[i + j] == '=' ? alphabet : strchr(alphabet, text[i + j]);
            assert_non_null(c);
            bits = bits << 6 | (uint32_t)(c - alphabet);
        }
        for (int j = 0; j < 3; j++) bytes[at++] = (uint8_t)(bits >> (16 - 8 * j));
    }
    if (strchr(text, '=')) at -= strlen(strchr(text, '='));
    *n = at / sizeof(float);
    return (float *)(void *)bytes;
}

int32_t *golden_ids(const json_t *array, size_t *n) {
    *n = json_array_size(array);
    int32_t *ids = malloc((*n + 1) * sizeof *ids);
    for (size_t i = 0; i < *n; i++) ids[i] = (int32_t)json_integer_value(json_array_get(array, i));
    return ids;
}

const char *golden_shared(const char *name) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", TDL_SHARED_DATA, name);
    if (access(path, R_OK) == 0) return path;
    print_message("skipped: %s is not here\n", name);
    return NULL;
}

tdl_model *golden_open(const char *path, tdl_precision precision, int32_t n_threads, const char *isa_max,
                       tdl_device **device) {
    tdl_error err = {0};
    tdl_model *model = NULL;
    tdl_device_desc cpu = {.size = sizeof cpu, .n_threads = n_threads, .isa_max = isa_max};
    if (tdl_device_open(&cpu, device, &err) != TDL_OK) fail_msg("%s", err.message);
    tdl_model_desc desc = {.size = sizeof desc, .path = path, .device = *device, .precision = precision};
    if (tdl_model_open(&desc, &model, &err) != TDL_OK) fail_msg("%s", err.message);
    return model;
}

static tdl_session *fresh_session(tdl_model *model, int32_t n_ctx) {
    tdl_error err = {0};
    tdl_session *session = NULL;
    tdl_session_desc desc = {.size = sizeof desc, .n_ctx = n_ctx, .ignore_eos = true};
    if (tdl_session_create(model, &desc, &session, &err) != TDL_OK) fail_msg("%s", err.message);
    return session;
}

static int32_t n_vocab_of(const tdl_model *model) {
    tdl_model_info info = {.size = sizeof info};
    tdl_model_get_info(model, &info);
    return info.n_vocab;
}

float *golden_logits(tdl_model *model, const int32_t *ids, size_t n_ids) {
    tdl_error err = {0};
    float *logits = calloc(n_ids * (size_t)n_vocab_of(model), sizeof *logits);
    tdl_session *session = fresh_session(model, (int32_t)n_ids);
    if (tdl_session_eval(session, ids, n_ids, logits, &err) != TDL_OK) fail_msg("%s", err.message);
    tdl_session_destroy(session);
    return logits;
}

void golden_greedy(tdl_model *model, const int32_t *ids, size_t n_ids, int32_t *out, size_t n) {
    tdl_error err = {0};
    tdl_session *session = fresh_session(model, (int32_t)(n_ids + n));
    tdl_status status = tdl_session_push(session, ids, n_ids, &err);
    for (size_t i = 0; i < n && status >= 0;) {
        status = tdl_session_next(session, &out[i], &err);
        if (status == TDL_OK) i++;
    }
    if (status < 0) fail_msg("%s", err.message);
    tdl_session_destroy(session);
}

double golden_error(const float *a, const float *b, size_t n) {
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        double error = fabs((double)a[i] - (double)b[i]) / fmax(1, fabs((double)b[i]));
        if (!(error <= worst)) worst = error; // NaN sticks
    }
    return worst;
}

// log softmax of a row: value - log_sum(row).
static double log_sum(const float *row, size_t n) {
    double max = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++) max = fmax(max, (double)row[i]);
    for (size_t i = 0; i < n; i++) sum += exp((double)row[i] - max);
    return max + log(sum);
}

double golden_kl(const float *a, const float *b, size_t n_rows, size_t n_vocab) {
    double worst = 0;
    for (size_t r = 0; r < n_rows; r++, a += n_vocab, b += n_vocab) {
        double sum_a = log_sum(a, n_vocab), sum_b = log_sum(b, n_vocab), kl = 0;
        for (size_t i = 0; i < n_vocab; i++) {
            double p = (double)b[i] - sum_b, q = (double)a[i] - sum_a;
            kl += exp(p) * (p - q);
        }
        if (!(kl <= worst)) worst = kl;
    }
    return worst;
}

double golden_nll(const float *logits, const int32_t *ids, size_t n, size_t n_vocab) {
    double sum = 0;
    for (size_t i = 0; i + 1 < n; i++, logits += n_vocab) sum += log_sum(logits, n_vocab) - (double)logits[ids[i + 1]];
    return sum / (double)(n - 1);
}
