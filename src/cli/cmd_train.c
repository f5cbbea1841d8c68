// SPDX-License-Identifier: MIT
// cmd_train.c - treadle train and treadle finetune: a training run in a directory.
//
// The run's state, log and curve are the library's (tdl_trainer); this file turns flags into its settings, shows how far it
// is, and writes DIR/model.gguf at the end. Ctrl-C writes a checkpoint first; --resume goes on from it.
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/model_args.h"
#include "cli/options.h"
#include "cli/trace_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char train_about[] = "Trains on text files (documents end at NUL bytes) and on records in .jsonl and "
                                  ".json files: \"text\", \"prompt\" and\n"
                                  "\"completion\", chat \"messages\", ShareGPT's \"conversations\", Alpaca's "
                                  "\"instruction\" and \"output\". DIR gets the\n"
                                  "tokenized data, checkpoint.tdl, log.jsonl, run.json, loss.html, TensorBoard's "
                                  "events, and in the end model.gguf: with\n"
                                  "--val the weights of the lowest validation loss. Ctrl-C (or SIGTERM) writes a "
                                  "checkpoint; --resume goes on from it as if\n"
                                  "nothing had happened, and what is not given then is as it was.";
static const char finetune_about[] =
    "Trains adapters (LoRA) beside the matrices of a model, which stay as they are and may be quantized. DIR gets "
    "what\n"
    "treadle train writes there, with the adapters merged into model.gguf, and adapter/ for PEFT. With --rank 0 all of "
    "the\n"
    "model is trained. Data is as for treadle train; of prompts and chats only the answers are learned.";

typedef struct train_args {
    const char *config, *tokenizer, *from, *shape, *out, *sample;
    cli_text_list data, val, freeze, targets;
    cli_model_args device; // where to compute; its path is not used
    int32_t n_steps, n_epochs, n_batch, n_seq, n_micro, schedule, n_warmup, n_decay, n_val_every, n_val_batches,
        n_checkpoint_every, n_patience, rank, n_vocab;
    float val_split, lr, lr_min, weight_decay, clip, dropout, attention_dropout, alpha; // NaN: not given
    uint64_t seed;
    bool resume, recompute, plan;
    cli_trace trace;
} train_args;

static int command(const char *name, const char *synopsis, const char *about, train_args *args, const char **model,
                   int argc, char **argv);
static int check_combinations(const char *name, const train_args *a);
static int run(train_args *args);
static int steps(tdl_trainer *trainer, const train_args *args);
static int stop_failed(tdl_trainer *trainer, const train_args *args, const tdl_error *why);
static int save(tdl_trainer *trainer, const train_args *args);
static bool show_reading(void *user, double fraction);

enum {
    NOT_GIVEN = INT32_MIN, // of --warmup, where 0 is none
    ESTIMATE_STEPS = 3,    // steps, or seconds, after which a run's time is estimated
    ESTIMATE_S = 20,
    LONG_S = 600,      // seconds that one should be warned of
    EPOCHS_MANY = 100, // of a model that begins with nothing
};

#define ARGS_NOT_GIVEN                                                                            \
    .val_split = NAN, .lr = NAN, .lr_min = NAN, .weight_decay = NAN, .clip = NAN, .dropout = NAN, \
    .attention_dropout = NAN, .alpha = NAN, .n_warmup = NOT_GIVEN

int cmd_train(int argc, char **argv) {
    train_args args = {ARGS_NOT_GIVEN};
    return command("train",
                   "(--size NAME | --config FILE --tokenizer FILE | --from MODEL) --data FILE... --out DIR [options]",
                   train_about, &args, NULL, argc, argv);
}

int cmd_finetune(int argc, char **argv) {
    train_args args = {.rank = 16, ARGS_NOT_GIVEN};
    return command("finetune", "MODEL --data FILE... --out DIR [options]", finetune_about, &args, &args.from, argc,
                   argv);
}

#define SCHEDULE_NAMES "cosine|constant|linear|wsd" // in tdl_schedule's order

