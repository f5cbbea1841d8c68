// SPDX-License-Identifier: MIT
// test_sampler.c - the sampler against golden draws, distributions, seeds, odd logits, bad descriptions, failed memory.
#include "base/alloc.h"
#include "run/sampler.h"
#include "sampler_golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const tdl_allocator *default_memory(void) { return tdl_allocator_or_default(NULL); }

static tdl_sampler *make_sampler(const tdl_sampler_desc *desc, int32_t n_vocab) {
    tdl_sampler *sampler = NULL;
    tdl_error err = {0};
    if (tdl_sampler_create(default_memory(), desc, n_vocab, &sampler, &err)) fail_msg("%s", err.message);
    return sampler;
}

// ---- golden vectors ----

static void test_golden_draws(void **state) {
    (void)state;
    for (size_t c = 0; c < sizeof golden_cases / sizeof golden_cases[0]; c++) {
        const golden_case *golden = &golden_cases[c];
        int32_t history[GOLDEN_N_HISTORY + GOLDEN_N_DRAWS];
        memcpy(history, golden_history, sizeof golden_history);
        tdl_sampler *sampler = make_sampler(&golden->desc, GOLDEN_N_VOCAB);
        for (size_t i = 0; i < GOLDEN_N_DRAWS; i++) {
            size_t n = GOLDEN_N_HISTORY + i;
            history[n] = tdl_sampler_sample(sampler, golden_logits, history, n);
            if (history[n] != golden->ids[i])
                fail_msg("%s: draw %zu: %d, expected %d", golden->name, i, history[n], golden->ids[i]);
        }
        tdl_sampler_destroy(sampler);
    }
}

// Pearson's statistic over ids of which at least five are expected; the rest are pooled. Ids that cannot come must not.
static void check_distribution(const golden_case *golden, const int32_t *n_seen, int32_t n_draws) {
    double statistic = 0.0, pooled_expected = 0.0;
    int32_t pooled_seen = 0, n_cells = 0;
    for (int32_t id = 0; id < GOLDEN_N_VOCAB; id++) {
        double expected = (double)golden->first[id] * n_draws;
        if (expected == 0.0 && n_seen[id]) fail_msg("%s: id %d cannot come, but did", golden->name, id);
        if (expected < 5.0) {
            pooled_expected += expected;
            pooled_seen += n_seen[id];
            continue;
        }
        statistic += (n_seen[id] - expected) * (n_seen[id] - expected) / expected;
        n_cells++;
    }
    if (pooled_expected >= 5.0) {
        statistic += (pooled_seen - pooled_expected) * (pooled_seen - pooled_expected) / pooled_expected;
        n_cells++;
    }
    // Wilson and Hilferty's approximation of the 99.99% quantile; the seeds are fixed, so this cannot fail by chance.
    double freedom = n_cells > 1 ? n_cells - 1 : 1;
    double root = 1.0 - 2.0 / (9.0 * freedom) + 3.719 * sqrt(2.0 / (9.0 * freedom));
    double limit = freedom * root * root * root;
    if (statistic > limit)
        fail_msg("%s: chi-square %g over %d cells, limit %g", golden->name, statistic, n_cells, limit);
}

static void test_distributions(void **state) {
    (void)state;
    enum { N_DRAWS = 40000 };
    for (size_t c = 0; c < sizeof golden_cases / sizeof golden_cases[0]; c++) {
        int32_t n_seen[GOLDEN_N_VOCAB] = {0};
        tdl_sampler *sampler = make_sampler(&golden_cases[c].desc, GOLDEN_N_VOCAB);
        for (int i = 0; i < N_DRAWS; i++)
            n_seen[tdl_sampler_sample(sampler, golden_logits, golden_history, GOLDEN_N_HISTORY)]++;
        tdl_sampler_destroy(sampler);
        check_distribution(&golden_cases[c], n_seen, N_DRAWS);
    }
}

// ---- large vocabularies: the short ways agree with the plain ones ----

static void fill_logits(float *logits, int32_t n, uint64_t seed) {
    tdl_rng rng = tdl_rng_make(seed, 1);
    for (int32_t i = 0; i < n; i++) logits[i] = (float)(4.0 * tdl_rng_normal(&rng));
}

typedef struct ranked {
    float logit;
    int32_t id;
} ranked;

static int compare_ranked(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->logit != y->logit) return x->logit < y->logit ? 1 : -1;
    return x->id < y->id ? -1 : 1;
}

