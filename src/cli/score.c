// SPDX-License-Identifier: MIT
// score.c - see score.h.
#include "cli/score.h"

#include "cli/console.h"

#include <math.h>
#include <stdlib.h>

enum { N_POSITIONS_AT_ONCE = 64, N_BATCH_MAX = 512 }; // logits held in memory; results do not depend on it

static void add_one(cli_score *score, const float *logits, int32_t n_vocab, int32_t id);

int cli_scorer_init(cli_scorer *scorer, const cli_opened *opened, int32_t n_ctx) {
    const tdl_session_desc desc = {
        .size = sizeof desc, .n_ctx = n_ctx, .n_batch = n_ctx < N_BATCH_MAX ? n_ctx : N_BATCH_MAX};
    tdl_error err = {0};
    if (tdl_session_create(opened->model, &desc, &scorer->session, &err)) return cli_fail(&err);
    scorer->n_vocab = opened->info.n_vocab;
    scorer->logits = cli_realloc(NULL, N_POSITIONS_AT_ONCE * sizeof *scorer->logits, (size_t)scorer->n_vocab);
    return CLI_GO;
}

void cli_scorer_deinit(cli_scorer *scorer) {
    tdl_session_destroy(scorer->session);
    free(scorer->logits);
}

int cli_scorer_add(cli_scorer *scorer, const int32_t *ids, const int32_t *targets, int32_t n, cli_score *score) {
    tdl_error err = {0};
    for (int32_t i = 0, n_now; i < n; i += n_now) {
        if (cli_interrupted()) return CLI_INTERRUPTED;
        n_now = n - i < N_POSITIONS_AT_ONCE ? n - i : N_POSITIONS_AT_ONCE;
        if (tdl_session_eval(scorer->session, ids + i, (size_t)n_now, scorer->logits, &err)) return cli_fail(&err);
        for (int32_t j = 0; j < n_now; j++) {
            if (targets[i + j] < 0) continue;
            add_one(score, scorer->logits + (size_t)j * (size_t)scorer->n_vocab, scorer->n_vocab, targets[i + j]);
        }
        if (n_now < n - i && score->n) // a window may take minutes
            cli_progress("%lld predictions, loss %.4f", (long long)score->n, cli_score_mean(score));
    }
    return CLI_GO;
}

double cli_score_mean(const cli_score *score) { return score->sum / (double)score->n; }

double cli_score_mean_error(const cli_score *score) {
    double mean = cli_score_mean(score), variance = score->sum_squares / (double)score->n - mean * mean;
    if (!isfinite(mean)) return mean; // a token that cannot come did: no interval holds that
    return score->n > 1 && variance > 0.0 ? sqrt(variance / (double)(score->n - 1)) : 0.0;
}

// -log softmax(logits)[id] = log(sum(exp(x))) - x[id]. Logits are finite (tdl_session_eval), or -inf: infinite where id's is.
static void add_one(cli_score *score, const float *logits, int32_t n_vocab, int32_t id) {
    int32_t first = 0;
    for (int32_t i = 1; i < n_vocab; i++)
        if (logits[i] > logits[first]) first = i;
    double sum = 0.0;
    for (int32_t i = 0; i < n_vocab; i++) sum += (double)expf(logits[i] - logits[first]);
    double nll = log(sum) + (double)logits[first] - (double)logits[id];
    score->sum += nll;
    score->sum_squares += nll * nll;
    score->n++;
    score->n_first += id == first;
}
