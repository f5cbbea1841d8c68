// SPDX-License-Identifier: MIT
// sampler.c - penalties, filters and the draw.
//
// The filters work on a list of candidates that is as short as the description allows: with top_k, k of them, kept in a
// heap whose root is the worst while the logits are scanned once; without, all. Only top_p needs an order beyond that,
// and only among tokens that can be part of its set: those with less than (1 - top_p) / n of the probability lie
// outside, since all of them together have less than 1 - top_p. Sorting is a heapsort: in place, no recursion, no
// allocation, and no bad case for hostile logits.
//
// The draw walks the candidates in the order the filters left them: by falling logit after top_k or top_p, else by id. Weights
// and sums are integers (ops/sample/sample.h), so that a GPU that draws by itself draws the same.
#include "run/sampler.h"

#include "base/alloc.h"
#include "base/desc.h"
#include "base/error.h"
#include "ops/sample/sample.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

enum { PENALTY_LAST_N = 64 }; // default window of the penalties

typedef struct candidate {
    float logit;
    int32_t id;
    uint32_t weight; // see weigh
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

static tdl_status desc_read(const tdl_sampler_desc *from, tdl_sampler_desc *desc, tdl_error *err);
static tdl_status desc_check(const tdl_sampler_desc *desc, tdl_error *err);
static tdl_status take_zero(const char *name, float *field, float standard, tdl_error *err);
static const float *penalize(tdl_sampler *sampler, const float *logits, const int32_t *history, size_t n_history);
static int32_t take_largest(const float *logits, float max);
static int32_t collect_all(const float *logits, int32_t n_vocab, candidate *candidates);
static int32_t collect_top_k(const float *logits, int32_t n_vocab, candidate *candidates, int32_t k);
static int32_t keep_top_p(candidate *candidates, int32_t n, bool sorted, float top_p);
static int32_t keep_min_p(candidate *candidates, int32_t n, float min_p);
static int32_t keep_above(candidate *candidates, int32_t n, float floor);
static int32_t draw(candidate *candidates, int32_t n, float temperature, uint32_t random);
static uint32_t random_word(tdl_rng *rng);
static float largest(const candidate *candidates, int32_t n);
static uint64_t weigh(candidate *candidates, int32_t n, float temperature);
static uint32_t top_p_share(float top_p);
static uint32_t min_p_weight(float min_p);
static bool is_worse(candidate a, candidate b);
static void sift_down(candidate *heap, int32_t n, int32_t i);
static void heapify(candidate *heap, int32_t n);
static void sort_falling(candidate *heap, int32_t n);

tdl_status tdl_sampler_create(const tdl_allocator *mem, const tdl_sampler_desc *desc, int32_t n_vocab,
                              tdl_sampler **out, tdl_error *err) {
    assert(n_vocab > 0);
    tdl_sampler_desc full;
    tdl_status status = desc_read(desc, &full, err);
    if (status) return status;
    tdl_sampler *sampler = tdl_alloc(mem, 1, sizeof *sampler);
    if (!sampler) goto fail;
    sampler->mem = mem;
    sampler->desc = full;
    sampler->n_vocab = n_vocab;
    sampler->rng = tdl_rng_make(full.seed, 0);
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
    bool has_top_k = desc->temperature > 0.0f && sampler->n_candidates_max < sampler->n_vocab;
    float max = 0.0f;
    if (!has_top_k || sampler->has_penalties) { // else the scan for the k largest sees to it
        if (!tdl_logits_finite(logits, sampler->n_vocab, &max)) return TDL_SAMPLE_NOT_FINITE;
    }
    if (sampler->has_penalties) logits = penalize(sampler, logits, history, n_history);
    if (desc->temperature == 0.0f) {
        if (sampler->has_penalties) tdl_logits_finite(logits, sampler->n_vocab, &max);
        return take_largest(logits, max);
    }
    candidate *candidates = sampler->candidates;
    int32_t n = has_top_k ? collect_top_k(logits, sampler->n_vocab, candidates, sampler->n_candidates_max)
                          : collect_all(logits, sampler->n_vocab, candidates);
    if (n == 0) return TDL_SAMPLE_NOT_FINITE;
    uint32_t random = random_word(&sampler->rng);
    if (desc->top_p < 1.0f) n = keep_top_p(candidates, n, has_top_k, desc->top_p);
    if (desc->min_p > 0.0f) n = keep_min_p(candidates, n, desc->min_p);
    return draw(candidates, n, desc->temperature, random);
}

bool tdl_sampler_fits_device(const tdl_sampler *sampler) {
    int32_t k = sampler->n_candidates_max;
    return !sampler->has_penalties && (k == 0 || (k < sampler->n_vocab && k <= TDL_SAMPLE_K_MAX));
}

void tdl_sampler_settings(const tdl_sampler *sampler, int32_t n_ahead, uint32_t words[TDL_SAMPLE_WORDS]) {
    const tdl_sampler_desc *desc = &sampler->desc;
    memset(words, 0, TDL_SAMPLE_WORDS * sizeof *words);
    words[TDL_SAMPLE_TOP_K] = 1;
    if (desc->temperature == 0.0f) return;
    tdl_rng rng = sampler->rng;
    for (int32_t i = 0; i <= n_ahead; i++) words[TDL_SAMPLE_RANDOM] = random_word(&rng);
    tdl_sample_scale scale = tdl_sample_scale_of(desc->temperature);
    words[TDL_SAMPLE_TOP_K] = (uint32_t)sampler->n_candidates_max;
    words[TDL_SAMPLE_MANTISSA] = scale.mantissa;
    words[TDL_SAMPLE_EXPONENT] = (uint32_t)scale.exponent;
    words[TDL_SAMPLE_TOP_P] = desc->top_p < 1.0f ? top_p_share(desc->top_p) : 0;
    words[TDL_SAMPLE_MIN_P] = min_p_weight(desc->min_p);
}

void tdl_sampler_skip(tdl_sampler *sampler) {
    if (sampler->desc.temperature > 0.0f) random_word(&sampler->rng);
}

tdl_rng tdl_sampler_rng(const tdl_sampler *sampler) { return sampler->rng; }

void tdl_sampler_set_rng(tdl_sampler *sampler, tdl_rng rng) { sampler->rng = rng; }

// What the caller's fields stand for, checked.
static tdl_status desc_read(const tdl_sampler_desc *from, tdl_sampler_desc *desc, tdl_error *err) {
    tdl_sampler_desc sized = *from;
    if (sized.size == 0) sized.size = sizeof sized;
    if (sized.size > sizeof sized) // it may lie within another struct: there is nothing of it behind its end
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "sampler: desc size is %zu, expected 0 or %zu", sized.size,
                        sizeof sized);
    tdl_status status = tdl_desc_copy("sampler", &sized, desc, sizeof *desc, err);
    for (size_t i = 0; status == TDL_OK && i < sizeof desc->reserved / sizeof desc->reserved[0]; i++)
        if (desc->reserved[i])
            status = tdl_fail(err, TDL_ERROR_ARGUMENT,
                              "sampler: reserved word %zu is not zero: the program sets a field of a later version", i);
    if (status == TDL_OK) status = take_zero("temperature", &desc->temperature, 0.0f, err);
    if (status == TDL_OK) status = take_zero("top_p", &desc->top_p, 1.0f, err);
    if (status == TDL_OK) status = take_zero("min_p", &desc->min_p, 0.0f, err);
    if (status == TDL_OK && desc->repetition_penalty == TDL_ZERO)
        status = tdl_fail(err, TDL_ERROR_ARGUMENT, "sampler: repetition_penalty is TDL_ZERO: logits are divided by it");
    if (desc->repetition_penalty == 0.0f) desc->repetition_penalty = 1.0f;
    if (desc->penalty_last_n == 0) desc->penalty_last_n = PENALTY_LAST_N;
    return status == TDL_OK ? desc_check(desc, err) : status;
}