// The size of top_p's set among the first n of `order`, from the definition.
static int32_t top_p_size(const ranked *order, int32_t n, double top_p) {
    double sum = 0.0, held = 0.0;
    for (int32_t i = 0; i < n; i++) sum += exp((double)order[i].logit - (double)order[0].logit);
    int32_t kept = 0;
    while (kept < n && held < top_p * sum) held += exp((double)order[kept++].logit - (double)order[0].logit);
    return kept;
}

// Every draw lies in the set, and a high temperature reaches all of it.
static void check_set(const tdl_sampler_desc *desc, const float *logits, int32_t n_vocab, const ranked *order,
                      int32_t n_set) {
    bool *in_set = calloc((size_t)n_vocab, sizeof *in_set);
    bool *seen = calloc((size_t)n_vocab, sizeof *seen);
    assert_true(in_set && seen);
    for (int32_t i = 0; i < n_set; i++) in_set[order[i].id] = true;
    tdl_sampler *sampler = make_sampler(desc, n_vocab);
    int32_t n_seen = 0;
    for (int i = 0; i < 20 * n_set + 100; i++) {
        int32_t id = tdl_sampler_sample(sampler, logits, NULL, 0);
        assert_in_range(id, 0, n_vocab - 1);
        if (!in_set[id]) fail_msg("id %d with logit %g is not among the %d", id, (double)logits[id], n_set);
        n_seen += !seen[id];
        seen[id] = true;
    }
    assert_int_equal(n_seen, n_set);
    tdl_sampler_destroy(sampler);
    free(seen);
    free(in_set);
}

static void test_large_vocabulary(void **state) {
    (void)state;
    enum { N_VOCAB = 50257 };
    float *logits = malloc(N_VOCAB * sizeof *logits);
    ranked *order = malloc(N_VOCAB * sizeof *order);
    assert_true(logits && order);
    fill_logits(logits, N_VOCAB, 99);
    for (int32_t i = 0; i < N_VOCAB; i++) order[i] = (ranked){logits[i], i};
    qsort(order, N_VOCAB, sizeof *order, compare_ranked);

    for (int32_t k = 1; k <= 40; k += 13)
        check_set(&(tdl_sampler_desc){.temperature = 1e6f, .top_k = k, .seed = 3}, logits, N_VOCAB, order, k);
    int32_t n_small = top_p_size(order, N_VOCAB, 0.2);
    assert_true(n_small > 1 && n_small < 200);
    check_set(&(tdl_sampler_desc){.temperature = 1e6f, .top_p = 0.2f, .seed = 4}, logits, N_VOCAB, order, n_small);
    int32_t n_both = top_p_size(order, 30, 0.8);
    check_set(&(tdl_sampler_desc){.temperature = 1e6f, .top_k = 30, .top_p = 0.8f, .seed = 5}, logits, N_VOCAB, order,
              n_both);
    free(order);
    free(logits);
}

// ---- order among equals, odd logits ----

static void test_ties_go_to_the_lower_id(void **state) {
    (void)state;
    const float logits[6] = {1.0f, 2.0f, 0.5f, 2.0f, 2.0f, 1.0f};
    tdl_sampler *greedy = make_sampler(&(tdl_sampler_desc){0}, 6);
    assert_int_equal(tdl_sampler_sample(greedy, logits, NULL, 0), 1);
    tdl_sampler_destroy(greedy);

    tdl_sampler *two = make_sampler(&(tdl_sampler_desc){.temperature = 1.0f, .top_k = 2, .seed = 1}, 6);
    bool seen[6] = {false};
    for (int i = 0; i < 200; i++) seen[tdl_sampler_sample(two, logits, NULL, 0)] = true;
    const bool expected[6] = {false, true, false, true, false, false};
    assert_memory_equal(seen, expected, sizeof seen);
    tdl_sampler_destroy(two);

    // Each of the three equals holds 0.25 of the probability: 0.4 takes two of them.
    tdl_sampler *nucleus = make_sampler(&(tdl_sampler_desc){.temperature = 1.0f, .top_p = 0.4f, .seed = 1}, 6);
    memset(seen, 0, sizeof seen);
    for (int i = 0; i < 200; i++) seen[tdl_sampler_sample(nucleus, logits, NULL, 0)] = true;
    assert_memory_equal(seen, expected, sizeof seen);
    tdl_sampler_destroy(nucleus);
}

