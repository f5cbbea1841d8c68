// SPDX-License-Identifier: MIT
// cmd_bench.c - treadle bench: prefill and decode, measured as llama-bench measures them.
//
// A prompt test (pp) computes n_prompt random tokens from position n_depth on, through a tdl_batch: nothing is sampled. A
// generation test (tg) computes n_gen tokens, a random one and then the greedy text, as a program would that generates: a
// device may pick tokens itself and begin the next before the last one was read. Several sequences share the steps of one batch.
// Each test runs once unmeasured before it is measured.
#include "cli/bench_report.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/model_args.h"
#include "cli/options.h"

#include <stdlib.h>
#include <time.h>

static const char about[] =
    "Measures prefill (pp) and decode (tg), with llama-bench's flags, table and JSON fields. -p, -n, -d and -t take "
    "lists\n"
    "(512,1024) and may be given several times; every combination is measured. -p 0 or -n 0 leaves that test out.\n"
    "Attention is always the flash kind: -fa is accepted for the sake of scripts.";

enum { N_WARM_UP = 8 }; // generated tokens

typedef struct bench_args {
    cli_model_args model;
    cli_i32_list n_prompt, n_gen, n_depth, n_threads, n_sequences;
    int32_t n_batch, n_repetitions, flash, format;
    bool no_warmup;
} bench_args;

typedef struct bench_test {
    tdl_batch *batch;
    tdl_session **sessions; // [n_sequences]
    int32_t n_prompt, n_gen, n_depth, n_sequences, n_vocab;
    int32_t first_id; // of a timeline: as the model wants it
    uint32_t random;
} bench_test;

static int check_tests(bench_args *args);
static void fill_defaults(bench_args *args);
static int run_all(bench_args *args);
static int run_threads(bench_args *args, int32_t n_threads, bench_report *report);
static int run_test(const bench_args *args, const cli_opened *opened, bench_test test, int32_t n_threads,
                    bench_report *report);
static int open_sessions(const cli_opened *opened, int32_t n_batch, bench_test *test);
static int measure(bench_test *test, int32_t n_repetitions, bool warm_up, int64_t *ns);
static int begin_repetition(bench_test *test);
static int compute_prompt(bench_test *test);
static int generate(bench_test *test, int32_t n_tokens);
static int push_random(bench_test *test, tdl_session *session, int32_t n);
static int compute_pushed(bench_test *test);
static int32_t count_cores(void);

