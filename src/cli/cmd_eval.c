// SPDX-License-Identifier: MIT
// cmd_eval.c - treadle eval: the loss on a data set as training computes it, last-word prediction, multiple choice.
//
// The three tasks score ids that follow others; they differ in what they take for context and what they do with the
// scores. A continuation's ids are those that the whole text has beyond the context's own, as other harnesses do it.
#include "base/json.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/json_out.h"
#include "cli/model_args.h"
#include "cli/options.h"
#include "cli/prompt_args.h"
#include "cli/score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char about[] =
    "Measures a model on a file. FILE is text, documents separated by NUL bytes, or JSONL with an object a line.\n"
    "loss: the mean negative log-likelihood of what treadle train would learn of FILE, which is anything that it "
    "reads: all\n"
    "of a text, the answers of prompts and conversations. A record is a window by itself, cut after -c tokens; windows "
    "of\n"
    "texts are cut from the documents one after the other, each ended by the end-of-sequence token. A token sees "
    "those\n"
    "before it in its document and window. This is the validation loss of treadle train.\n"
    "last-word: whether the model finds the last word of each \"text\", as LAMBADA asks: all of its tokens have to be\n"
    "the likeliest. The perplexity is that of the words.\n"
    "choices: which of the texts in \"choices\" is the likeliest after \"prompt\", where \"answer\" is the number of "
    "the\n"
    "right one, from 0. A space is put between where there is none. Normalized: by the choices' bytes.";

#define TASK_NAMES "loss|last-word|choices"

typedef enum eval_task { TASK_LOSS, TASK_LAST_WORD, TASK_CHOICES } eval_task;

typedef struct eval_args {
    cli_model_args model;
    const char *file;
    int32_t task; // eval_task
    int32_t n_ctx, n_max;
    bool json;
} eval_args;

typedef struct evaluation {
    const eval_args *args;
    cli_opened opened;
    cli_buffer data; // of tasks with records of their own, and of stdin
    tdl_data *documents;
    cli_scorer scorer;
    int32_t n_ctx;
    int32_t first; // id that a text begins with; -1: none
    // results
    cli_score score;          // loss, last-word: of tokens
    int64_t n;                // windows, or records
    int64_t n_right;          // last-word, choices
    int64_t n_right_norm;     // choices
    int64_t n_cut, n_dropped; // loss: records that a window does not hold
    // the window of task loss: tokens in it so far
    int32_t n_window;
} evaluation;

// A line of the file, or a document of text.
typedef struct record {
    const char *text;
    size_t size;
    long long line;
    json_t *json; // NULL: text
} record;

static int start(evaluation *e);
static int each_document(evaluation *e);
static int each_record(evaluation *e);
static int parse_line(const evaluation *e, record *r);
static int eval_text(evaluation *e, const tdl_data_document *document);
static int eval_data_record(evaluation *e, const tdl_data_document *document);
static int eval_last_word(evaluation *e, const record *r);
static int eval_choices(evaluation *e, const record *r);
static int score_after(evaluation *e, tdl_text context, tdl_text continuation, cli_score *score);
static int text_of(const evaluation *e, const record *r, const char *key, tdl_text *out);
static int bad_record(const evaluation *e, const record *r, const char *what);
static void print_result(const evaluation *e, bool stopped, double seconds);