static const tdl_sampler_desc all_ways[] = {
    {0},
    {.repetition_penalty = 1.5f, .presence_penalty = 0.5f},
    {.temperature = 1.0f},
    {.temperature = 1.0f, .top_k = 3},
    {.temperature = 1.0f, .top_p = 0.9f},
    {.temperature = 1.0f, .min_p = 0.1f},
    {.temperature = 0.8f, .top_k = 4, .top_p = 0.9f, .min_p = 0.05f, .repetition_penalty = 1.1f},
    {.temperature = 1e-38f},
    {.temperature = 3e38f, .top_p = 0.999f},
};

// What each way may choose from 6 logits: bit i of `allowed` for id i.
static void check_allowed(const float logits[6], unsigned allowed) {
    const int32_t history[2] = {4, 5};
    for (size_t w = 0; w < sizeof all_ways / sizeof all_ways[0]; w++) {
        tdl_sampler *sampler = make_sampler(&all_ways[w], 6);
        for (int i = 0; i < 50; i++) {
            int32_t id = tdl_sampler_sample(sampler, logits, history, 2);
            assert_in_range(id, 0, 5);
            if (!(allowed >> id & 1)) fail_msg("way %zu chose id %d, logit %g", w, id, (double)logits[id]);
        }
        tdl_sampler_destroy(sampler);
    }
}

static void test_odd_logits(void **state) {
    (void)state;
    check_allowed((float[6]){-INFINITY, 1.0f, -INFINITY, 2.0f, -INFINITY, -INFINITY}, 1 << 1 | 1 << 3);
    check_allowed((float[6]){-INFINITY, -INFINITY, 1.0f, -INFINITY, -INFINITY, -INFINITY}, 1 << 2);
    check_allowed((float[6]){-INFINITY, -3e38f, -INFINITY, -INFINITY, -INFINITY, -INFINITY}, 1 << 1);
    check_allowed((float[6]){-3e38f, 3e38f, 0.0f, -3e38f, 3e37f, -0.0f}, 1 << 1);
}

// One logit that is NaN, of either sign, or +inf, wherever it stands; or nothing but -inf: no token, and no random number taken.
static void test_logits_that_are_not_finite(void **state) {
    (void)state;
    enum { N = 67 }; // no multiple of a vector
    const float bad[] = {NAN, -NAN, INFINITY};
    float logits[N], max;
    for (size_t w = 0; w < sizeof all_ways / sizeof all_ways[0]; w++) {
        tdl_sampler *sampler = make_sampler(&all_ways[w], N);
        tdl_rng rng = tdl_sampler_rng(sampler);
        for (int at = 0; at < N; at++)
            for (int b = 0; b < 3; b++)
                for (int rest = 0; rest < 2; rest++) {
                    for (int i = 0; i < N; i++) logits[i] = rest ? -INFINITY : (float)(i % 7) - 3;
                    logits[at] = bad[b];
                    assert_false(tdl_logits_finite(logits, N, &max));
                    assert_int_equal(tdl_sampler_sample(sampler, logits, (int32_t[]){1, 2}, 2), TDL_SAMPLE_NOT_FINITE);
                }
        for (int i = 0; i < N; i++) logits[i] = -INFINITY;
        assert_int_equal(tdl_sampler_sample(sampler, logits, (int32_t[]){1, 2}, 2), TDL_SAMPLE_NOT_FINITE);
        assert_true(tdl_sampler_rng(sampler).state == rng.state);
        logits[N - 1] = -3e38f;
        assert_true(tdl_logits_finite(logits, N, &max) && max == -3e38f);
        assert_int_equal(tdl_sampler_sample(sampler, logits, NULL, 0), N - 1);
        tdl_sampler_destroy(sampler);
    }
    const float zeros[] = {-1.0f, -0.0f, 0.0f}; // the first of equal ones
    tdl_sampler *greedy = make_sampler(&(tdl_sampler_desc){0}, 3);
    assert_true(tdl_logits_finite(zeros, 3, &max) && max == 0.0f);
    assert_int_equal(tdl_sampler_sample(greedy, zeros, NULL, 0), 1);
    tdl_sampler_destroy(greedy);
}