static int command(const char *name, const char *synopsis, const char *about, train_args *a, const char **model,
                   int argc, char **argv) {
    const cli_option_group groups[] = {
        {.title = "The model",
         .options = {{NULL, "config", CLI_TEXT, "FILE", &a->config, 0, 0,
                      "config.json of Hugging Face: random weights"},
                     {NULL, "tokenizer", CLI_TEXT, "FILE", &a->tokenizer, 0, 0,
                      "tokenizer.json that goes with it, or a GGUF file that has one"},
                     {NULL, "size", CLI_TEXT, "NAME", &a->shape, 0, 0,
                      "tiny or small: a llama with random weights; without --tokenizer one is trained on the data"},
                     {NULL, "vocab-size", CLI_I32, "N", &a->n_vocab, 1, INT32_MAX,
                      "tokens of that tokenizer (default: tiny 2048, small 4096)"},
                     {NULL, "from", CLI_TEXT, "MODEL", &a->from, 0, 0, "begin with this model's weights"}}},
        {.title = "Run",
         .options = {{NULL, "data", CLI_TEXT_LIST, "FILE", &a->data, 0, 0,
                      "what to learn; several files, or the flag again"},
                     {NULL, "val", CLI_TEXT_LIST, "FILE", &a->val, 0, 0, "measure the loss on this as well"},
                     {NULL, "val-split", CLI_F32, "X", &a->val_split, 0, 0.5,
                      "without --val: hold out this part of the records and measure the loss on it (default from a "
                      "model 0.05 of "
                      "100 or more; 0: none)"},
                     {"o", "out", CLI_TEXT, "DIR", &a->out, 0, 0, "the run's directory"},
                     {NULL, "resume", CLI_FLAG, NULL, &a->resume, 0, 0,
                      "go on from DIR's checkpoint, where there is one"},
                     {NULL, "plan", CLI_FLAG, NULL, &a->plan, 0, 0,
                      "print what a step runs and the memory it takes, and stop"}}},
        {.title = "Training",
         .options =
             {{"n", "steps", CLI_I32, "N", &a->n_steps, 1, INT32_MAX,
               "steps (default 1000; from a model what --epochs' default takes, where that is less)"},
              {NULL, "epochs", CLI_I32, "N", &a->n_epochs, 1, INT32_MAX,
               "in place of --steps: how often all is seen (default from a model 3, more of a few records)"},
              {"b", "batch", CLI_I32, "N", &a->n_batch, 1, INT32_MAX,
               "sequences a step (default 8; from a model fewer where there are less than 192)"},
              {"c", "seq", CLI_I32, "N", &a->n_seq, 2, INT32_MAX,
               "tokens a sequence (default 512 or the model's context; of records what the longest one needs)"},
              {NULL, "micro-batch", CLI_I32, "N", &a->n_micro, 1, INT32_MAX,
               "sequences computed at once; gradients add up (default: all)"},
              {NULL, "lr", CLI_F32, "X", &a->lr, 0, 100,
               "peak learning rate (default 1e-3; from a model 1e-4; of adapters 1e-3, less for wide models)"},
              {NULL, "lr-min", CLI_F32, "X", &a->lr_min, -1, 100, "lowest (default lr / 10)"},
              {NULL, "schedule", CLI_CHOICE, SCHEDULE_NAMES, &a->schedule, 0, 0, "after the warm-up (default cosine)"},
              {NULL, "warmup", CLI_I32, "N", &a->n_warmup, -1, INT32_MAX,
               "steps up to the peak (default steps / 50; from a model at least steps / 10, up to 10)"},
              {NULL, "decay-steps", CLI_I32, "N", &a->n_decay, 1, INT32_MAX,
               "steps down at the end of wsd (default steps / 5)"},
              {NULL, "weight-decay", CLI_F32, "X", &a->weight_decay, -1, 100, "of matrices (default 0.1)"},
              {NULL, "clip", CLI_F32, "X", &a->clip, -1, INFINITY, "the gradient's norm at most (default 1; 0: any)"},
              {NULL, "dropout", CLI_F32, "X", &a->dropout, 0, 0.99, "of the embedding and each block (default 0)"},
              {NULL, "attention-dropout", CLI_F32, "X", &a->attention_dropout, 0, 0.99,
               "of attention's weights (default 0)"},
              {NULL, "seed", CLI_U64, "N", &a->seed, 0, 0, "of weights, order of data and dropout (default 0)"},
              {NULL, "freeze", CLI_TEXT_LIST, "PATTERN", &a->freeze, 0, 0,
               "tensors that stay as they are, without adapters too: 'token_embd.*'"}}},
        {.title = "Adapters, evaluation, memory",
         .options = {{NULL, "rank", CLI_I32, "N", &a->rank, 0, 4096,
                      "train adapters of this rank (finetune: 16, train: 0, none)"},
                     {NULL, "alpha", CLI_F32, "X", &a->alpha, 0, 1e6,
                      "adapters are scaled by alpha / rank (default 2 rank)"},
                     {NULL, "target", CLI_TEXT_LIST, "PATTERN", &a->targets, 0, 0,
                      "matrices with adapters: 'blk.*.attn_q.weight' (default: all in the blocks)"},
                     {NULL, "val-every", CLI_I32, "N", &a->n_val_every, 1, INT32_MAX,
                      "steps between evaluations (default 100; from a model an epoch where that is shorter)"},
                     {NULL, "val-batches", CLI_I32, "N", &a->n_val_batches, 1, INT32_MAX,
                      "micro-batches of one (default: all)"},
                     {NULL, "sample", CLI_TEXT, "TEXT", &a->sample, 0, 0,
                      "show then what the model makes of TEXT, a user's message where the data is conversations"},
                     {NULL, "patience", CLI_I32, "N", &a->n_patience, 1, INT32_MAX,
                      "stop after N evaluations without a better loss (default: never)"},
                     {NULL, "checkpoint-every", CLI_I32, "N", &a->n_checkpoint_every, 1, INT32_MAX,
                      "steps between checkpoints (default 500)"},
                     {NULL, "recompute", CLI_FLAG, NULL, &a->recompute, 0, 0,
                      "compute activations twice instead of keeping them"},
                     {NULL, "trace", CLI_TEXT, "FILE", &a->trace.path, 0, 0,
                      "write when each op of each step ran, as Chrome's trace JSON (chrome://tracing, Perfetto)"}}},
        cli_device_group(&a->device),
    };
    size_t n_groups = sizeof groups / sizeof groups[0], first = model ? 1 : 0; // a MODEL leaves nothing of it to choose
    const cli_command of = {.name = name,
                            .synopsis = synopsis,
                            .about = about,
                            .groups = groups + first,
                            .n_groups = n_groups - first,
                            .elsewhere = model ? groups : NULL,
                            .elsewhere_why = "is of treadle train: finetune begins with the weights of MODEL",
                            .model = model,
                            .more_texts = &a->data};
    int code = cli_parse(&of, argc, argv);
    if (code == CLI_GO) code = check_combinations(name, a);
    if (code == CLI_GO && !a->data.n) code = cli_usage(name, "--data FILE is missing");
    if (code == CLI_GO && !a->out) code = cli_usage(name, "--out DIR is missing");
    if (code == CLI_GO) code = run(a);
    cli_text_list_deinit(&a->data);
    cli_text_list_deinit(&a->val);
    cli_text_list_deinit(&a->freeze);
    cli_text_list_deinit(&a->targets);
    return code;
}

