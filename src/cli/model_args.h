// SPDX-License-Identifier: MIT
// model_args.h - the flags that say which model runs where, and opening it.
#ifndef TDL_CLI_MODEL_ARGS_H
#define TDL_CLI_MODEL_ARGS_H

#include "cli/console.h"
#include "cli/options.h"
#include "treadle.h"

typedef struct cli_model_args {
    const char *path, *lora;  // lora: a directory; NULL: none
    int32_t n_threads;        // 0: one per core
    const char *device, *isa; // NULL: the library's default
    const char *webgpu_library;
    int32_t precision; // tdl_precision
    bool invariant;
    bool lazy, tells_warnings; // no flags: the command does not compute, tells the model's warnings itself
} cli_model_args;

// The group's options point into *args. The device's are those that training has too.
cli_option_group cli_model_group(cli_model_args *args);
cli_option_group cli_device_group(cli_model_args *args);
// CLI_GO, or the exit code after a message.
int cli_device_open(const cli_model_args *args, tdl_device **out);
// Notes what the library said while no device could be had, and how to get one. library: the one that was named; NULL: none.
void cli_explain_webgpu(const char *library, const cli_buffer *chatter);
enum { CLI_CTX_MAX = 1 << 26 };        // what --ctx takes, as the library's limit
#define CLI_PRECISION_NAMES "auto|f32" // in tdl_precision's order
#define CLI_INVARIANT_HELP \
    "the same bits whatever the batch and the prompt's chunks; slower on a GPU, a CPU always does"

typedef struct cli_opened {
    tdl_device *device;
    tdl_model *model;
    const tdl_tokenizer *tokenizer; // NULL where the model has none
    tdl_model_info info;
    double load_s;
} cli_opened;

// CLI_GO, or the exit code after a message. Closed by cli_model_close, which takes zeros too.
int cli_model_open(const cli_model_args *args, cli_opened *out);
void cli_model_close(cli_opened *opened);

// Whether the model's own texts begin with a beginning-of-sequence token.
bool cli_wants_bos(const tdl_tokenizer *tokenizer);

// The one rule for contexts: no command goes beyond the positions that the model was trained on unless it is told to (-c, a longer
// text, a longer test); then it computes, and says so once. A model with learned positions cannot: its session says that.
// Training refuses, because the file that it writes would say another context than it has.
void cli_check_context(const tdl_model_info *info, int64_t n_positions);

// The context to ask for where the user did not: the model's, but no more than 4096 or what the task needs.
int32_t cli_default_n_ctx(const tdl_model_info *info, size_t n_needed);

#endif