// Penalties that leave the range of floats: no NaN, and a masked token stays masked.
static void test_penalties_stay_finite(void **state) {
    (void)state;
    const float logits[4] = {3e38f, -3e38f, -INFINITY, 1.0f};
    const tdl_sampler_desc descs[] = {{.presence_penalty = -3e38f, .frequency_penalty = -3e38f, .penalty_last_n = -1},
                                      {.repetition_penalty = 1e-38f},
                                      {.repetition_penalty = 1e38f, .frequency_penalty = -3e38f}};
    const int32_t history[] = {0, 2, 0, 2, 0, 2, 0};
    for (int i = 0; i < 3; i++)
        for (int t = 0; t < 2; t++) {
            tdl_sampler_desc desc = descs[i];
            desc.temperature = t ? 1e-3f : 0;
            tdl_sampler *sampler = make_sampler(&desc, 4);
            assert_int_equal(tdl_sampler_sample(sampler, logits, history, 7), 0);
            tdl_sampler_destroy(sampler);
        }
}

// TDL_ZERO says zero where a zero means something else; fields that this version does not know must be zero.
static void test_zero_and_growth(void **state) {
    (void)state;
    const float logits[4] = {1.0f, 1.25f, 1.125f, 1.0f};
    tdl_sampler_desc desc = {.temperature = 5, .top_p = TDL_ZERO};
    tdl_sampler *sampler = make_sampler(&desc, 4), *out = NULL;
    for (int i = 0; i < 50; i++) assert_int_equal(tdl_sampler_sample(sampler, logits, NULL, 0), 1);
    tdl_sampler_destroy(sampler);
    sampler = make_sampler(&(tdl_sampler_desc){.temperature = TDL_ZERO, .min_p = TDL_ZERO}, 4);
    assert_int_equal(tdl_sampler_sample(sampler, logits, NULL, 0), 1);
    tdl_sampler_destroy(sampler);
    tdl_error err = {0};
    desc = (tdl_sampler_desc){.reserved = {[7] = 1}};
    assert_int_equal(tdl_sampler_create(default_memory(), &desc, 4, &out, &err), TDL_ERROR_ARGUMENT);
    assert_non_null(strstr(err.message, "reserved word 7"));
    desc = (tdl_sampler_desc){.size = sizeof desc + 8};
    assert_int_equal(tdl_sampler_create(default_memory(), &desc, 4, &out, &err), TDL_ERROR_ARGUMENT);
    desc = (tdl_sampler_desc){.size = 12};
    assert_int_equal(tdl_sampler_create(default_memory(), &desc, 4, &out, &err), TDL_ERROR_ARGUMENT);
    desc = (tdl_sampler_desc){.size = 16, .temperature = 0, .top_p = 7}; // an older header's: top_p is not there
    sampler = make_sampler(&desc, 4);
    tdl_sampler_destroy(sampler);
}

// ---- seeds and the generator's state ----

static void test_seeds_repeat(void **state) {
    (void)state;
    enum { N = 64 };
    int32_t ids[3][N];
    const uint64_t seeds[3] = {42, 42, 43};
    for (int s = 0; s < 3; s++) {
        tdl_sampler *sampler = make_sampler(&(tdl_sampler_desc){.temperature = 2.0f, .seed = seeds[s]}, GOLDEN_N_VOCAB);
        for (int i = 0; i < N; i++) ids[s][i] = tdl_sampler_sample(sampler, golden_logits, NULL, 0);
        tdl_sampler_destroy(sampler);
    }
    assert_memory_equal(ids[0], ids[1], sizeof ids[0]);
    assert_memory_not_equal(ids[0], ids[2], sizeof ids[0]);
}

static void test_rewound_draws_repeat(void **state) {
    (void)state;
    tdl_sampler *sampler = make_sampler(&(tdl_sampler_desc){.temperature = 2.0f, .seed = 7}, GOLDEN_N_VOCAB);
    for (int i = 0; i < 5; i++) tdl_sampler_sample(sampler, golden_logits, NULL, 0);
    tdl_rng rng = tdl_sampler_rng(sampler);
    int32_t first[16];
    for (int i = 0; i < 16; i++) first[i] = tdl_sampler_sample(sampler, golden_logits, NULL, 0);
    tdl_sampler_set_rng(sampler, rng);
    for (int i = 0; i < 16; i++) assert_int_equal(tdl_sampler_sample(sampler, golden_logits, NULL, 0), first[i]);
    tdl_sampler_destroy(sampler);
}