int cmd_eval(int argc, char **argv) {
    eval_args args = {0};
    evaluation e = {.args = &args};
    const cli_option_group groups[] = {
        {.title = "Options",
         .options = {{"f", "data", CLI_TEXT, "FILE", &args.file, 0, 0, "the data; - is stdin, as JSONL"},
                     {NULL, "task", CLI_CHOICE, TASK_NAMES, &args.task, 0, 0, "what to measure (default loss)"},
                     {"c", "ctx", CLI_I32, "N", &args.n_ctx, 2, CLI_CTX_MAX,
                      "tokens in a window or a record at most (default: the model's context, at most 4096)"},
                     {NULL, "limit", CLI_I32, "N", &args.n_max, 0, INT32_MAX,
                      "measure the first N windows or records (default 0: all)"},
                     {NULL, "json", CLI_FLAG, NULL, &args.json, 0, 0, "print one JSON object"}}},
        cli_model_group(&args.model),
    };
    const cli_command command = {.name = "eval",
                                 .synopsis = "MODEL --data FILE [options]",
                                 .about = about,
                                 .groups = groups,
                                 .n_groups = sizeof groups / sizeof groups[0],
                                 .model = &args.model.path};
    int code = cli_parse(&command, argc, argv);
    if (code == CLI_GO && !args.file) code = cli_usage("eval", "--data FILE is missing");
    if (code == CLI_GO) code = start(&e);
    double begin = cli_seconds();
    if (code == CLI_GO) code = args.task == TASK_LOSS ? each_document(&e) : each_record(&e);
    cli_progress_end();
    bool measured = (args.task == TASK_LOSS ? e.score.n : e.n) > 0;
    if (code == CLI_GO && !measured) {
        cli_error("%s: nothing to measure%s", args.file,
                  e.n_dropped ? ": no record has an answer within -c tokens" : "");
        code = CLI_FAILURE;
    }
    if (code == CLI_GO || (code == CLI_INTERRUPTED && measured))
        print_result(&e, code != CLI_GO, cli_seconds() - begin);
    tdl_data_close(e.documents);
    cli_scorer_deinit(&e.scorer);
    cli_model_close(&e.opened);
    cli_buffer_deinit(&e.data);
    return code == CLI_GO ? CLI_OK : code;
}

static int start(evaluation *e) {
    const eval_args *args = e->args;
    bool is_stdin = strcmp(args->file, "-") == 0;
    tdl_error err = {0};
    if ((args->task != TASK_LOSS || is_stdin) && !cli_read_file(args->file, &e->data))
        return cli_interrupted() ? CLI_INTERRUPTED : CLI_FAILURE;
    int code = cli_model_open(&args->model, &e->opened);
    if (code != CLI_GO) return code;
    const tdl_tokenizer *tokenizer = e->opened.tokenizer;
    if (!tokenizer) {
        cli_error("the model has no tokenizer: it cannot be measured on text");
        return CLI_FAILURE;
    }
    e->first = cli_wants_bos(tokenizer) ? tdl_tokenizer_bos(tokenizer) : -1;
    e->n_ctx = args->n_ctx ? args->n_ctx : cli_default_n_ctx(&e->opened.info, 0);
    const tdl_data_desc desc = {.size = sizeof desc,
                                .tokenizer = tokenizer,
                                .path = is_stdin ? NULL : args->file,
                                .bytes = e->data.data,
                                .bytes_size = e->data.size};
    if (args->task == TASK_LOSS && tdl_data_open(&desc, &e->documents, &err)) return cli_fail(&err);
    cli_check_context(&e->opened.info, e->n_ctx);
    return cli_scorer_init(&e->scorer, &e->opened, e->n_ctx);
}

static int each_document(evaluation *e) {
    tdl_data_document document = {.size = sizeof document};
    tdl_error err = {0};
    int code = CLI_GO;
    tdl_status status = TDL_OK;
    while (code == CLI_GO && !(e->args->n_max && e->n >= e->args->n_max && (document.is_record || e->n_window == 0))) {
        status = tdl_data_next(e->documents, &document, &err);
        if (status != TDL_OK) break;
        code = document.is_record ? eval_data_record(e, &document) : eval_text(e, &document);
    }
    return status < 0 ? cli_fail(&err) : code;
}

static int each_record(evaluation *e) {
    const eval_args *args = e->args;
    const char *end = e->data.data + e->data.size;
    record r = {.text = e->data.data, .line = 1};
    int code = CLI_GO;
    for (const char *next; r.text < end && code == CLI_GO; r.text = next + 1, r.line++) {
        next = memchr(r.text, '\n', (size_t)(end - r.text));
        if (!next) next = end;
        r.size = (size_t)(next - r.text);
        if (args->n_max && e->n >= args->n_max) break;
        if (strspn(r.text, " \t\r\n") >= r.size) continue; // the buffer ends with NUL
        if ((code = parse_line(e, &r)) != CLI_GO) break;
        code = args->task == TASK_LAST_WORD ? eval_last_word(e, &r) : eval_choices(e, &r);
        json_decref(r.json);
        r.json = NULL;
        cli_progress("record %lld, %lld right", (long long)e->n, (long long)e->n_right);
    }
    return code;
}