// A field of at least 0 whose zero stands for `standard`.
static tdl_status take_zero(const char *name, float *field, float standard, tdl_error *err) {
    if (*field == 0.0f) *field = standard;
    else if (*field == TDL_ZERO) *field = 0.0f;
    if (*field >= 0.0f && isfinite(*field)) return TDL_OK;
    return tdl_fail(err, TDL_ERROR_ARGUMENT, "sampler: %s %g, finite and at least 0 expected, or TDL_ZERO", name,
                    (double)*field);
}

static tdl_status desc_check(const tdl_sampler_desc *desc, tdl_error *err) {
    if (desc->top_k < 0)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "sampler: top_k %d, at least 0 expected", desc->top_k);
    if (desc->top_p > 1.0f)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "sampler: top_p %g, 0 to 1 expected", (double)desc->top_p);
    if (desc->min_p >= 1.0f)
        return tdl_fail(err, TDL_ERROR_ARGUMENT, "sampler: min_p %g, at least 0 and below 1 expected",
                        (double)desc->min_p);
    if (!(desc->repetition_penalty > 0.0f && isfinite(desc->repetition_penalty))) // NaN too
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
        float *logit = &sampler->adjusted[recent[i]];
        if (*logit == -INFINITY) *count = 0; // it cannot come
        if (*count == 0) continue;
        *logit = *logit > 0.0f ? *logit / desc->repetition_penalty : *logit * desc->repetition_penalty;
        *logit -= (float)*count * desc->frequency_penalty + desc->presence_penalty;
        *logit = fminf(fmaxf(*logit, -FLT_MAX), FLT_MAX); // a penalty makes no token impossible, nor infinitely good
        *count = 0;
    }
    return sampler->adjusted;
}

