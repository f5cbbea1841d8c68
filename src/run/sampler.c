// sampler.c - penalties, filters and the draw.
//
// The filters work on a list of candidates that is as short as the description allows: with top_k, k of them, kept in a
// heap whose root is the worst while the logits are scanned once; without, all. Only top_p needs an order beyond that,
// and only among tokens that can be part of its set: those with less than (1 - top_p) / n of the probability lie
// outside, since all of them together have less than 1 - top_p. Sorting is a heapsort: in place, no recursion, no
// allocation, and no bad case for hostile logits.
//
// The draw walks the candidates in the order the filters left them: by falling logit after top_k or top_p, else by id.
#include "run/sampler.h"

#include "base/alloc.h"
#include "base/error.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { PENALTY_LAST_N = 64 }; // default window of the penalties

typedef struct candidate {
    float logit;
    int32_t id;
} candidate;

struct tdl_sampler {
    const tdl_allocator *mem;
    tdl_sampler_desc desc; // zeros replaced by what they stand for
    int32_t n_vocab;
    bool has_penalties;
    tdl_rng rng;
    candidate *candidates; // [n_candidates_max]; NULL: greedy
    int32_t n_candidates_max;
    float *adjusted; // [n_vocab], logits after the penalties; NULL: no penalties
    int32_t *counts; // [n_vocab], zero between calls; NULL: no penalties
};

static tdl_status desc_check(const tdl_sampler_desc *desc, tdl_error *err);
static void desc_fill(tdl_sampler_desc *desc);
static const float *penalize(tdl_sampler *sampler, const float *logits, const int32_t *history, size_t n_history);
static int32_t take_largest(const float *logits, int32_t n_vocab);
static int32_t collect_all(const float *logits, int32_t n_vocab, candidate *candidates);
static int32_t collect_top_k(const float *logits, int32_t n_vocab, candidate *candidates, int32_t k);
static int32_t keep_top_p(candidate *candidates, int32_t n, bool sorted, float top_p);
static int32_t keep_min_p(candidate *candidates, int32_t n, float min_p);
static int32_t keep_above(candidate *candidates, int32_t n, float floor);
static int32_t draw(const candidate *candidates, int32_t n, float temperature, double uniform);
static float largest(const candidate *candidates, int32_t n);
static double weight(float logit, float max, float temperature);
static bool is_worse(candidate a, candidate b);
static void sift_down(candidate *heap, int32_t n, int32_t i);
static void heapify(candidate *heap, int32_t n);
static void sort_falling(candidate *heap, int32_t n);

tdl_status tdl_sampler_create(const tdl_allocator *mem, const tdl_sampler_desc *desc, int32_t n_vocab,
                              tdl_sampler **out, tdl_error *err) {
    assert(n_vocab > 0);
    tdl_status status = desc_check(desc, err);
    if (status) return status;
    tdl_sampler *sampler = tdl_alloc(mem, 1, sizeof *sampler);
    if (!sampler) goto fail;
    sampler->mem = mem;
    sampler->desc = *desc;
    desc_fill(&sampler->desc);
    sampler->n_vocab = n_vocab;
    sampler->rng = tdl_rng_make(desc->seed, 0);
    const tdl_sampler_desc *d = &sampler->desc;
    sampler->has_penalties =
        d->repetition_penalty != 1.0f || d->presence_penalty != 0.0f || d->frequency_penalty != 0.0f;
    if (sampler->has_penalties) {
        sampler->adjusted = tdl_alloc(mem, (size_t)n_vocab, sizeof(float));
        sampler->counts = tdl_alloc(mem, (size_t)n_vocab, sizeof(int32_t));
        if (!sampler->adjusted || !sampler->counts) goto fail;
    }
    if (d->temperature > 0.0f) {
        sampler->n_candidates_max = d->top_k > 0 && d->top_k < n_vocab ? d->top_k : n_vocab;
        sampler->candidates = tdl_alloc(mem, (size_t)sampler->n_candidates_max, sizeof(candidate));
        if (!sampler->candidates) goto fail;
    }
    *out = sampler;
    return TDL_OK;

fail:
    tdl_sampler_destroy(sampler);
    return tdl_fail(err, TDL_ERROR_MEMORY, "sampler: no memory for a vocabulary of %d tokens", n_vocab);
}

void tdl_sampler_destroy(tdl_sampler *sampler) {
    if (!sampler) return;
    tdl_free(sampler->mem, sampler->counts);
    tdl_free(sampler->mem, sampler->adjusted);
    tdl_free(sampler->mem, sampler->candidates);
    tdl_free(sampler->mem, sampler);
}