static int parse_line(const evaluation *e, record *r) {
    tdl_error err = {0};
    tdl_status status = tdl_json_parse(r->text, r->size, "record", &r->json, &err);
    if (status == TDL_OK && json_is_object(r->json)) return CLI_GO;
    cli_error("%s:%lld: %s", e->args->file, r->line, status == TDL_OK ? "a JSON object expected" : err.message);
    json_decref(r->json);
    r->json = NULL;
    return CLI_FAILURE;
}

// ---- loss

static int eval_text(evaluation *e, const tdl_data_document *document) {
    int code = CLI_GO;
    for (size_t i = 0, n; i < document->n_ids && code == CLI_GO; i += n) {
        // What of the document lies in this window; the last token there is followed by one of the next window.
        size_t left = document->n_ids - i, room = (size_t)(e->n_ctx - e->n_window);
        n = left < room ? left : room;
        tdl_error err = {0};
        if (e->n_window == 0 && e->args->n_max && e->n >= e->args->n_max) break;
        const int32_t *ids = document->ids + i;
        if (tdl_session_rewind(e->scorer.session, 0, &err)) code = cli_fail(&err);
        else code = cli_scorer_add(&e->scorer, ids, ids + 1, (int32_t)(n < left ? n : n - 1), &e->score);
        if (e->n_window == 0 && e->n++ && e->score.n)
            cli_progress("window %lld, loss %.4f", (long long)e->n, cli_score_mean(&e->score));
        e->n_window = (e->n_window + (int32_t)n) % e->n_ctx;
    }
    return code;
}

// As a trainer packs them (docs/DATA.md): a record keeps its beginning, a text is cut into pieces.
static int eval_data_record(evaluation *e, const tdl_data_document *d) {
    size_t last = d->n_ids - 1, n_ctx = (size_t)e->n_ctx, n_counted = 0;
    while (!d->counted[last]) last--; // there is one: the first does not count, but another does
    for (size_t i = 1; i <= last; i++) n_counted += d->counted[i];
    if (n_counted < last && last > n_ctx) {
        for (last = n_ctx; last > 0 && !d->counted[last];) last--;
        if (last == 0) {
            e->n_dropped++;
            return CLI_GO;
        }
        e->n_cut++;
    }
    int32_t *targets = cli_realloc(NULL, last, sizeof *targets);
    for (size_t i = 0; i < last; i++) targets[i] = d->counted[i + 1] ? d->ids[i + 1] : -1;
    int code = CLI_GO;
    for (size_t i = 0, n; i < last && code == CLI_GO && !(e->args->n_max && e->n >= e->args->n_max); i += n, e->n++) {
        tdl_error err = {0};
        n = last - i < n_ctx ? last - i : n_ctx;
        if (tdl_session_rewind(e->scorer.session, 0, &err)) code = cli_fail(&err);
        else code = cli_scorer_add(&e->scorer, d->ids + i, targets + i, (int32_t)n, &e->score);
    }
    free(targets);
    return code;
}

// ---- continuations

static int eval_last_word(evaluation *e, const record *r) {
    tdl_text text = {0};
    cli_score score = {0};
    int code = text_of(e, r, "text", &text);
    if (code != CLI_GO) return code;
    while (text.size && strchr(" \t\r\n", text.ptr[text.size - 1])) text.size--;
    size_t at = text.size;
    while (at && !strchr(" \t\r\n", text.ptr[at - 1])) at--;
    if (at < 2) return bad_record(e, r, "\"text\" has no word before the last one");
    at--; // the space belongs to the word
    code = score_after(e, (tdl_text){text.ptr, at}, (tdl_text){text.ptr + at, text.size - at}, &score);
    if (code != CLI_GO) return code;
    e->n++;
    e->n_right += score.n_first == score.n;
    e->score.n++; // of words
    e->score.sum += score.sum;
    e->score.sum_squares += score.sum * score.sum;
    return CLI_GO;
}

