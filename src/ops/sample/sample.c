// SPDX-License-Identifier: MIT
// sample.c - the next token of each row of logits:  picked[slot] = the id that a draw takes among the best candidates.
//
// A row of `picks` says how (sample.h): the k largest logits, equal ones by lower id; then top_p and min_p on their weights at
// temperature 1; then one draw at the temperature. That is the order of the host's sampler (run/sampler.h), and the same
// arithmetic. Where a logit is NaN or +inf, or all are -inf: TDL_SAMPLE_NOT_FINITE. `picked` is a state: a row's id stays in its
// slot until the slot is written again, and the next step's embed may take it from there.
#include "ops/sample/sample.h"

#include "ops/op_impl.h"

typedef struct candidate {
    uint32_t key;
    int32_t id;
} candidate;

static int32_t find_best(const tdl_tensor *logits, int64_t row, int32_t k, candidate *best);
static int32_t filter(const candidate *best, int32_t n, uint32_t top_p, uint32_t min_p);
static int32_t draw(const candidate *best, int32_t n, tdl_sample_scale scale, uint32_t word);

tdl_status tdl_sample_infer(tdl_call *call, tdl_error *err) {
    static const char op[] = "sample";
    const tdl_tensor *logits = &call->in[0], *picks = &call->in[1]; // [n, V], [n, TDL_SAMPLE_WORDS]
    int64_t words[2] = {logits->shape[0], TDL_SAMPLE_WORDS};
    tdl_status status = tdl_op_expect(op, "logits", logits, TDL_DTYPE_F32, 2, (int64_t[]){-1, -1}, err);
    if (status == TDL_OK) status = tdl_op_expect(op, "picks", picks, TDL_DTYPE_I32, 2, words, err);
    return status == TDL_OK ? tdl_op_expect(op, "picked", &call->out[0], TDL_DTYPE_I32, 1, (int64_t[]){-1}, err)
                            : status;
}

void tdl_sample_reference(const tdl_call *call) {
    const tdl_tensor *logits = &call->in[0], *picks = &call->in[1], *picked = &call->out[0];
    candidate best[TDL_SAMPLE_K_MAX];
    for (int64_t row = 0; row < logits->shape[0]; row++) {
        uint32_t words[TDL_SAMPLE_WORDS];
        memcpy(words, picks->data + row * picks->strides[0], sizeof words);
        if (words[TDL_SAMPLE_TOP_K] == 0) continue;
        tdl_sample_scale scale = {words[TDL_SAMPLE_MANTISSA], (int32_t)words[TDL_SAMPLE_EXPONENT]};
        int32_t n = find_best(logits, row, (int32_t)words[TDL_SAMPLE_TOP_K], best);
        int32_t id = TDL_SAMPLE_NOT_FINITE;
        if (tdl_sample_finite(best[0].key)) {
            n = filter(best, n, words[TDL_SAMPLE_TOP_P], words[TDL_SAMPLE_MIN_P]);
            id = draw(best, n, scale, words[TDL_SAMPLE_RANDOM]);
        }
        memcpy(picked->data + words[TDL_SAMPLE_SLOT] * picked->strides[0], &id, sizeof id);
    }
}

// best [k], in order; how many there are.
static int32_t find_best(const tdl_tensor *logits, int64_t row, int32_t k, candidate *best) {
    int32_t n = 0;
    for (int64_t id = 0; id < logits->shape[1]; id++) {
        uint32_t key = tdl_sample_key((float)tdl_at(logits, tdl_row(logits, row), id));
        int32_t at = n;
        while (at > 0 && key > best[at - 1].key) at--;
        if (at == k) continue;
        n += n < k;
        memmove(best + at + 1, best + at, (size_t)(n - 1 - at) * sizeof *best);
        best[at] = (candidate){key, (int32_t)id};
    }
    return n;
}

// How many of them top_p and min_p leave.
static int32_t filter(const candidate *best, int32_t n, uint32_t top_p, uint32_t min_p) {
    const tdl_sample_scale plain = tdl_sample_scale_of(1);
    uint64_t sum = 0, passed = 0;
    for (int32_t i = 0; i < n; i++) sum += tdl_sample_weight(best[0].key, best[i].key, plain);
    for (int32_t i = 0; i < n; i++) {
        uint32_t weight = tdl_sample_weight(best[0].key, best[i].key, plain);
        if (weight < min_p || (top_p && i > 0 && passed >= tdl_sample_share(sum, top_p))) return i;
        passed += weight;
    }
    return n;
}

static int32_t draw(const candidate *best, int32_t n, tdl_sample_scale scale, uint32_t word) {
    uint64_t sum = 0, passed = 0;
    for (int32_t i = 0; i < n; i++) sum += tdl_sample_weight(best[0].key, best[i].key, scale);
    for (int32_t i = 0; i < n; i++) {
        passed += tdl_sample_weight(best[0].key, best[i].key, scale);
        if (passed > tdl_sample_share(sum, word)) return best[i].id;
    }
    return 0;
}