// In integers, so that compilers make vectors of it: float bits, those of negative numbers turned round, order as the numbers do.
// NaN lies above +inf or, with a sign, below -inf. A maximum in floats would have to care for NaN at each step.
bool tdl_logits_finite(const float *logits, int64_t n, float *max) {
    const int32_t above = 0x7f800000, below = INT32_MIN + 0x7fffff; // the keys of +inf and -inf
    int32_t most = INT32_MIN, least = INT32_MAX;
    for (int64_t i = 0; i < n; i++) {
        int32_t bits;
        memcpy(&bits, &logits[i], sizeof bits);
        int32_t key = bits ^ (int32_t)((uint32_t)(bits >> 31) >> 1);
        most = key > most ? key : most;
        least = key < least ? key : least;
    }
    if (most >= above || most <= below || least < below) return false;
    int32_t bits = most ^ (int32_t)((uint32_t)(most >> 31) >> 1);
    if (max) memcpy(max, &bits, sizeof bits);
    return true;
}

// The first logit that is max; both zeros are equal.
static int32_t take_largest(const float *logits, float max) {
    int32_t id = 0;
    while (logits[id] != max) id++;
    return id;
}

static int32_t collect_all(const float *logits, int32_t n_vocab, candidate *candidates) {
    for (int32_t id = 0; id < n_vocab; id++) candidates[id] = (candidate){.logit = logits[id], .id = id};
    return n_vocab;
}

// The k best by falling logit; 0 where the logits are not finite. Ids rise during the scan, so an equal logit never displaces one already held.
static int32_t collect_top_k(const float *logits, int32_t n_vocab, candidate *candidates, int32_t k) {
    int32_t n = collect_all(logits, k, candidates);
    for (int32_t i = 0; i < n; i++)
        if (!(logits[i] < INFINITY)) return 0;
    heapify(candidates, n);
    for (int32_t id = k; id < n_vocab; id++) {
        if (logits[id] <= candidates[0].logit) continue; // false for NaN
        if (!(logits[id] < INFINITY)) return 0;
        candidates[0] = (candidate){.logit = logits[id], .id = id};
        sift_down(candidates, n, 0);
    }
    sort_falling(candidates, n);
    return candidates[0].logit > -INFINITY ? n : 0;
}

// Keeps the smallest set, most probable first, that holds at least top_p of the probability (Holtzman et al., 2019).
static int32_t keep_top_p(candidate *candidates, int32_t n, bool sorted, float top_p) {
    uint64_t sum = weigh(candidates, n, 1.0f);
    if (!sorted) {
        float max = largest(candidates, n);
        double share = (1.0 - (double)top_p) * (double)sum * 0x1p-31; // what all the rest has at most, by the largest's
        n = keep_above(candidates, n, max + (float)log(share / n));
        heapify(candidates, n);
        sort_falling(candidates, n);
    }
    uint64_t wanted = tdl_sample_share(sum, top_p_share(top_p)), held = 0;
    for (int32_t i = 0; i < n; i++) {
        held += candidates[i].weight;
        if (held >= wanted) return i + 1;
    }
    return n;
}

// p >= min_p * p_max is exp(logit - max) >= min_p, whatever the sum.
static int32_t keep_min_p(candidate *candidates, int32_t n, float min_p) {
    uint32_t least = min_p_weight(min_p);
    int32_t n_kept = 0;
    weigh(candidates, n, 1.0f);
    for (int32_t i = 0; i < n; i++)
        if (candidates[i].weight >= least) candidates[n_kept++] = candidates[i];
    return n_kept;
}

static int32_t keep_above(candidate *candidates, int32_t n, float floor) {
    int32_t n_kept = 0;
    for (int32_t i = 0; i < n; i++)
        if (candidates[i].logit >= floor) candidates[n_kept++] = candidates[i];
    return n_kept;
}

// Inverts the cumulative distribution at random / 2^32.
static int32_t draw(candidate *candidates, int32_t n, float temperature, uint32_t random) {
    uint64_t target = tdl_sample_share(weigh(candidates, n, temperature), random), passed = 0;
    int32_t i = 0;
    while (i < n - 1 && (passed += candidates[i].weight) <= target) i++;
    return candidates[i].id;
}

static uint32_t random_word(tdl_rng *rng) { return (uint32_t)(tdl_rng_uniform(rng) * 0x1p32); }

static float largest(const candidate *candidates, int32_t n) {
    float max = candidates[0].logit;
    for (int32_t i = 1; i < n; i++)
        if (candidates[i].logit > max) max = candidates[i].logit;
    return max;
}

// Each candidate's weight, exp((logit - largest) / temperature); their sum.
static uint64_t weigh(candidate *candidates, int32_t n, float temperature) {
    uint32_t max = tdl_sample_key(largest(candidates, n));
    tdl_sample_scale scale = tdl_sample_scale_of(temperature);
    uint64_t sum = 0;
    for (int32_t i = 0; i < n; i++) {
        candidates[i].weight = tdl_sample_weight(max, tdl_sample_key(candidates[i].logit), scale);
        sum += candidates[i].weight;
    }
    return sum;
}

// As sample.h wants them; a share of at least 1, since 0 filters nothing there.
static uint32_t top_p_share(float top_p) { return (uint32_t)fmax(1.0, (double)top_p * 0x1p32); }

static uint32_t min_p_weight(float min_p) { return (uint32_t)((double)min_p * 0x1p31); }

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