// What contradicts something else, or would be ignored beside it, is refused.
static int check_combinations(const char *name, const train_args *a) {
    if (!a->from && !a->config && !a->shape)
        return cli_usage(name, "one of --from MODEL, --config FILE and --size NAME is needed");
    if (a->shape && (a->from || a->config))
        return cli_usage(name, "--size is of a model of its own: %s has another", a->from ? a->from : "--config");
    if (a->n_vocab && (!a->shape || a->tokenizer))
        return cli_usage(name, "--vocab-size is of the tokenizer that --size trains where there is no --tokenizer");
    if (a->from && a->config)
        return cli_usage(name, "--config is of random weights, '%s' has its own: only one of them can be the model",
                         a->from);
    if (a->from && a->tokenizer)
        return cli_usage(name, "--tokenizer goes with --config: '%s' has a tokenizer of its own", a->from);
    if (a->config && !a->tokenizer) return cli_usage(name, "--tokenizer FILE is missing");
    if (a->val.n && a->val_split > 0)
        return cli_usage(name, "--val-split %g: what is measured is --val's", (double)a->val_split);
    if (a->n_steps && a->n_epochs)
        return cli_usage(name, "--steps %d and --epochs %d: only one of them can say how long it takes", a->n_steps,
                         a->n_epochs);
    if (!a->rank && a->targets.n) return cli_usage(name, "--target is of adapters: --rank N is missing");
    if (!a->rank && cli_is_given(&a->alpha)) return cli_usage(name, "--alpha is of adapters: --rank N is missing");
    if (a->n_decay && a->schedule != TDL_SCHEDULE_WSD)
        return cli_usage(name, "--decay-steps is of --schedule wsd: without it there is no such stage");
    if (cli_is_given(&a->lr_min) && a->schedule == TDL_SCHEDULE_CONSTANT)
        return cli_usage(name, "--lr-min: --schedule constant never goes down");
    if (a->plan && a->trace.path) return cli_usage(name, "--trace: --plan runs no step");
    return CLI_GO;
}

