// SPDX-License-Identifier: MIT
// cmd_perplexity.c - treadle perplexity: how well a model predicts a text, by the customary chunks.
//
// The definition is the one that published llama.cpp figures use, so that they can be compared.
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/json_out.h"
#include "cli/model_args.h"
#include "cli/options.h"
#include "cli/prompt_args.h"
#include "cli/score.h"

#include <jansson.h>
#include <math.h>

static const char about[] =
    "Encodes the text and cuts its ids into chunks of -c tokens; what is left over at the end is not used. Each chunk "
    "is\n"
    "computed alone; where the model's texts begin with a beginning-of-sequence token, that stands in place of the\n"
    "chunk's first token. The first half of a chunk is context only: with c tokens, the predictions of the tokens at\n"
    "c/2 + 1 to c - 1 count. The result is exp(mean negative log-likelihood), with its standard error.";

typedef struct perplexity_args {
    cli_model_args model;
    const char *file;
    int32_t n_ctx, n_chunks_max;
    bool json;
} perplexity_args;

static int run(const perplexity_args *args, cli_opened *opened);
static int measure(cli_scorer *scorer, const cli_opened *opened, const cli_i32_list *ids, int32_t n_ctx,
                   int64_t *n_chunks, cli_score *out);
static int measure_chunk(cli_scorer *scorer, const int32_t *ids, int32_t first_id, int32_t n_ctx, cli_score *out);
static void print_result(const perplexity_args *args, const cli_score *score, size_t n_tokens, int64_t n_chunks,
                         bool stopped, double seconds);

int cmd_perplexity(int argc, char **argv) {
    perplexity_args args = {.n_ctx = 512};
    cli_opened opened = {0};
    const cli_option_group groups[] = {
        {.title = "Options",
         .options = {{"f", "file", CLI_TEXT, "FILE", &args.file, 0, 0, "the text; - is stdin"},
                     {"c", "ctx", CLI_I32, "N", &args.n_ctx, 4, CLI_CTX_MAX, "tokens in a chunk (default 512)"},
                     {NULL, "chunks", CLI_I32, "N", &args.n_chunks_max, 0, INT32_MAX,
                      "measure the first N chunks (default 0: all)"},
                     {NULL, "json", CLI_FLAG, NULL, &args.json, 0, 0, "print one JSON object"}}},
        cli_model_group(&args.model),
    };
    const cli_command command = {.name = "perplexity",
                                 .synopsis = "MODEL -f FILE [-c N] [options]",
                                 .about = about,
                                 .groups = groups,
                                 .n_groups = sizeof groups / sizeof groups[0],
                                 .model = &args.model.path};
    int code = cli_parse(&command, argc, argv);
    if (code == CLI_GO && !args.file) code = cli_usage("perplexity", "--file FILE is missing");
    if (code == CLI_GO) code = run(&args, &opened);
    cli_model_close(&opened);
    return code;
}

static int run(const perplexity_args *args, cli_opened *opened) {
    cli_buffer text = {0};
    cli_i32_list ids = {0};
    cli_scorer scorer = {0};
    cli_score score = {0};
    int code = CLI_GO;
    if (!cli_read_file(args->file, &text)) code = cli_interrupted() ? CLI_INTERRUPTED : CLI_FAILURE;
    if (code == CLI_GO) code = cli_model_open(&args->model, opened);
    if (code == CLI_GO) code = cli_encode(opened->tokenizer, text.data, text.size, NULL, &ids);
    if (code != CLI_GO) goto cleanup;
    int64_t n_chunks = (int64_t)(ids.n / (size_t)args->n_ctx);
    if (args->n_chunks_max && n_chunks > args->n_chunks_max) n_chunks = args->n_chunks_max;
    if (n_chunks == 0) {
        cli_error("%s: %zu tokens, at least %d expected: one chunk", args->file, ids.n, args->n_ctx);
        code = CLI_FAILURE;
        goto cleanup;
    }
    cli_check_context(&opened->info, args->n_ctx);
    code = cli_scorer_init(&scorer, opened, args->n_ctx);
    if (code != CLI_GO) goto cleanup;
    double start = cli_seconds();
    code = measure(&scorer, opened, &ids, args->n_ctx, &n_chunks, &score);
    bool stopped = code == CLI_INTERRUPTED && score.n > 0; // what was measured is printed all the same
    if (code == CLI_OK || stopped) print_result(args, &score, ids.n, n_chunks, stopped, cli_seconds() - start);

cleanup:
    cli_scorer_deinit(&scorer);
    cli_i32_list_deinit(&ids);
    cli_buffer_deinit(&text);
    return code;
}

static int measure(cli_scorer *scorer, const cli_opened *opened, const cli_i32_list *ids, int32_t n_ctx,
                   int64_t *n_chunks, cli_score *out) {
    bool has_bos = cli_wants_bos(opened->tokenizer);
    int code = CLI_GO;
    int64_t n = *n_chunks; // to do; then done
    for (int64_t c = 0; c < n && code == CLI_GO; c++) {
        if (out->n) cli_progress("chunk %lld/%lld, %.4f", (long long)c, (long long)n, exp(cli_score_mean(out)));
        const int32_t *chunk = ids->items + c * n_ctx;
        int32_t first_id = has_bos ? tdl_tokenizer_bos(opened->tokenizer) : chunk[0];
        const cli_score before = *out;
        code = measure_chunk(scorer, chunk, first_id, n_ctx, out);
        if (code == CLI_GO) continue;
        *out = before; // whole chunks alone
        *n_chunks = c;
    }
    cli_progress_end();
    return code == CLI_GO ? CLI_OK : code;
}

// The context's half is only pushed: it is computed, without logits, by the first evaluation after it.
static int measure_chunk(cli_scorer *scorer, const int32_t *ids, int32_t first_id, int32_t n_ctx, cli_score *out) {
    tdl_error err = {0};
    int32_t first = n_ctx / 2;
    if (tdl_session_rewind(scorer->session, 0, &err) || tdl_session_push(scorer->session, &first_id, 1, &err) ||
        tdl_session_push(scorer->session, ids + 1, (size_t)first - 1, &err))
        return cli_fail(&err);
    return cli_scorer_add(scorer, ids + first, ids + first + 1, n_ctx - 1 - first, out);
}

static void print_result(const perplexity_args *args, const cli_score *score, size_t n_tokens, int64_t n_chunks,
                         bool stopped, double seconds) {
    double mean = cli_score_mean(score), mean_error = cli_score_mean_error(score);
    double perplexity = exp(mean);
    if (args->json) {
        cli_print_json(cli_json_pack("{s:f, s:f, s:f, s:I, s:i, s:I, s:I, s:f, s:b}", "perplexity", perplexity,
                                     "stderr", mean_error * perplexity, "nll", mean, "n_chunks", (json_int_t)n_chunks,
                                     "n_ctx", args->n_ctx, "n_scored", (json_int_t)score->n, "n_tokens",
                                     (json_int_t)n_tokens, "seconds", seconds, "interrupted", stopped));
        return;
    }
    cli_printf("perplexity %.4f +/- %.5f\n", perplexity, mean_error * perplexity);
    cli_note("%lld chunks of %d tokens, %lld predictions, %.1f s, %.0f tok/s\n", (long long)n_chunks, args->n_ctx,
             (long long)score->n, seconds, (double)n_chunks * args->n_ctx / seconds);
    if (stopped) cli_note("interrupted: of the file's first %lld tokens\n", (long long)n_chunks * args->n_ctx);
}