int cmd_bench(int argc, char **argv) {
    bench_args args = {.n_batch = 512, .n_repetitions = 5, .flash = 1};
    const cli_option_group groups[] = {
        {.title = "Tests",
         .options = {{"p", "n-prompt", CLI_I32_LIST, "N", &args.n_prompt, 0, INT32_MAX, "prompt tokens (default 512)"},
                     {"n", "n-gen", CLI_I32_LIST, "N", &args.n_gen, 0, INT32_MAX, "generated tokens (default 128)"},
                     {"d", "n-depth", CLI_I32_LIST, "N", &args.n_depth, 0, INT32_MAX,
                      "tokens in the cache before the test (default 0)"},
                     {NULL, "n-sequences", CLI_I32_LIST, "N", &args.n_sequences, 1, 4096,
                      "sequences that generate together, in one batch; their tokens count together (default 1)"},
                     {"t", "threads", CLI_I32_LIST, "N", &args.n_threads, 1, 256,
                      "CPU threads (default: one per CPU that the process may use)"},
                     {"ub", "ubatch-size", CLI_I32, "N", &args.n_batch, 1, 65536,
                      "prompt tokens computed at once (default 512)"},
                     {"fa", "flash-attn", CLI_CHOICE, "0|1|on|off|auto", &args.flash, 0, 0, "accepted; always on"},
                     {"r", "repetitions", CLI_I32, "N", &args.n_repetitions, 1, 10000,
                      "measurements of each test (default 5)"},
                     {NULL, "no-warmup", CLI_FLAG, NULL, &args.no_warmup, 0, 0, "leave out the unmeasured first run"},
                     {"o", "output", CLI_CHOICE, BENCH_FORMAT_NAMES, &args.format, 0, 0, "default: md, a table"}}},
        {.title = "Model",
         .options = {{"m", "model", CLI_TEXT, "MODEL", &args.model.path, 0, 0,
                      "the model; the first argument is the same"},
                     {NULL, "device", CLI_TEXT, "NAME", &args.model.device, 0, 0,
                      "where to compute: cpu (the default), webgpu or webgpu:N; see treadle devices"},
                     {NULL, "webgpu-library", CLI_TEXT, "FILE", &args.model.webgpu_library, 0, 0,
                      "the library that implements webgpu.h (default: the usual names)"},
                     {NULL, "isa", CLI_TEXT, "NAME", &args.model.isa, 0, 0,
                      "use at most plain, avx2, avx512, avx512_bf16 or neon instructions (default: the best there is)"},
                     {NULL, "precision", CLI_CHOICE, CLI_PRECISION_NAMES, &args.model.precision, 0, 0,
                      "f32: nothing is rounded below 32 bits; auto, the default: activations may be"},
                     {NULL, "invariant", CLI_FLAG, NULL, &args.model.invariant, 0, 0, CLI_INVARIANT_HELP}}},
    };
    const cli_command command = {.name = "bench",
                                 .synopsis = "-m MODEL [options]",
                                 .about = about,
                                 .groups = groups,
                                 .n_groups = sizeof groups / sizeof groups[0],
                                 .model = &args.model.path};
    int code = cli_parse(&command, argc, argv);
    if (code == CLI_GO) code = check_tests(&args);
    if (code == CLI_GO) code = run_all(&args);
    cli_i32_list_deinit(&args.n_prompt);
    cli_i32_list_deinit(&args.n_gen);
    cli_i32_list_deinit(&args.n_depth);
    cli_i32_list_deinit(&args.n_threads);
    cli_i32_list_deinit(&args.n_sequences);
    return code;
}

// Fills in the defaults; refuses a command line that measures nothing, or less than it says.
static int check_tests(bench_args *args) {
    fill_defaults(args);
    bool prompts = false, generates = false;
    for (size_t i = 0; i < args->n_prompt.n; i++) prompts |= args->n_prompt.items[i] > 0;
    for (size_t i = 0; i < args->n_gen.n; i++) generates |= args->n_gen.items[i] > 0;
    if (!prompts && !generates) return cli_usage("bench", "-p 0 and -n 0 leave nothing to measure");
    if (cli_is_given(&args->n_sequences) && !generates)
        return cli_usage("bench", "--n-sequences is of tests that generate: -n 0 leaves them out");
    if (args->flash == 0 || args->flash == 3) cli_warn("-fa: attention is always the flash kind");
    return CLI_GO;
}

static int run_all(bench_args *args) {
    bench_report report = {.format = (bench_format)args->format, .model_path = args->model.path};
    bench_report_begin(&report);
    int code = CLI_OK;
    for (size_t i = 0; i < args->n_threads.n && code == CLI_OK; i++)
        code = run_threads(args, args->n_threads.items[i], &report);
    bench_report_end(&report);
    return code;
}

static void fill_defaults(bench_args *args) {
    int32_t n_threads = count_cores();
    if (args->n_prompt.n == 0) cli_i32_list_add(&args->n_prompt, &(int32_t){512}, 1);
    if (args->n_gen.n == 0) cli_i32_list_add(&args->n_gen, &(int32_t){128}, 1);
    if (args->n_depth.n == 0) cli_i32_list_add(&args->n_depth, &(int32_t){0}, 1);
    if (args->n_threads.n == 0) cli_i32_list_add(&args->n_threads, &n_threads, 1);
    if (args->n_sequences.n == 0) cli_i32_list_add(&args->n_sequences, &(int32_t){1}, 1);
}

