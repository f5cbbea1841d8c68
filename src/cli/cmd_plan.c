// SPDX-License-Identifier: MIT
// cmd_plan.c - treadle plan: what a step computes, like EXPLAIN.
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/model_args.h"
#include "cli/options.h"

#include <string.h>

static int print_plan(tdl_model *model, const tdl_batch_desc *desc);

int cmd_plan(int argc, char **argv) {
    cli_model_args args = {0};
    cli_opened opened = {0};
    tdl_batch_desc batch = {.size = sizeof batch};
    const cli_option_group groups[] = {
        {.title = "Batch",
         .options = {{"b", "batch", CLI_I32, "N", &batch.n_tokens_max, 1, 65536, "tokens in a step (default 512)"},
                     {NULL, "sessions", CLI_I32, "N", &batch.n_sessions_max, 1, 65536,
                      "sessions in a step (default 1)"}}},
        cli_model_group(&args),
    };
    const cli_command command = {.name = "plan",
                                 .synopsis = "MODEL [options]",
                                 .about = "Prints what one step runs, one line an operation.",
                                 .groups = groups,
                                 .n_groups = sizeof groups / sizeof groups[0],
                                 .model = &args.path};
    int code = cli_parse(&command, argc, argv);
    if (code == CLI_GO) code = cli_model_open(&args, &opened);
    if (code == CLI_GO) code = print_plan(opened.model, &batch);
    cli_model_close(&opened);
    return code;
}

static int print_plan(tdl_model *model, const tdl_batch_desc *desc) {
    char *text = NULL;
    tdl_error err = {0};
    if (tdl_model_plan_text(model, desc, &text, &err)) return cli_fail(&err);
    cli_write(text, strlen(text));
    tdl_text_free(model, text);
    return CLI_OK;
}