// One number a token, whatever the filters leave: the state after n draws does not depend on the logits.
static void test_each_draw_takes_one_number(void **state) {
    (void)state;
    const float odd[3][4] = {
        {-INFINITY, -INFINITY, -1.0f, -INFINITY}, {1.0f, 1.0f, 1.0f, 1.0f}, {1.0f, 2.0f, 3.0f, 4.0f}};
    tdl_rng expected = tdl_rng_make(9, 0);
    tdl_rng_uniform(&expected);
    for (int i = 0; i < 3; i++) {
        tdl_sampler *sampler = make_sampler(&(tdl_sampler_desc){.temperature = 1.0f, .top_k = 2, .seed = 9}, 4);
        tdl_sampler_sample(sampler, odd[i], NULL, 0);
        assert_true(tdl_sampler_rng(sampler).state == expected.state);
        tdl_sampler_destroy(sampler);
    }
    tdl_sampler *greedy = make_sampler(&(tdl_sampler_desc){.seed = 9}, 4);
    tdl_sampler_sample(greedy, odd[2], NULL, 0);
    assert_true(tdl_sampler_rng(greedy).state == tdl_rng_make(9, 0).state);
    tdl_sampler_destroy(greedy);
}

static void test_logits_are_not_changed(void **state) {
    (void)state;
    float logits[GOLDEN_N_VOCAB];
    memcpy(logits, golden_logits, sizeof logits);
    for (size_t w = 0; w < sizeof all_ways / sizeof all_ways[0]; w++) {
        tdl_sampler *sampler = make_sampler(&all_ways[w], GOLDEN_N_VOCAB);
        for (int i = 0; i < 3; i++) tdl_sampler_sample(sampler, logits, golden_history, GOLDEN_N_HISTORY);
        tdl_sampler_destroy(sampler);
        assert_memory_equal(logits, golden_logits, sizeof logits);
    }
}

// ---- the device's draws ----

static void test_weights_are_exponentials(void **state) {
    (void)state;
    static const float temperatures[] = {1.0f, 0.1f, 0.7f, 25.0f, 1e-3f};
    tdl_rng rng = tdl_rng_make(4, 2);
    for (int i = 0; i < 20000; i++) {
        float temperature = temperatures[i % 5], scale = i % 2 ? 30.0f : 1e-2f;
        float a = scale * (float)tdl_rng_normal(&rng), b = a - temperature * 8 * (float)tdl_rng_uniform(&rng);
        double weight = tdl_sample_weight(tdl_sample_key(a), tdl_sample_key(b), tdl_sample_scale_of(temperature));
        double exact = exp(((double)b - (double)a) / (double)temperature);
        if (!(fabs(weight * 0x1p-31 - exact) <= 2e-8))
            fail_msg("%g, %g: %g, expected %g", a, b, weight * 0x1p-31, exact);
        assert_true(weight <= 0x1p31);
    }
    const tdl_sample_scale plain = tdl_sample_scale_of(1.0f);
    assert_int_equal(tdl_sample_weight(tdl_sample_key(1e-45f), tdl_sample_key(-1e-45f), plain), 1u << 31);
    assert_int_equal(tdl_sample_weight(tdl_sample_key(3e38f), tdl_sample_key(-3e38f), plain), 0);
    assert_int_equal(tdl_sample_weight(tdl_sample_key(INFINITY), tdl_sample_key(3e38f), plain), 0);
}

static void test_keys_order_logits(void **state) {
    (void)state;
    const float rising[] = {-INFINITY, -3e38f, -1.0f, -1e-45f, 0.0f, 1e-45f, 1.0f, 3e38f, INFINITY};
    for (size_t i = 1; i < sizeof rising / sizeof *rising; i++)
        assert_true(tdl_sample_key(rising[i - 1]) < tdl_sample_key(rising[i]));
    assert_int_equal(tdl_sample_key(-0.0f), tdl_sample_key(0.0f));
    assert_int_equal(tdl_sample_key(NAN), UINT32_MAX);
    assert_int_equal(tdl_sample_key(-NAN), UINT32_MAX);
    assert_true(tdl_sample_finite(tdl_sample_key(3.4e38f)) && tdl_sample_finite(tdl_sample_key(-3.4e38f)));
    assert_false(tdl_sample_finite(tdl_sample_key(INFINITY)) || tdl_sample_finite(tdl_sample_key(-INFINITY)) ||
                 tdl_sample_finite(tdl_sample_key(NAN)));
}