static int run_threads(bench_args *args, int32_t n_threads, bench_report *report) {
    cli_opened opened;
    args->model.n_threads = n_threads;
    int code = cli_model_open(&args->model, &opened);
    if (code == CLI_GO) code = CLI_OK;
    for (size_t d = 0; d < args->n_depth.n; d++) {
        bench_test test = {
            .n_depth = args->n_depth.items[d], .n_sequences = 1, .n_vocab = opened.info.n_vocab, .random = 1};
        for (size_t i = 0; i < args->n_prompt.n && code == CLI_OK; i++) {
            test.n_prompt = args->n_prompt.items[i];
            if (test.n_prompt) code = run_test(args, &opened, test, n_threads, report);
        }
        test.n_prompt = 0;
        for (size_t i = 0; i < args->n_gen.n * args->n_sequences.n && code == CLI_OK; i++) {
            test.n_gen = args->n_gen.items[i / args->n_sequences.n];
            test.n_sequences = args->n_sequences.items[i % args->n_sequences.n];
            if (test.n_gen) code = run_test(args, &opened, test, n_threads, report);
        }
    }
    cli_model_close(&opened);
    return code;
}

static int run_test(const bench_args *args, const cli_opened *opened, bench_test test, int32_t n_threads,
                    bench_report *report) {
    int64_t *ns = cli_realloc(NULL, (size_t)args->n_repetitions, sizeof *ns);
    int64_t started = (int64_t)time(NULL);
    test.first_id = cli_wants_bos(opened->tokenizer) ? tdl_tokenizer_bos(opened->tokenizer) : -1;
    test.sessions = cli_realloc(NULL, (size_t)test.n_sequences, sizeof *test.sessions);
    for (int32_t i = 0; i < test.n_sequences; i++) test.sessions[i] = NULL;
    int code = open_sessions(opened, args->n_batch, &test);
    if (code == CLI_OK) code = measure(&test, args->n_repetitions, !args->no_warmup, ns);
    if (code == CLI_OK) {
        const bench_result result = {.model = &opened->info,
                                     .n_prompt = test.n_prompt,
                                     .n_gen = test.n_gen,
                                     .n_depth = test.n_depth,
                                     .n_sequences = test.n_sequences,
                                     .n_threads = n_threads,
                                     .n_batch = args->n_batch,
                                     .started = started,
                                     .ns = ns,
                                     .n_samples = args->n_repetitions};
        bench_report_add(report, &result);
    }
    for (int32_t i = 0; i < test.n_sequences; i++) tdl_session_destroy(test.sessions[i]);
    tdl_batch_destroy(test.batch);
    free(test.sessions);
    free(ns);
    return code;
}

static int open_sessions(const cli_opened *opened, int32_t n_batch, bench_test *test) {
    tdl_error err = {0};
    int64_t n_ctx =
        (int64_t)test->n_depth + test->n_prompt + test->n_gen + (test->n_gen > 0); // the last is not computed
    cli_check_context(&opened->info, n_ctx - (test->n_gen > 0));
    const tdl_batch_desc batch = {.size = sizeof batch,
                                  .n_sessions_max = test->n_sequences,
                                  .n_tokens_max = n_batch,
                                  .n_cache_tokens = n_ctx * test->n_sequences,
                                  .n_ctx_max = n_ctx > opened->info.n_ctx_train ? (int32_t)n_ctx : 0};
    if (tdl_batch_create(opened->model, &batch, &test->batch, &err)) return cli_fail(&err);
    const tdl_session_desc session = {.size = sizeof session,
                                      .batch = test->batch,
                                      .n_ctx = n_ctx < INT32_MAX ? (int32_t)n_ctx : INT32_MAX,
                                      .n_predict = test->n_gen,
                                      .ignore_eos = true};
    for (int32_t i = 0; i < test->n_sequences; i++)
        if (tdl_session_create(opened->model, &session, &test->sessions[i], &err)) return cli_fail(&err);
    return CLI_OK;
}

