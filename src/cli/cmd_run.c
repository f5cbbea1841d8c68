// SPDX-License-Identifier: MIT
// cmd_run.c - treadle run: goes on from a prompt and prints what is new as it is made.
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/generate.h"
#include "cli/json_out.h"
#include "cli/model_args.h"
#include "cli/options.h"
#include "cli/prompt_args.h"
#include "cli/trace_file.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static const char about[] =
    "Goes on from a prompt, TEXT or -p TEXT, and prints the new text as it is made. Speed and seed follow on stderr.\n"
    "It ends at an end-of-generation token, a stop string, after -n tokens, or where the context is full (an error\n"
    "where -n asked for more).";

typedef struct run_args {
    cli_model_args model;
    cli_prompt_args prompt;
    cli_generate_args generate;
    bool echo, print_ids, json, quiet;
    cli_trace trace;
} run_args;

// What the streaming callback needs.
typedef struct run_output {
    const run_args *args;
    const tdl_tokenizer *tokenizer;
    bool any;         // something is on stdout
    char last;        // the last byte printed
    cli_buffer text;  // for JSON
    cli_i32_list ids; // for JSON
} run_output;

static int run(run_args *args, cli_opened *opened, tdl_session **session);
static int print_prompt(run_output *output, const cli_buffer *text, const cli_i32_list *ids);
static bool emit(void *user, tdl_text text, int32_t id);
static void print_id(run_output *output, int32_t id);
static int finish(run_output *output, const cli_opened *opened, const cli_generated *generated, size_t n_prompt);
static void print_json(const run_output *output, const cli_opened *opened, const cli_generated *generated,
                       size_t n_prompt);
static void print_speed(const run_args *args, const cli_opened *opened, const cli_generated *generated,
                        size_t n_prompt);
static double per_second(double n, double seconds);

int cmd_run(int argc, char **argv) {
    run_args args = {.generate = cli_generate_defaults()};
    cli_opened opened = {0};
    tdl_session *session = NULL;
    const cli_option_group groups[] = {
        cli_prompt_group(&args.prompt),
        cli_generate_group(&args.generate),
        cli_sampling_group(&args.generate),
        {.title = "Output",
         .options = {{NULL, "echo", CLI_FLAG, NULL, &args.echo, 0, 0, "print the prompt too"},
                     {NULL, "print-ids", CLI_FLAG, NULL, &args.print_ids, 0, 0,
                      "print ids on one line, separated by spaces, in place of text"},
                     {NULL, "json", CLI_FLAG, NULL, &args.json, 0, 0, "print one JSON object at the end"},
                     {NULL, "trace", CLI_TEXT, "FILE", &args.trace.path, 0, 0,
                      "write when each op of each step ran, as Chrome's trace JSON (chrome://tracing, Perfetto)"},
                     {"q", "quiet", CLI_FLAG, NULL, &args.quiet, 0, 0, "no speed and no progress on stderr"}}},
        cli_model_group(&args.model),
    };
    const cli_command command = {.name = "run",
                                 .synopsis = "MODEL [TEXT] [options]",
                                 .about = about,
                                 .groups = groups,
                                 .n_groups = sizeof groups / sizeof groups[0],
                                 .model = &args.model.path,
                                 .text = &args.prompt.text};
    int code = cli_parse(&command, argc, argv);
    if (code == CLI_GO && args.json && (args.echo || args.print_ids))
        code = cli_usage("run", "--json goes with neither --echo nor --print-ids");
    if (code == CLI_GO && args.quiet) cli_quiet();
    if (code == CLI_GO) code = run(&args, &opened, &session);
    tdl_session_destroy(session);
    code = cli_trace_end(&args.trace, opened.device, code);
    cli_model_close(&opened);
    cli_generate_deinit(&args.generate);
    cli_prompt_deinit(&args.prompt);
    return code;
}

static int run(run_args *args, cli_opened *opened, tdl_session **session) {
    cli_buffer text = {0};
    cli_i32_list ids = {0};
    run_output output = {.args = args};
    tdl_error err = {0};
    int code = cli_prompt_read("run", &args->prompt, NULL, &text);
    if (code != CLI_GO) goto cleanup;
    code = cli_model_open(&args->model, opened);
    if (code != CLI_GO) goto cleanup;
    output.tokenizer = opened->tokenizer;
    code = cli_prompt_encode(&args->prompt, opened->tokenizer, &text, &ids);
    if (code == CLI_GO) code = cli_prompt_check("run", &args->prompt, &ids);
    if (code != CLI_GO) goto cleanup;
    code = CLI_FAILURE;
    if (!opened->tokenizer && !args->print_ids && !args->json) {
        cli_error("the model has no tokenizer: its ids have no text (use --print-ids)");
        goto cleanup;
    }
    int32_t n_ctx = args->generate.n_ctx;
    if (n_ctx == 0) n_ctx = cli_default_n_ctx(&opened->info, ids.n + (size_t)args->generate.n_predict);
    cli_check_context(&opened->info, n_ctx);
    code = cli_trace_begin(&args->trace, opened->device);
    if (code != CLI_GO) goto cleanup;
    code = cli_session_create(opened->model, &args->generate, n_ctx, session);
    if (code != CLI_GO) goto cleanup;
    if (tdl_session_push(*session, ids.items, ids.n, &err)) {
        code = cli_fail(&err);
        if (err.code == TDL_ERROR_CONTEXT_FULL)
            cli_note("--ctx sets the context's size; the model was trained on %d positions\n",
                     opened->info.n_ctx_train);
        goto cleanup;
    }
    if (args->echo) code = print_prompt(&output, &text, &ids);
    if (code != CLI_GO) goto cleanup;
    const cli_generate_desc desc = {.session = *session,
                                    .tokenizer = opened->tokenizer,
                                    .n_predict = args->generate.n_predict,
                                    .n_prompt = (int32_t)ids.n,
                                    .stop_id = -1,
                                    .emit = emit,
                                    .user = &output};
    cli_generated generated = cli_generate(&desc);
    code = finish(&output, opened, &generated, ids.n);

cleanup:
    cli_i32_list_deinit(&output.ids);
    cli_buffer_deinit(&output.text);
    cli_i32_list_deinit(&ids);
    cli_buffer_deinit(&text);
    return code;
}

