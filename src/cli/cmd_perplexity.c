// cmd_perplexity.c - treadle perplexity: how well a model predicts a text, by the customary chunks.
//
// The definition is the one that published llama.cpp figures use, so that they can be compared.
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/model_args.h"
#include "cli/options.h"
#include "cli/prompt_args.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

static const char about[] =
    "Encodes the text and cuts its ids into chunks of -c tokens; what is left over at the end is not used. Each chunk "
    "is\n"
    "computed alone; where the model's texts begin with a beginning-of-sequence token, that stands in place of the\n"
    "chunk's first token. The first half of a chunk is context only: with c tokens, the predictions of the tokens at\n"
    "c/2 + 1 to c - 1 count. The result is exp(mean negative log-likelihood), with its standard error.";

enum { N_POSITIONS_AT_ONCE = 64 }; // logits held in memory; results do not depend on it

typedef struct perplexity_args {
    cli_model_args model;
    const char *file;
    int32_t n_ctx, n_chunks_max;
    bool json;
} perplexity_args;

typedef struct tally {
    double sum, sum_squares; // of negative log-likelihoods
    int64_t n;
} tally;

static int run(const perplexity_args *args, cli_opened *opened);
static int measure(tdl_session *session, const cli_opened *opened, const cli_i32_list *ids, int32_t n_ctx,
                   int64_t n_chunks, tally *out);
static int measure_chunk(tdl_session *session, const int32_t *ids, int32_t first_id, int32_t n_ctx, int32_t n_vocab,
                         float *logits, tally *out);
static double negative_log_likelihood(const float *logits, int32_t n_vocab, int32_t id);
static void print_result(const perplexity_args *args, const tally *t, size_t n_tokens, int64_t n_chunks,
                         double seconds);

int cmd_perplexity(int argc, char **argv) {
    perplexity_args args = {.n_ctx = 512};
    cli_opened opened = {0};
    const cli_option_group groups[] = {
        {.title = "Options",
         .options = {{"f", "file", CLI_TEXT, "FILE", &args.file, 0, 0, "the text; - is stdin"},
                     {"c", "ctx", CLI_I32, "N", &args.n_ctx, 4, INT32_MAX, "tokens in a chunk (default 512)"},
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
    tdl_session *session = NULL;
    tdl_error err = {0};
    tally t = {0};
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
    const tdl_session_desc desc = {
        .size = sizeof desc, .n_ctx = args->n_ctx, .n_batch = args->n_ctx < 512 ? args->n_ctx : 512};
    if (tdl_session_create(opened->model, &desc, &session, &err)) {
        code = cli_fail(&err);
        goto cleanup;
    }
    double start = cli_seconds();
    code = measure(session, opened, &ids, args->n_ctx, n_chunks, &t);
    if (code == CLI_OK) print_result(args, &t, ids.n, n_chunks, cli_seconds() - start);

cleanup:
    tdl_session_destroy(session);
    cli_i32_list_deinit(&ids);
    cli_buffer_deinit(&text);
    return code;
}

static int measure(tdl_session *session, const cli_opened *opened, const cli_i32_list *ids, int32_t n_ctx,
                   int64_t n_chunks, tally *out) {
    bool has_bos = cli_wants_bos(opened->tokenizer);
    int32_t n_vocab = opened->info.n_vocab;
    float *logits = cli_realloc(NULL, N_POSITIONS_AT_ONCE * sizeof *logits, (size_t)n_vocab);
    int code = CLI_OK;
    for (int64_t c = 0; c < n_chunks && code == CLI_OK; c++) {
        if (out->n)
            cli_progress("chunk %lld/%lld, %.4f", (long long)c, (long long)n_chunks, exp(out->sum / (double)out->n));
        const int32_t *chunk = ids->items + c * n_ctx;
        code = measure_chunk(session, chunk, has_bos ? tdl_tokenizer_bos(opened->tokenizer) : chunk[0], n_ctx, n_vocab,
                             logits, out);
    }
    cli_progress_end();
    free(logits);
    return code;
}

// The context's half is only pushed: it is computed, without logits, by the first evaluation after it.
static int measure_chunk(tdl_session *session, const int32_t *ids, int32_t first_id, int32_t n_ctx, int32_t n_vocab,
                         float *logits, tally *out) {
    tdl_error err = {0};
    int32_t first = n_ctx / 2;
    if (tdl_session_rewind(session, 0, &err) || tdl_session_push(session, &first_id, 1, &err) ||
        tdl_session_push(session, ids + 1, (size_t)first - 1, &err))
        return cli_fail(&err);
    for (int32_t i = first; i < n_ctx - 1; i += N_POSITIONS_AT_ONCE) {
        if (cli_interrupted()) return CLI_INTERRUPTED;
        int32_t n = n_ctx - 1 - i < N_POSITIONS_AT_ONCE ? n_ctx - 1 - i : N_POSITIONS_AT_ONCE;
        if (tdl_session_eval(session, ids + i, (size_t)n, logits, &err)) return cli_fail(&err);
        for (int32_t j = 0; j < n; j++) {
            double nll = negative_log_likelihood(logits + (size_t)j * (size_t)n_vocab, n_vocab, ids[i + j + 1]);
            out->sum += nll;
            out->sum_squares += nll * nll;
            out->n++;
        }
    }
    return CLI_OK;
}

// log(sum(exp(x))) - x[id]
static double negative_log_likelihood(const float *logits, int32_t n_vocab, int32_t id) {
    float max = logits[0];
    for (int32_t i = 1; i < n_vocab; i++)
        if (logits[i] > max) max = logits[i];
    double sum = 0.0;
    for (int32_t i = 0; i < n_vocab; i++) sum += (double)expf(logits[i] - max);
    return log(sum) + (double)max - (double)logits[id];
}

static void print_result(const perplexity_args *args, const tally *t, size_t n_tokens, int64_t n_chunks,
                         double seconds) {
    double mean = t->sum / (double)t->n;
    double variance = t->sum_squares / (double)t->n - mean * mean;
    double mean_error = t->n > 1 && variance > 0.0 ? sqrt(variance / (double)(t->n - 1)) : 0.0;
    double perplexity = exp(mean);
    if (args->json) {
        cli_print_json(json_pack("{s:f, s:f, s:f, s:I, s:i, s:I, s:I, s:f}", "perplexity", perplexity, "stderr",
                                 mean_error * perplexity, "nll", mean, "n_chunks", (json_int_t)n_chunks, "n_ctx",
                                 args->n_ctx, "n_scored", (json_int_t)t->n, "n_tokens", (json_int_t)n_tokens, "seconds",
                                 seconds));
        return;
    }
    cli_printf("perplexity %.4f +/- %.5f\n", perplexity, mean_error * perplexity);
    cli_note("%lld chunks of %d tokens, %lld predictions, %.1f s, %.0f tok/s\n", (long long)n_chunks, args->n_ctx,
             (long long)t->n, seconds, (double)n_chunks * args->n_ctx / seconds);
}