static int measure(bench_test *test, int32_t n_repetitions, bool warm_up, int64_t *ns) {
    const char *name = test->n_prompt ? "pp" : "tg";
    int32_t n = test->n_prompt + test->n_gen;
    int code = CLI_OK;
    for (int32_t r = warm_up ? -1 : 0; r < n_repetitions && code == CLI_OK; r++) {
        cli_progress("%s%d @ d%d: %d/%d", name, n, test->n_depth, r + 1, n_repetitions);
        code = begin_repetition(test);
        if (code != CLI_OK) break;
        double start = cli_seconds();
        // A few generated tokens warm up as well as all of them.
        code = test->n_gen ? generate(test, r < 0 && n > N_WARM_UP ? N_WARM_UP : n) : compute_prompt(test);
        if (r >= 0) ns[r] = (int64_t)(1e9 * (cli_seconds() - start));
    }
    cli_progress_end();
    return code;
}

// Leaves exactly n_depth tokens of each sequence computed. A rewind has its last token computed again: that is done here,
// unmeasured.
static int begin_repetition(bench_test *test) {
    tdl_error err = {0};
    int code = CLI_OK;
    for (int32_t i = 0; i < test->n_sequences && code == CLI_OK; i++) {
        size_t n_tokens;
        tdl_session_tokens(test->sessions[i], &n_tokens);
        size_t n_kept = n_tokens < (size_t)test->n_depth ? 0 : (size_t)test->n_depth;
        if (tdl_session_rewind(test->sessions[i], n_kept, &err)) return cli_fail(&err);
        code = push_random(test, test->sessions[i], test->n_depth - (int32_t)n_kept);
    }
    return code == CLI_OK ? compute_pushed(test) : code;
}

static int compute_prompt(bench_test *test) {
    int code = push_random(test, test->sessions[0], test->n_prompt);
    return code == CLI_OK ? compute_pushed(test) : code;
}

// n_tokens of each sequence.
static int generate(bench_test *test, int32_t n_tokens) {
    tdl_error err = {0};
    int32_t token, n_turns = 0;
    int64_t left = (int64_t)n_tokens * test->n_sequences;
    int code = CLI_OK;
    for (int32_t i = 0; i < test->n_sequences && code == CLI_OK; i++) code = push_random(test, test->sessions[i], 1);
    while (code == CLI_OK && left > 0) {
        int64_t before = left;
        for (int32_t i = 0; i < test->n_sequences; i++) {
            size_t n_done;
            tdl_session_tokens(test->sessions[i], &n_done);
            if (n_done > (size_t)test->n_depth + (size_t)n_tokens) continue; // it has all it wants
            tdl_status status = tdl_session_next(test->sessions[i], &token, &err);
            if (status < 0) return cli_fail(&err);
            left -= status == TDL_OK;
        }
        if (left < before) {
            n_turns = 0;
            continue;
        }
        tdl_status status = tdl_batch_step(test->batch, &err);
        if (status < 0) return cli_fail(&err);
        if (status == TDL_PENDING) cli_wait(n_turns++);
        if (cli_interrupted()) return CLI_INTERRUPTED;
    }
    return code;
}

static int push_random(bench_test *test, tdl_session *session, int32_t n) {
    tdl_error err = {0};
    for (int32_t i = 0; i < n; i++) {
        size_t n_tokens;
        tdl_session_tokens(session, &n_tokens);
        test->random = test->random * 1664525u + 1013904223u;
        int32_t id = (int32_t)((uint64_t)test->random * (uint64_t)test->n_vocab >> 32);
        if (n_tokens == 0 && test->first_id >= 0) id = test->first_id;
        if (tdl_session_push(session, &id, 1, &err)) return cli_fail(&err);
    }
    return CLI_OK;
}

static int compute_pushed(bench_test *test) {
    tdl_error err = {0};
    tdl_status status;
    int32_t n_turns = 0;
    while ((status = tdl_batch_step(test->batch, &err)) != TDL_DONE) {
        if (status < 0) return cli_fail(&err);
        if (status == TDL_PENDING) cli_wait(n_turns++);
        else n_turns = 0;
        if (cli_interrupted()) return CLI_INTERRUPTED;
    }
    return CLI_OK;
}

// The library's own default, as a number for the table.
static int32_t count_cores(void) {
    tdl_host_info host = {.size = sizeof host};
    return tdl_host_get_info(&host, NULL) == TDL_OK ? host.n_threads : 1;
}
