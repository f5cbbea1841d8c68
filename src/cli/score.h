// SPDX-License-Identifier: MIT
// score.h - how probable a model finds tokens: for the commands that measure texts.
//
//     cli_scorer scorer = {0};
//     int code = cli_scorer_init(&scorer, &opened, n_ctx);
//     if (code == CLI_GO) code = cli_scorer_add(&scorer, ids, ids + 1, n - 1, &score); // each id after the ones before it
//     cli_scorer_deinit(&scorer);
#ifndef TDL_CLI_SCORE_H
#define TDL_CLI_SCORE_H

#include "cli/model_args.h"

typedef struct cli_score {
    double sum, sum_squares; // of the negative log-likelihoods, natural logarithm
    int64_t n;               // tokens
    int64_t n_first;         // of them those that were the likeliest of all
} cli_score;

typedef struct cli_scorer {
    tdl_session *session;
    int32_t n_vocab;
    float *logits; // of a few positions
} cli_scorer;

// CLI_GO or an exit code. deinit takes zeros too.
int cli_scorer_init(cli_scorer *scorer, const cli_opened *opened, int32_t n_ctx);
void cli_scorer_deinit(cli_scorer *scorer);
// Appends ids [n] to the session's timeline and adds the scores of targets [n], targets[i] following ids[i]; one below 0
// is not counted. CLI_GO or an exit code.
int cli_scorer_add(cli_scorer *scorer, const int32_t *ids, const int32_t *targets, int32_t n, cli_score *score);

double cli_score_mean(const cli_score *score);
double cli_score_mean_error(const cli_score *score); // the mean's standard error

#endif
