// SPDX-License-Identifier: MIT
// generate.c - see generate.h.
#include "cli/generate.h"

#include "cli/console.h"
#include "cli/model_args.h"

#include <sys/random.h>

static uint64_t random_seed(void);
static cli_end end_of_last_step(const cli_generate_desc *desc, int32_t id, size_t n_new);

cli_generate_args cli_generate_defaults(void) {
    return (cli_generate_args){
        .sampler = {.temperature = 0.8f,
                    .top_k = 40,
                    .top_p = 0.95f,
                    .min_p = 0.05f,
                    .repetition_penalty = 1.0f,
                    .seed = random_seed()},
        .repeat_last_n = 64,
        .n_batch = 512,
    };
}

void cli_generate_deinit(cli_generate_args *args) { cli_text_list_deinit(&args->stops); }

cli_option_group cli_sampling_group(cli_generate_args *args) {
    tdl_sampler_desc *s = &args->sampler;
    return (cli_option_group){
        .title = "Sampling",
        .options = {
            {NULL, "temp", CLI_F32, "T", &s->temperature, 0, 1000,
             "temperature (default 0.8); 0: the most probable token"},
            {"s", "seed", CLI_U64, "S", &s->seed, 0, 0,
             "the same seed, prompt and model give the same text (default: random)"},
            {NULL, "top-k", CLI_I32, "K", &s->top_k, 0, INT32_MAX, "keep the K most probable (default 40; 0: all)"},
            {NULL, "top-p", CLI_F32, "P", &s->top_p, 1e-6, 1,
             "keep the smallest set with this probability (default 0.95; 1: all)"},
            {NULL, "min-p", CLI_F32, "P", &s->min_p, 0, 0.999999,
             "keep what has P times the largest probability (default 0.05; 0: all)"},
            {NULL, "repeat-penalty", CLI_F32, "X", &s->repetition_penalty, 1e-3, 1e3,
             "divides positive, multiplies negative logits of recent tokens (default 1)"},
            {NULL, "presence-penalty", CLI_F32, "X", &s->presence_penalty, -1e3, 1e3,
             "subtracted from the logits of recent tokens (default 0)"},
            {NULL, "frequency-penalty", CLI_F32, "X", &s->frequency_penalty, -1e3, 1e3,
             "subtracted as often as the token occurred (default 0)"},
            {NULL, "repeat-last-n", CLI_I32, "N", &args->repeat_last_n, -1, INT32_MAX,
             "tokens the penalties look at (default 64; 0: none, -1: all)"},
        }};
}

cli_option_group cli_generate_group(cli_generate_args *args) {
    return (cli_option_group){
        .title = "Generation",
        .options = {
            {"n", "predict", CLI_I32, "N", &args->n_predict, 0, INT32_MAX,
             "new tokens at most (default 0: until the text ends or the context is full)"},
            {NULL, "stop", CLI_TEXT_LIST, "TEXT", &args->stops, 0, 0,
             "end before this text; may be given several times"},
            {NULL, "ignore-eos", CLI_FLAG, NULL, &args->ignore_eos, 0, 0, "go on past the tokens that end a text"},
            {"c", "ctx", CLI_I32, "N", &args->n_ctx, 1, CLI_CTX_MAX,
             "positions (default: what prompt and -n need, at least 4096, at most the model's)"},
            {"b", "batch", CLI_I32, "N", &args->n_batch, 1, 65536, "prompt tokens computed at once (default 512)"},
        }};
}

int cli_session_create(tdl_model *model, const cli_generate_args *args, int32_t n_ctx, tdl_session **out) {
    tdl_session_desc desc = {.size = sizeof desc,
                             .n_ctx = n_ctx,
                             .n_batch = args->n_batch < n_ctx ? args->n_batch : n_ctx,
                             .n_predict = args->n_predict,
                             .sampler = args->sampler,
                             .stops = args->stops.items,
                             .n_stops = args->stops.n,
                             .ignore_eos = args->ignore_eos};
    desc.sampler.penalty_last_n = args->repeat_last_n;
    if (args->repeat_last_n == 0) {
        desc.sampler.repetition_penalty = 0.0f;
        desc.sampler.presence_penalty = 0.0f;
        desc.sampler.frequency_penalty = 0.0f;
    }
    tdl_error err = {0};
    return tdl_session_create(model, &desc, out, &err) ? cli_fail(&err) : CLI_GO;
}

const char *cli_end_name(cli_end end) {
    static const char *const names[] = {"end", "stop", "length", "context", "interrupted", "output", "error"};
    return names[end];
}

cli_generated cli_generate(const cli_generate_desc *desc) {
    cli_generated out = {0};
    size_t n_tokens, n_known;
    tdl_session_tokens(desc->session, &n_known);
    double start = cli_seconds(), first = 0.0;
    int32_t n_turns = 0, n_computed = tdl_session_n_computed(desc->session), n_first = n_computed;
    for (;;) {
        if (cli_interrupted()) {
            out.end = CLI_END_INTERRUPTED;
            break;
        }
        int32_t token;
        tdl_status status = tdl_session_next(desc->session, &token, &out.err);
        if (status == TDL_PENDING) {
            if (tdl_session_n_computed(desc->session) == n_computed) {
                cli_wait(n_turns++);
                continue;
            }
            n_turns = 0;
            n_computed = tdl_session_n_computed(desc->session);
            cli_progress("prompt %d/%d", n_computed - n_first, desc->n_prompt);
            continue;
        }
        n_turns = 0;
        n_computed = tdl_session_n_computed(desc->session);
        cli_progress_end();
        if (status < 0) {
            out.end = status == TDL_ERROR_CONTEXT_FULL ? CLI_END_CONTEXT : CLI_END_ERROR;
            break;
        }
        const int32_t *tokens = tdl_session_tokens(desc->session, &n_tokens);
        int32_t id = n_tokens > n_known ? tokens[n_tokens - 1] : -1;
        if (out.n_new == 0) first = cli_seconds();
        out.n_new += n_tokens - n_known;
        n_known = n_tokens;
        bool stopped = status == TDL_OK && id >= 0 && id == desc->stop_id;
        bool shown = stopped || desc->emit(desc->user, tdl_session_take_text(desc->session), id);
        if (stopped || status == TDL_DONE) {
            out.end = stopped ? CLI_END_TOKEN : end_of_last_step(desc, id, out.n_new);
            break;
        }
        if (!shown) {
            out.end = CLI_END_OUTPUT;
            break;
        }
    }
    double now = cli_seconds();
    out.prompt_s = (out.n_new ? first : now) - start;
    out.decode_s = out.n_new ? now - first : 0.0;
    return out;
}

// Why the session says DONE.
static cli_end end_of_last_step(const cli_generate_desc *desc, int32_t id, size_t n_new) {
    if (id >= 0 && desc->tokenizer && tdl_tokenizer_is_end(desc->tokenizer, id)) return CLI_END_TOKEN;
    if (desc->n_predict > 0 && n_new >= (size_t)desc->n_predict) return CLI_END_LENGTH;
    return CLI_END_STOP;
}

static uint64_t random_seed(void) {
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed) seed = (uint64_t)(1e9 * cli_seconds());
    return seed >> 32; // short enough to be typed again
}