static int eval_choices(evaluation *e, const record *r) {
    const json_t *choices = json_object_get(r->json, "choices"), *answer = json_object_get(r->json, "answer");
    size_t n = json_array_size(choices), best = n, best_norm = n; // n: none of them can come
    double best_sum = INFINITY, best_mean = INFINITY;
    tdl_text prompt = {0};
    int code = text_of(e, r, "prompt", &prompt);
    if (code != CLI_GO) return code;
    if (n < 2) return bad_record(e, r, "\"choices\": an array of two texts or more expected");
    if (!json_is_integer(answer) || json_integer_value(answer) < 0 || json_integer_value(answer) >= (json_int_t)n)
        return bad_record(e, r, "\"answer\": the number of a choice, from 0, expected");
    for (size_t i = 0; i < n && code == CLI_GO; i++) {
        const json_t *choice = json_array_get(choices, i);
        size_t size = json_string_length(choice);
        cli_score score = {0};
        cli_buffer text = {0};
        if (size == 0) return bad_record(e, r, "\"choices\": texts expected, none of them empty");
        bool spaced = strchr(" \t\n", json_string_value(choice)[0]) ||
                      (prompt.size && strchr(" \t\n", prompt.ptr[prompt.size - 1]));
        if (!spaced) cli_buffer_append(&text, " ", 1);
        cli_buffer_append(&text, json_string_value(choice), size);
        code = score_after(e, prompt, (tdl_text){text.data, text.size}, &score);
        cli_buffer_deinit(&text);
        if (score.sum < best_sum) {
            best_sum = score.sum;
            best = i;
        }
        if (score.sum / (double)size < best_mean) {
            best_mean = score.sum / (double)size;
            best_norm = i;
        }
    }
    e->n++;
    e->n_right += (json_int_t)best == json_integer_value(answer);
    e->n_right_norm += (json_int_t)best_norm == json_integer_value(answer);
    return code;
}

// Scores the continuation's ids. A text that does not fit the context loses its beginning.
static int score_after(evaluation *e, tdl_text context, tdl_text continuation, cli_score *score) {
    const tdl_tokenizer *tokenizer = e->opened.tokenizer;
    const tdl_encode_desc desc = {.size = sizeof desc, .bos = TDL_BOS_NEVER};
    cli_i32_list ids = {0};
    cli_buffer text = {0};
    tdl_error err = {0};
    int32_t first = e->first >= 0 ? e->first : context.size == 0 ? tdl_tokenizer_eos(tokenizer) : -1;
    if (first >= 0) cli_i32_list_add(&ids, &first, 1);
    cli_buffer_append(&text, context.ptr, context.size);
    int code = cli_encode(tokenizer, context.ptr, context.size, &desc, &ids);
    size_t n_context = ids.n;
    cli_buffer_append(&text, continuation.ptr, continuation.size);
    ids.n = first >= 0;
    if (code == CLI_GO) code = cli_encode(tokenizer, text.data, text.size, &desc, &ids);
    if (code != CLI_GO) goto cleanup;
    if (n_context >= ids.n) n_context = ids.n - 1; // merged into one
    if (n_context == 0) {
        cli_error("%s: a text without context, and the model has no token to begin with", e->args->file);
        code = CLI_FAILURE;
        goto cleanup;
    }
    size_t n = ids.n - n_context, skip = ids.n - 1 > (size_t)e->n_ctx ? ids.n - 1 - (size_t)e->n_ctx : 0;
    if (skip >= n_context) {
        cli_error("%s: a continuation of %zu tokens does not fit the context of %d", e->args->file, n, e->n_ctx);
        code = CLI_FAILURE;
        goto cleanup;
    }
    // The context's last id is given together with the continuation: its logits score the first of them.
    size_t n_before = n_context - 1 - skip;
    tdl_status status = n_before ? tdl_session_sync(e->scorer.session, ids.items + skip, n_before, &err)
                                 : tdl_session_rewind(e->scorer.session, 0, &err);
    if (status < 0) code = cli_fail(&err);
    else code = cli_scorer_add(&e->scorer, ids.items + n_context - 1, ids.items + n_context, (int32_t)n, score);
cleanup:
    cli_i32_list_deinit(&ids);
    cli_buffer_deinit(&text);
    return code;
}

// ---- records and results