int32_t tdl_sampler_sample(tdl_sampler *sampler, const float *logits, const int32_t *history, size_t n_history) {
    const tdl_sampler_desc *desc = &sampler->desc;
    if (sampler->has_penalties) logits = penalize(sampler, logits, history, n_history);
    if (desc->temperature == 0.0f) return take_largest(logits, sampler->n_vocab);

    double uniform = tdl_rng_uniform(&sampler->rng);
    candidate *candidates = sampler->candidates;
    bool has_top_k = sampler->n_candidates_max < sampler->n_vocab;
    int32_t n = has_top_k ? collect_top_k(logits, sampler->n_vocab, candidates, sampler->n_candidates_max)
                          : collect_all(logits, sampler->n_vocab, candidates);
    if (n == 0) return 0;
    if (desc->top_p < 1.0f) n = keep_top_p(candidates, n, has_top_k, desc->top_p);
    if (desc->min_p > 0.0f) n = keep_min_p(candidates, n, desc->min_p);
    return draw(candidates, n, desc->temperature, uniform);
}

tdl_rng tdl_sampler_rng(const tdl_sampler *sampler) { return sampler->rng; }

void tdl_sampler_set_rng(tdl_sampler *sampler, tdl_rng rng) { sampler->rng = rng; }

// The negated comparisons refuse NaN too.
static tdl_status desc_check(const tdl_sampler_desc *desc, tdl_error *err) {
    if (!(desc->temperature >= 0.0f && isfinite(desc->temperature)))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "sampler: temperature %g, finite and at least 0 expected",
                        (double)desc->temperature);
    if (desc->top_k < 0)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "sampler: top_k %d, at least 0 expected", desc->top_k);
    if (!(desc->top_p >= 0.0f && desc->top_p <= 1.0f))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "sampler: top_p %g, 0 to 1 expected", (double)desc->top_p);
    if (!(desc->min_p >= 0.0f && desc->min_p < 1.0f))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "sampler: min_p %g, at least 0 and below 1 expected",
                        (double)desc->min_p);
    if (!(desc->repetition_penalty >= 0.0f && isfinite(desc->repetition_penalty)))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "sampler: repetition_penalty %g, finite and above 0 expected",
                        (double)desc->repetition_penalty);
    if (!isfinite(desc->presence_penalty))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "sampler: presence_penalty %g, finite expected",
                        (double)desc->presence_penalty);
    if (!isfinite(desc->frequency_penalty))
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "sampler: frequency_penalty %g, finite expected",
                        (double)desc->frequency_penalty);
    if (desc->penalty_last_n < -1)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "sampler: penalty_last_n %d, at least -1 expected",
                        desc->penalty_last_n);
    return TDL_OK;
}

static void desc_fill(tdl_sampler_desc *desc) {
    if (desc->top_p == 0.0f) desc->top_p = 1.0f;
    if (desc->repetition_penalty == 0.0f) desc->repetition_penalty = 1.0f;
    if (desc->penalty_last_n == 0) desc->penalty_last_n = PENALTY_LAST_N;
}

// Copies the logits and lowers those of recent tokens. The first visit to a token's count applies its penalties and
// clears the count, so later visits find nothing left to do and the array is clean for the next call.
// Repetition: Keskar et al., "CTRL", 2019, with negative logits multiplied, as is customary since.
static const float *penalize(tdl_sampler *sampler, const float *logits, const int32_t *history, size_t n_history) {
    const tdl_sampler_desc *desc = &sampler->desc;
    memcpy(sampler->adjusted, logits, (size_t)sampler->n_vocab * sizeof *logits);
    size_t n = desc->penalty_last_n >= 0 && (size_t)desc->penalty_last_n < n_history ? (size_t)desc->penalty_last_n
                                                                                     : n_history;
    const int32_t *recent = n ? history + (n_history - n) : NULL; // without history there may be no array
    for (size_t i = 0; i < n; i++) {
        assert(recent[i] >= 0 && recent[i] < sampler->n_vocab);
        sampler->counts[recent[i]]++;
    }
    for (size_t i = 0; i < n; i++) {
        int32_t *count = &sampler->counts[recent[i]];
        if (*count == 0) continue;
        float *logit = &sampler->adjusted[recent[i]];
        *logit = *logit > 0.0f ? *logit / desc->repetition_penalty : *logit * desc->repetition_penalty;
        *logit -= (float)*count * desc->frequency_penalty + desc->presence_penalty;
        *count = 0;
    }
    return sampler->adjusted;
}

static int32_t take_largest(const float *logits, int32_t n_vocab) {
    int32_t best = -1;
    for (int32_t id = 0; id < n_vocab; id++)
        if (!isnan(logits[id]) && (best < 0 || logits[id] > logits[best])) best = id;
    return best < 0 ? 0 : best;
}