// What the library takes for 0 and for the default.
static float setting(float value) { return isnan(value) ? 0 : value == 0 ? TDL_ZERO : value; }

static tdl_trainer_desc settings(const train_args *a, tdl_device *device, int *percent) {
    return (tdl_trainer_desc){.size = sizeof(tdl_trainer_desc),
                              .model_path = a->from,
                              .config_path = a->config,
                              .tokenizer_path = a->tokenizer,
                              .shape = a->shape,
                              .n_vocab = a->n_vocab,
                              .device = device,
                              .precision = (tdl_precision)a->device.precision,
                              .dir = a->out,
                              .resume = a->resume,
                              .progress = show_reading,
                              .progress_user = percent,
                              .data = a->data.items,
                              .n_data = a->data.n,
                              .val_data = a->val.items,
                              .n_val_data = a->val.n,
                              .val_split = setting(a->val_split),
                              .sample = a->sample,
                              .n_steps = a->n_steps,
                              .n_epochs = a->n_epochs,
                              .n_batch = a->n_batch,
                              .n_seq = a->n_seq,
                              .n_micro_batch = a->n_micro,
                              .lr = setting(a->lr),
                              .lr_min = setting(a->lr_min),
                              .schedule = (tdl_schedule)a->schedule,
                              .n_warmup_steps = a->n_warmup == NOT_GIVEN ? 0
                                                : a->n_warmup <= 0       ? -1
                                                                         : a->n_warmup,
                              .n_decay_steps = a->n_decay,
                              .weight_decay = setting(a->weight_decay),
                              .clip_norm = setting(a->clip),
                              .dropout = setting(a->dropout),
                              .attention_dropout = setting(a->attention_dropout),
                              .seed = a->seed,
                              .freeze = a->freeze.items,
                              .n_freeze = a->freeze.n,
                              .lora_rank = a->rank,
                              .lora_alpha = setting(a->alpha),
                              .lora_targets = a->targets.items,
                              .n_lora_targets = a->targets.n,
                              .n_val_every = a->n_val_every,
                              .n_val_batches = a->n_val_batches,
                              .n_checkpoint_every = a->n_checkpoint_every,
                              .n_patience = a->n_patience,
                              .recompute = a->recompute};
}

static int print_plan(tdl_trainer *trainer) {
    tdl_error err = {0};
    char *text = NULL;
    if (tdl_trainer_plan_text(trainer, &text, &err)) return cli_fail(&err);
    cli_printf("%s", text);
    tdl_trainer_text_free(trainer, text);
    return CLI_OK;
}

static int run(train_args *args) {
    tdl_error err = {0};
    tdl_device *device = NULL;
    tdl_trainer *trainer = NULL;
    int percent = -1, code = cli_device_open(&args->device, &device);
    if (code != CLI_GO) return code;
    const tdl_trainer_desc desc = settings(args, device, &percent);
    tdl_status status = tdl_trainer_create(&desc, &trainer, &err);
    cli_progress_end();
    if (status) code = status == TDL_ERROR_CANCELLED ? CLI_INTERRUPTED : cli_fail(&err);
    if (code == CLI_GO && args->plan) code = print_plan(trainer);
    if (code == CLI_GO) code = cli_trace_begin(&args->trace, device);
    if (code == CLI_GO) code = steps(trainer, args);
    code = cli_trace_end(&args->trace, device, code);
    if (code == CLI_GO) code = save(trainer, args);
    tdl_trainer_destroy(trainer);
    tdl_device_close(device);
    return code;
}

