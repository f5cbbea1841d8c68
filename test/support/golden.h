// SPDX-License-Identifier: MIT
// golden.h - what the tests against independent implementations share: vectors from JSON, models, comparisons.
#ifndef TDL_TEST_GOLDEN_H
#define TDL_TEST_GOLDEN_H

#include "treadle.h"

#include <jansson.h>

// Both fail the test on an error. The array is malloc'd; *n gets its length.
json_t *golden_json(const char *path);
float *golden_floats(const json_t *base64, size_t *n); // base64 of little-endian float32
int32_t *golden_ids(const json_t *array, size_t *n);

// "<TDL_SHARED_DATA>/<name>" where it exists, else NULL after saying that the test is skipped. Static text.
const char *golden_shared(const char *name);

tdl_model *golden_open(const char *path, tdl_precision precision, int32_t n_threads, const char *isa_max,
                       tdl_device **device);

// logits [n_ids, n_vocab] of a fresh session; malloc'd.
float *golden_logits(tdl_model *model, const int32_t *ids, size_t n_ids);
// n greedy ids after the prompt.
void golden_greedy(tdl_model *model, const int32_t *ids, size_t n_ids, int32_t *out, size_t n);

// The largest |a - b| / max(1, |b|).
double golden_error(const float *a, const float *b, size_t n);
// The largest KL(softmax(b) || softmax(a)) over rows.
double golden_kl(const float *a, const float *b, size_t n_rows, size_t n_vocab);
// Mean negative log likelihood of ids[i + 1] under row i of logits [n, n_vocab], i < n - 1.
double golden_nll(const float *logits, const int32_t *ids, size_t n, size_t n_vocab);

#endif