static int text_of(const evaluation *e, const record *r, const char *key, tdl_text *out) {
    const json_t *value = json_object_get(r->json, key);
    if (!json_is_string(value)) {
        cli_error("%s:%lld: \"%s\": a text expected", e->args->file, r->line, key);
        return CLI_FAILURE;
    }
    *out = (tdl_text){json_string_value(value), json_string_length(value)};
    return CLI_GO;
}

static int bad_record(const evaluation *e, const record *r, const char *what) {
    cli_error("%s:%lld: %s", e->args->file, r->line, what);
    return CLI_FAILURE;
}

// What was left out of the loss.
static void note_left_out(const evaluation *e) {
    tdl_train_data_info info = {0};
    if (!e->documents) return;
    tdl_data_get_info(e->documents, &info);
    if (info.n_empty + info.n_masked)
        cli_note("%llu of %llu records have nothing that is learned: left out\n",
                 (unsigned long long)(info.n_empty + info.n_masked), (unsigned long long)info.n_records);
    if (e->n_dropped)
        cli_note("%lld records have no answer within %d tokens: left out\n", (long long)e->n_dropped, e->n_ctx);
    if (e->n_cut) cli_note("%lld records are cut after %d tokens\n", (long long)e->n_cut, e->n_ctx);
}

static void print_json(const evaluation *e, json_t *result, bool stopped, double seconds) {
    json_object_set_new(result, "seconds", cli_json_real(seconds));
    if (stopped) json_object_set_new(result, "interrupted", json_true());
    if (e->documents) {
        tdl_train_data_info info = {0};
        tdl_data_get_info(e->documents, &info);
        json_object_set_new(result, "n_left_out",
                            json_integer((json_int_t)(info.n_empty + info.n_masked) + (json_int_t)e->n_dropped));
        json_object_set_new(result, "n_cut", json_integer((json_int_t)e->n_cut));
    }
    cli_print_json(result);
}

static void print_result(const evaluation *e, bool stopped, double seconds) {
    double n = (double)e->n, accuracy = (double)e->n_right / n, norm = (double)e->n_right_norm / n;
    double error = e->n > 1 ? sqrt(accuracy * (1.0 - accuracy) / (n - 1.0)) : 0.0;
    const char *end = stopped ? ", interrupted" : "";
    if (e->args->task == TASK_CHOICES) {
        if (e->args->json) {
            print_json(e,
                       cli_json_pack("{s:s, s:f, s:f, s:f, s:I}", "task", "choices", "accuracy", accuracy, "stderr",
                                     error, "accuracy_norm", norm, "n", (json_int_t)e->n),
                       stopped, seconds);
            return;
        }
        cli_printf("accuracy %.4f +/- %.4f, normalized %.4f\n", accuracy, error, norm);
        cli_note("%lld records, %.1f s%s\n", (long long)e->n, seconds, end);
        return;
    }
    double mean = cli_score_mean(&e->score), mean_error = cli_score_mean_error(&e->score);
    if (e->args->task == TASK_LAST_WORD) {
        if (e->args->json) {
            print_json(e,
                       cli_json_pack("{s:s, s:f, s:f, s:f, s:I}", "task", "last-word", "accuracy", accuracy, "stderr",
                                     error, "perplexity", exp(mean), "n", (json_int_t)e->n),
                       stopped, seconds);
            return;
        }
        cli_printf("accuracy %.4f +/- %.4f, perplexity %.4f\n", accuracy, error, exp(mean));
        cli_note("%lld records, %.1f s%s\n", (long long)e->n, seconds, end);
        return;
    }
    note_left_out(e);
    if (e->args->json) {
        print_json(e,
                   cli_json_pack("{s:s, s:f, s:f, s:f, s:I, s:I, s:i}", "task", "loss", "loss", mean, "stderr",
                                 mean_error, "perplexity", exp(mean), "n_scored", (json_int_t)e->score.n, "n_windows",
                                 (json_int_t)e->n, "n_ctx", e->n_ctx),
                   stopped, seconds);
        return;
    }
    cli_printf("loss %.4f +/- %.4f, perplexity %.4f\n", mean, mean_error, exp(mean));
    cli_note("%lld windows of %d tokens, %lld predictions, %.1f s%s\n", (long long)e->n, e->n_ctx,
             (long long)e->score.n, seconds, end);
}
