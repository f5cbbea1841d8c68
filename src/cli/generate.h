// SPDX-License-Identifier: MIT
// generate.h - the flags of sampling, and the loop that draws tokens until something ends it: for run and chat.
#ifndef TDL_CLI_GENERATE_H
#define TDL_CLI_GENERATE_H

#include "cli/options.h"
#include "treadle.h"

typedef struct cli_generate_args {
    tdl_sampler_desc sampler;
    int32_t repeat_last_n; // 0: no penalties, unlike the sampler's own field
    int32_t n_predict;     // 0: no limit
    int32_t n_ctx;         // 0: cli_default_n_ctx
    int32_t n_batch;
    cli_text_list stops;
    bool ignore_eos;
} cli_generate_args;

// The customary defaults of command lines, and a random seed.
cli_generate_args cli_generate_defaults(void);
void cli_generate_deinit(cli_generate_args *args);
cli_option_group cli_sampling_group(cli_generate_args *args);
cli_option_group cli_generate_group(cli_generate_args *args);

// A session as the flags describe it. CLI_GO or an exit code.
int cli_session_create(tdl_model *model, const cli_generate_args *args, int32_t n_ctx, tdl_session **out);

typedef enum cli_end {
    CLI_END_TOKEN = 0,   // an end-of-generation token
    CLI_END_STOP,        // a stop string
    CLI_END_LENGTH,      // n_predict
    CLI_END_CONTEXT,     // no position left; the message is in `err`
    CLI_END_INTERRUPTED, // Ctrl-C
    CLI_END_OUTPUT,      // emit returned false
    CLI_END_ERROR,       // see `err`
} cli_end;

const char *cli_end_name(cli_end end);

typedef struct cli_generate_desc {
    tdl_session *session; // with the prompt pushed
    const tdl_tokenizer *tokenizer;
    int32_t n_predict;
    int32_t n_prompt; // for the progress line
    int32_t stop_id;  // ends the text as an end-of-generation token does; -1: none
    // Called for every step with the text that became certain (maybe none) and the id that joined the timeline (or -1).
    bool (*emit)(void *user, tdl_text text, int32_t id);
    void *user;
} cli_generate_desc;

typedef struct cli_generated {
    cli_end end;
    tdl_error err;
    size_t n_new;    // tokens
    double prompt_s; // until the first of them
    double decode_s; // from there
} cli_generated;

cli_generated cli_generate(const cli_generate_desc *desc);

#endif