// Op sample, a row at a time with the settings that the sampler gives for it, n_ahead draws before their tokens are known.
static void check_device_draws(const tdl_sampler_desc *desc, float *logits, int32_t n_vocab) {
    enum { N = 12, AHEAD = 3 };
    tdl_sampler *sampler = make_sampler(desc, n_vocab);
    assert_true(tdl_sampler_fits_device(sampler));
    uint32_t words[TDL_SAMPLE_WORDS];
    int32_t picked[N] = {0};
    tdl_call call = {.n_in = 2, .n_out = 1};
    tdl_tensor_make(TDL_DTYPE_F32, 2, (int64_t[]){1, n_vocab}, logits, &call.in[0], NULL);
    tdl_tensor_make(TDL_DTYPE_I32, 2, (int64_t[]){1, TDL_SAMPLE_WORDS}, words, &call.in[1], NULL);
    tdl_tensor_make(TDL_DTYPE_I32, 1, (int64_t[]){N}, picked, &call.out[0], NULL);
    for (int i = 0; i < N; i++) {
        tdl_sampler_settings(sampler, i % AHEAD, words);
        words[TDL_SAMPLE_SLOT] = (uint32_t)i;
        tdl_op_get(TDL_OP_SAMPLE)->reference(&call);
        if (i % AHEAD == AHEAD - 1)
            for (int j = 0; j < AHEAD; j++) tdl_sampler_skip(sampler);
    }
    tdl_sampler_destroy(sampler);
    sampler = make_sampler(desc, n_vocab);
    for (int i = 0; i < N; i++) assert_int_equal(picked[i], tdl_sampler_sample(sampler, logits, NULL, 0));
    tdl_sampler_destroy(sampler);
}

static void test_device_draws_the_same(void **state) {
    (void)state;
    enum { N_VOCAB = 3001 };
    static const float odd[] = {NAN, INFINITY, -INFINITY, 0.0f, -0.0f, 1e-45f, 3e38f, -3e38f, 1.0f, 1.5f};
    static float logits[N_VOCAB];
    for (uint64_t seed = 0; seed < 60; seed++) {
        fill_logits(logits, N_VOCAB, seed);
        if (seed % 3 == 1)
            for (int32_t i = 0; i < N_VOCAB; i++) logits[i] = (float)(int)logits[i];
        if (seed % 3 == 2)
            for (int32_t i = 0; i < N_VOCAB; i++)
                logits[i] = odd[(seed % 4 < 2 ? 2 : 0) + (uint32_t)i * (uint32_t)seed % 7919 % (seed % 2 ? 8 : 1)];
        check_device_draws(&(tdl_sampler_desc){.seed = seed}, logits, N_VOCAB);
        check_device_draws(&(tdl_sampler_desc){.temperature = 0.8f, .top_k = 40, .seed = seed}, logits, N_VOCAB);
        check_device_draws(&(tdl_sampler_desc){.temperature = 1e6f, .top_k = 64, .top_p = 0.9f, .seed = seed}, logits,
                           N_VOCAB);
        check_device_draws(
            &(tdl_sampler_desc){.temperature = 1.3f, .top_k = 33, .top_p = 0.5f, .min_p = 0.1f, .seed = seed}, logits,
            N_VOCAB);
    }
    const tdl_sampler_desc others[] = {{.temperature = 1.0f},
                                       {.temperature = 1.0f, .top_k = 65},
                                       {.temperature = 1.0f, .top_k = 8, .repetition_penalty = 1.1f},
                                       {.presence_penalty = 0.1f}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        tdl_sampler *sampler = make_sampler(&others[i], N_VOCAB);
        assert_false(tdl_sampler_fits_device(sampler));
        tdl_sampler_destroy(sampler);
    }
}

// ---- bad descriptions, failed allocations ----