// How often the data is seen, and what of it a sequence holds.
static void describe_epochs(const tdl_trainer_info *info, const train_args *args) {
    const tdl_train_data_info *data = &info->data;
    double n_epochs = (double)info->n_steps * info->n_batch / (double)data->n_windows;
    cli_note(n_epochs < 10 ? "%.2g epochs of %llu sequences" : "%.0f epochs of %llu sequences", n_epochs,
             (unsigned long long)data->n_windows);
    if (!args->from && n_epochs > EPOCHS_MANY)
        cli_note("; so little is learned by heart: to write well takes half a megabyte of text, or more");
    if (data->n_longest) cli_note("; the longest record has %llu tokens", (unsigned long long)data->n_longest);
    cli_note("\n");
}

static void describe(const tdl_trainer_info *info, const train_args *args) {
    const double mb = 1e6;
    cli_note("%s", info->notes);
    if (args->lr == 0) cli_note("--lr 0: the weights stay as they are\n");
    if (args->alpha == 0) cli_note("--alpha 0: the adapters change nothing, and learn nothing\n");
    double n_tokens = (double)info->n_data_tokens;
    cli_note("%s, %.2f M parameters, %.2f M of them trained; %.*f%s tokens; %s\n", info->arch,
             (double)info->n_params / 1e6, (double)info->n_trained / 1e6, n_tokens < 1e5 ? 0 : 2,
             n_tokens < 1e5 ? n_tokens : n_tokens / 1e6, n_tokens < 1e5 ? "" : " M", info->device);
    cli_note("a step: %d sequence%s of %d tokens, %d at once; steps %d to %d\n", info->n_batch,
             info->n_batch == 1 ? "" : "s", info->n_seq, info->n_micro_batch, info->n_done + 1, info->n_steps);
    describe_epochs(info, args);
    cli_note("memory: weights %.1f, gradients %.1f, moments %.1f, activations %.1f MB\n",
             (double)info->weights_size / mb, (double)info->gradients_size / mb, (double)info->moments_size / mb,
             (double)info->activations_size / mb);
}

// A loss of no token is none.
static const char *loss_text(char text[32], float loss) {
    if (isnan(loss)) return "none, no token was counted";
    snprintf(text, 32, "%.4f", (double)loss);
    return text;
}

static void show(const tdl_train_step *s, int32_t n_steps, double left_s) {
    char loss[32], val[32];
    bool measured = s->n_val_counted >= 0;
    if (measured || s->sample) {
        cli_note("step %d/%d  loss %s%s%s  lr %.2e\n", s->step, n_steps, loss_text(loss, s->loss),
                 measured ? "  val " : "", measured ? loss_text(val, s->val_loss) : "", (double)s->lr);
        if (s->sample) cli_note("  sample: %s\n", s->sample);
        return;
    }
    cli_progress("step %d/%d  loss %s  lr %.2e  %.0f tok/s  %d:%02d:%02d left", s->step, n_steps,
                 loss_text(loss, s->loss), (double)s->lr, (double)s->tokens_per_s, (int)(left_s / 3600),
                 (int)(left_s / 60) % 60, (int)left_s % 60);
}

// Says how long the steps that are left take, once it can be told: after one that was slow, else after some that are quick, of
// which the first pays for what the others find ready. took_s: all of them.
static void estimate(const tdl_trainer_info *info, const tdl_train_step *step, int32_t n_done, double took_s) {
    static bool said; // of one run a process
    int32_t n_left = info->n_steps - step->step;
    double left_s = step->tokens_per_s > 0 ? (double)n_left * step->n_tokens / (double)step->tokens_per_s : 0;
    if (said || n_left == 0 || (n_done < ESTIMATE_STEPS && took_s < ESTIMATE_S)) return;
    said = true;
    char text[48];
    if (left_s >= 5400)
        snprintf(text, sizeof text, "%.0f h %02d min", floor(left_s / 3600), (int)fmod(left_s / 60, 60));
    else if (left_s >= 90) snprintf(text, sizeof text, "%.0f min %02d s", floor(left_s / 60), (int)fmod(left_s, 60));
    else snprintf(text, sizeof text, "%.0f s", ceil(left_s));
    if (left_s <= LONG_S) cli_note("about %s for the %d steps that are left\n", text, n_left);
    else
        cli_warn("about %s for the %d steps that are left, of %d tokens each: fewer --epochs or --steps, a shorter "
                 "--seq and "
                 "a smaller --batch take less; Ctrl-C keeps what is done, --resume goes on",
                 text, n_left, step->n_tokens);
}