static int32_t collect_all(const float *logits, int32_t n_vocab, candidate *candidates) {
    int32_t n = 0;
    for (int32_t id = 0; id < n_vocab; id++)
        if (!isnan(logits[id])) candidates[n++] = (candidate){logits[id], id};
    return n;
}

// The k best by falling logit. Ids rise during the scan, so an equal logit never displaces one already held.
static int32_t collect_top_k(const float *logits, int32_t n_vocab, candidate *candidates, int32_t k) {
    int32_t n = 0;
    int32_t id = 0;
    for (; id < n_vocab && n < k; id++)
        if (!isnan(logits[id])) candidates[n++] = (candidate){logits[id], id};
    heapify(candidates, n);
    for (; id < n_vocab; id++) {
        if (!(logits[id] > candidates[0].logit)) continue; // false for NaN
        candidates[0] = (candidate){logits[id], id};
        sift_down(candidates, n, 0);
    }
    sort_falling(candidates, n);
    return n;
}

// Keeps the smallest set, most probable first, that holds at least top_p of the probability (Holtzman et al., 2019).
static int32_t keep_top_p(candidate *candidates, int32_t n, bool sorted, float top_p) {
    float max = largest(candidates, n);
    double sum = 0.0;
    for (int32_t i = 0; i < n; i++) sum += weight(candidates[i].logit, max, 1.0f);
    if (!sorted) {
        if (isfinite(max)) n = keep_above(candidates, n, max + (float)log((1.0 - (double)top_p) * sum / n));
        heapify(candidates, n);
        sort_falling(candidates, n);
    }
    double wanted = (double)top_p * sum;
    double held = 0.0;
    for (int32_t i = 0; i < n; i++) {
        held += weight(candidates[i].logit, max, 1.0f);
        if (held >= wanted) return i + 1;
    }
    return n;
}

// p >= min_p * p_max is logit >= max + log(min_p), whatever the sum.
static int32_t keep_min_p(candidate *candidates, int32_t n, float min_p) {
    float max = largest(candidates, n);
    return isfinite(max) ? keep_above(candidates, n, max + logf(min_p)) : n;
}

static int32_t keep_above(candidate *candidates, int32_t n, float floor) {
    int32_t n_kept = 0;
    for (int32_t i = 0; i < n; i++)
        if (candidates[i].logit >= floor) candidates[n_kept++] = candidates[i];
    return n_kept;
}

// Inverts the cumulative distribution at `uniform`, in [0, 1).
static int32_t draw(const candidate *candidates, int32_t n, float temperature, double uniform) {
    float max = largest(candidates, n);
    double sum = 0.0;
    for (int32_t i = 0; i < n; i++) sum += weight(candidates[i].logit, max, temperature);
    double target = uniform * sum;
    double passed = 0.0;
    int32_t last = 0;
    for (int32_t i = 0; i < n; i++) {
        double w = weight(candidates[i].logit, max, temperature);
        if (w == 0.0) continue;
        last = candidates[i].id;
        passed += w;
        if (target < passed) break;
    }
    return last;
}

static float largest(const candidate *candidates, int32_t n) {
    float max = candidates[0].logit;
    for (int32_t i = 1; i < n; i++)
        if (candidates[i].logit > max) max = candidates[i].logit;
    return max;
}

// exp((logit - max) / temperature). Equal logits count 1 even where both are infinite and their difference is NaN.
static double weight(float logit, float max, float temperature) {
    return logit == max ? 1.0 : (double)expf((logit - max) / temperature);
}

static bool is_worse(candidate a, candidate b) { return a.logit < b.logit || (a.logit == b.logit && a.id > b.id); }

// Restores the heap (the root is the worst) below i.
static void sift_down(candidate *heap, int32_t n, int32_t i) {
    candidate moved = heap[i];
    for (int32_t child; i < n / 2; i = child) {
        child = 2 * i + 1;
        if (child + 1 < n && is_worse(heap[child + 1], heap[child])) child++;
        if (!is_worse(heap[child], moved)) break;
        heap[i] = heap[child];
    }
    heap[i] = moved;
}

static void heapify(candidate *heap, int32_t n) {
    for (int32_t i = n / 2; i-- > 0;) sift_down(heap, n, i);
}

// Takes the worst from the heap's root to its end until none is left: what remains falls from the best.
static void sort_falling(candidate *heap, int32_t n) {
    for (int32_t end = n - 1; end > 0; end--) {
        candidate worst = heap[0];
        heap[0] = heap[end];
        heap[end] = worst;
        sift_down(heap, end, 0);
    }
}