static void test_bad_descriptions(void **state) {
    (void)state;
    const struct {
        tdl_sampler_desc desc;
        const char *message;
    } bad[] = {
        {{.temperature = -0.1f}, "sampler: temperature -0.1, finite and at least 0 expected, or TDL_ZERO"},
        {{.temperature = NAN}, "sampler: temperature nan, finite and at least 0 expected, or TDL_ZERO"},
        {{.temperature = INFINITY}, "sampler: temperature inf, finite and at least 0 expected, or TDL_ZERO"},
        {{.top_k = -1}, "sampler: top_k -1, at least 0 expected"},
        {{.top_p = -0.5f}, "sampler: top_p -0.5, finite and at least 0 expected, or TDL_ZERO"},
        {{.top_p = 1.5f}, "sampler: top_p 1.5, 0 to 1 expected"},
        {{.min_p = 1.0f}, "sampler: min_p 1, at least 0 and below 1 expected"},
        {{.min_p = -0.25f}, "sampler: min_p -0.25, finite and at least 0 expected, or TDL_ZERO"},
        {{.repetition_penalty = TDL_ZERO}, "sampler: repetition_penalty is TDL_ZERO: logits are divided by it"},
        {{.repetition_penalty = -2.0f}, "sampler: repetition_penalty -2, finite and above 0 expected"},
        {{.repetition_penalty = NAN}, "sampler: repetition_penalty nan, finite and above 0 expected"},
        {{.presence_penalty = NAN}, "sampler: presence_penalty nan, finite expected"},
        {{.repetition_penalty = INFINITY}, "sampler: repetition_penalty inf, finite and above 0 expected"},
        {{.presence_penalty = INFINITY}, "sampler: presence_penalty inf, finite expected"},
        {{.frequency_penalty = -INFINITY}, "sampler: frequency_penalty -inf, finite expected"},
        {{.penalty_last_n = -2}, "sampler: penalty_last_n -2, at least -1 expected"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        tdl_sampler *sampler = NULL;
        tdl_error err = {0};
        assert_int_equal(tdl_sampler_create(default_memory(), &bad[i].desc, 8, &sampler, &err), TDL_ERROR_ARGUMENT);
        assert_null(sampler);
        assert_string_equal(err.message, bad[i].message);
        assert_int_equal(tdl_sampler_create(default_memory(), &bad[i].desc, 8, &sampler, NULL), TDL_ERROR_ARGUMENT);
    }
}

typedef struct failing_memory {
    int n_left; // allocations that still succeed
    int n_live;
} failing_memory;

static void *failing_alloc(void *user, size_t size, size_t align) {
    failing_memory *memory = user;
    if (memory->n_left == 0) return NULL;
    memory->n_left--;
    memory->n_live++;
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static void failing_free(void *user, void *ptr) {
    failing_memory *memory = user;
    if (ptr) memory->n_live--;
    free(ptr);
}

static void test_every_allocation_may_fail(void **state) {
    (void)state;
    const tdl_sampler_desc desc = {.temperature = 1.0f, .top_p = 0.9f, .presence_penalty = 1.0f};
    for (int n = 0;; n++) {
        failing_memory memory = {.n_left = n};
        const tdl_allocator mem = {.alloc = failing_alloc, .free = failing_free, .user = &memory};
        tdl_sampler *sampler = NULL;
        tdl_error err = {0};
        tdl_status status = tdl_sampler_create(&mem, &desc, GOLDEN_N_VOCAB, &sampler, &err);
        if (status == TDL_OK) {
            assert_int_equal(n, 4); // the sampler, adjusted logits, counts, candidates
            memory.n_left = 0;      // sampling allocates nothing
            tdl_sampler_sample(sampler, golden_logits, golden_history, GOLDEN_N_HISTORY);
            tdl_sampler_destroy(sampler);
            assert_int_equal(memory.n_live, 0);
            return;
        }
        assert_int_equal(status, TDL_ERROR_MEMORY);
        assert_string_equal(err.message, "sampler: no memory for a vocabulary of 48 tokens");
        assert_null(sampler);
        assert_int_equal(memory.n_live, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_draws),
        cmocka_unit_test(test_distributions),
        cmocka_unit_test(test_large_vocabulary),
        cmocka_unit_test(test_ties_go_to_the_lower_id),
        cmocka_unit_test(test_odd_logits),
        cmocka_unit_test(test_logits_that_are_not_finite),
        cmocka_unit_test(test_penalties_stay_finite),
        cmocka_unit_test(test_zero_and_growth),
        cmocka_unit_test(test_seeds_repeat),
        cmocka_unit_test(test_rewound_draws_repeat),
        cmocka_unit_test(test_each_draw_takes_one_number),
        cmocka_unit_test(test_logits_are_not_changed),
        cmocka_unit_test(test_weights_are_exponentials),
        cmocka_unit_test(test_keys_order_logits),
        cmocka_unit_test(test_device_draws_the_same),
        cmocka_unit_test(test_bad_descriptions),
        cmocka_unit_test(test_every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