static int write_checkpoint(tdl_trainer *trainer, tdl_error *err) {
    tdl_status status;
    for (int32_t n = 0; (status = tdl_trainer_checkpoint(trainer, err)) == TDL_PENDING; n++) cli_wait(n);
    return status == TDL_OK ? CLI_OK : CLI_FAILURE;
}

static int steps(tdl_trainer *trainer, const train_args *args) {
    tdl_error err = {0};
    tdl_trainer_info info = {.size = sizeof info};
    char loss[32];
    tdl_trainer_get_info(trainer, &info);
    describe(&info, args);
    double start = cli_seconds();
    int32_t n_turns = 0, n_done = 0;
    tdl_train_step step = {.size = sizeof step};
    for (;;) {
        tdl_status status = tdl_trainer_step(trainer, &step, &err);
        if (status == TDL_PENDING) {
            cli_wait(n_turns++);
            continue;
        }
        n_turns = 0;
        if (status == TDL_DONE) break;
        if (status < 0) return stop_failed(trainer, args, &err);
        n_done++;
        estimate(&info, &step, n_done, cli_seconds() - start);
        show(&step, info.n_steps, (cli_seconds() - start) / n_done * (info.n_steps - step.step));
        if (!cli_interrupted()) continue;
        cli_interrupt_clear();
        cli_progress_end();
        if (write_checkpoint(trainer, &err)) return cli_fail(&err);
        cli_note("stopped after step %d; go on with --resume\n", step.step);
        return CLI_INTERRUPTED;
    }
    cli_progress_end();
    if (n_done)
        cli_note("%d steps in %.1f s, %.0f tok/s; last loss %s\n", n_done, cli_seconds() - start,
                 (double)n_done * info.n_batch * info.n_seq / (cli_seconds() - start), loss_text(loss, step.loss));
    else if (info.n_done >= info.n_steps)
        cli_note("nothing is left to train: %d of %d steps are done; --steps above %d goes on, or more --epochs\n",
                 info.n_done, info.n_steps, info.n_done);
    else
        cli_note(
            "nothing is left to train: it stopped after step %d, when the validation loss no longer fell; a larger "
            "--patience goes on\n",
            info.n_done);
    return CLI_GO;
}

// A step that failed changed no weight: what is there is worth keeping.
static int stop_failed(tdl_trainer *trainer, const train_args *args, const tdl_error *why) {
    tdl_trainer_info info = {.size = sizeof info};
    tdl_error err = {0};
    (void)cli_fail(why);
    tdl_trainer_get_info(trainer, &info);
    if (info.n_done == 0) return CLI_FAILURE;
    if (write_checkpoint(trainer, &err)) return cli_fail(&err);
    cli_note("%s/checkpoint.tdl is as it was after step %d: --resume goes on from it, with a lower --lr where the loss "
             "diverged; --resume --steps %d writes it as a model\n",
             args->out, info.n_done, info.n_done);
    return CLI_FAILURE;
}

static int save(tdl_trainer *trainer, const train_args *args) {
    tdl_error err = {0};
    size_t size = strlen(args->out) + sizeof "/model.gguf";
    char *path = cli_realloc(NULL, size, 1);
    snprintf(path, size, "%s/model.gguf", args->out);
    tdl_status status;
    for (int32_t n = 0; (status = tdl_trainer_save(trainer, path, &err)) == TDL_PENDING; n++) cli_wait(n);
    if (status == TDL_OK)
        cli_note("the model is %s: treadle %s %s; the curve is %s/loss.html\n", path, args->rank ? "chat" : "run", path,
                 args->out);
    if (status == TDL_OK && args->rank) {
        snprintf(path, size, "%s/adapter", args->out);
        for (int32_t n = 0; (status = tdl_trainer_save_adapters(trainer, path, &err)) == TDL_PENDING; n++) cli_wait(n);
    }
    free(path);
    return status == TDL_OK ? CLI_OK : cli_fail(&err);
}

static bool show_reading(void *user, double fraction) {
    int *percent = user;
    if ((int)(100 * fraction) > *percent) {
        *percent = (int)(100 * fraction);
        cli_progress("tokenizing %d%%", *percent);
    }
    return !cli_interrupted();
}