static int print_prompt(run_output *output, const cli_buffer *text, const cli_i32_list *ids) {
    if (output->args->print_ids) {
        for (size_t i = 0; i < ids->n; i++) print_id(output, ids->items[i]);
        return CLI_GO;
    }
    cli_buffer decoded = {0};
    int code = CLI_GO;
    if (output->args->prompt.ids.n > 0) code = cli_decode(output->tokenizer, ids, NULL, &decoded);
    const cli_buffer *shown = output->args->prompt.ids.n > 0 ? &decoded : text;
    if (code == CLI_GO) emit(output, (tdl_text){shown->data, shown->size}, -1);
    cli_buffer_deinit(&decoded);
    return code;
}

static bool emit(void *user, tdl_text text, int32_t id) {
    run_output *output = user;
    if (output->args->json) {
        cli_buffer_append(&output->text, text.ptr, text.size);
        if (id >= 0) cli_i32_list_add(&output->ids, &id, 1);
        return true;
    }
    if (output->args->print_ids) {
        if (id >= 0) print_id(output, id);
    } else if (text.size) {
        cli_write(text.ptr, text.size);
        output->any = true;
        output->last = text.ptr[text.size - 1];
    }
    return cli_flush();
}

static void print_id(run_output *output, int32_t id) {
    cli_printf(output->any ? " %d" : "%d", id);
    output->any = true;
}

// The last line: ids end with a newline; text stays exactly what the model wrote, but for a terminal's sake.
static int finish(run_output *output, const cli_opened *opened, const cli_generated *generated, size_t n_prompt) {
    const run_args *args = output->args;
    if (args->json) print_json(output, opened, generated, n_prompt);
    else if (args->print_ids) cli_printf("\n");
    else if (output->any && output->last != '\n' && cli_stdout_is_terminal()) cli_printf("\n");
    if (!cli_flush()) return CLI_FAILURE;
    if (!args->quiet && generated->end != CLI_END_ERROR) print_speed(args, opened, generated, n_prompt);
    switch (generated->end) {
    case CLI_END_ERROR: return cli_fail(&generated->err);
    case CLI_END_INTERRUPTED: return CLI_INTERRUPTED;
    case CLI_END_OUTPUT: return CLI_FAILURE;
    case CLI_END_CONTEXT:
        if (args->generate.n_predict > 0 || generated->n_new == 0) return cli_fail(&generated->err);
        cli_note("the context is full (--ctx sets its size)\n");
        return CLI_OK;
    default: return CLI_OK;
    }
}

static void print_json(const run_output *output, const cli_opened *opened, const cli_generated *generated,
                       size_t n_prompt) {
    json_t *ids = cli_json_array();
    for (size_t i = 0; i < output->ids.n; i++) cli_json_append(ids, json_integer(output->ids.items[i]));
    const char *text = output->text.data ? output->text.data : "";
    json_t *root =
        cli_json_pack("{s:o, s:o, s:s, s:I, s:I, s:u, s:f, s:f, s:f}", "text", cli_json_text(text, output->text.size),
                      "ids", ids, "end", cli_end_name(generated->end), "n_prompt", (json_int_t)n_prompt, "n_new",
                      (json_int_t)generated->n_new, "seed", output->args->generate.sampler.seed, "load_s",
                      opened->load_s, "prompt_s", generated->prompt_s, "decode_s", generated->decode_s);
    cli_print_json(root);
}

// The first new token comes out of the prompt's last step, so decoding is what the others took.
static void print_speed(const run_args *args, const cli_opened *opened, const cli_generated *generated,
                        size_t n_prompt) {
    double n_decoded = generated->n_new ? (double)generated->n_new - 1.0 : 0.0;
    cli_note("\nprompt %zu tokens, %.0f tok/s; %zu new tokens, %.0f tok/s; load %.2f s", n_prompt,
             per_second((double)n_prompt, generated->prompt_s), generated->n_new,
             per_second(n_decoded, generated->decode_s), opened->load_s);
    if (args->generate.sampler.temperature > 0.0f)
        cli_note("; seed %llu", (unsigned long long)args->generate.sampler.seed);
    cli_note("\n");
}

static double per_second(double n, double seconds) { return seconds > 0.0 ? n / seconds : 0.0; }
