// SPDX-License-Identifier: MIT
// cmd_chat.c - treadle chat: messages from stdin, answers on stdout (chat.h).
#include "cli/chat.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/line_input.h"

#include <stdlib.h>
#include <string.h>

static const char about[] =
    "Talks to a chat model in ChatML. Each line of stdin is a message; the answer is printed as it is made. At a "
    "terminal\n"
    "lines can be edited and called back, and what is pasted is one message. /help lists what else a line can be.\n"
    "Ctrl-C stops an answer, or drops what is typed; twice on an empty line, Ctrl-D, /quit or the end of input ends.\n"
    "From a pipe the exit code is 1 where a message got no whole answer.";

static int talk(chat *c);
static int take_line(chat *c, tdl_text line, bool *ends);
static tdl_text trim(tdl_text text);

int cmd_chat(int argc, char **argv) {
    chat c = {.generate = cli_generate_defaults()};
    const cli_option_group groups[] = {
        {.title = "Chat",
         .options = {{NULL, "system", CLI_ANY_TEXT, "TEXT", &c.system_arg, 0, 0,
                      "the system message (default: none)"}}},
        cli_generate_group(&c.generate),
        cli_sampling_group(&c.generate),
        cli_model_group(&c.model_args),
    };
    const cli_command command = {.name = "chat",
                                 .synopsis = "MODEL [options]",
                                 .about = about,
                                 .groups = groups,
                                 .n_groups = sizeof groups / sizeof groups[0],
                                 .model = &c.model_args.path};
    int code = cli_parse(&command, argc, argv);
    if (code == CLI_GO) code = cli_model_open(&c.model_args, &c.opened);
    if (code == CLI_GO) code = chat_begin(&c);
    if (code == CLI_GO) code = talk(&c);
    chat_deinit(&c);
    return code;
}

// At a terminal the one who types has seen each failure and gone on; a script has to be told by the exit code.
static int talk(chat *c) {
    cli_line_input *input = cli_line_input_create("> ");
    bool interactive = cli_stdin_is_terminal(), asked_to_end = false, ends = false;
    int code = CLI_OK;
    if (interactive) cli_note("/help lists the commands\n");
    while (!ends) {
        tdl_text line;
        cli_line kind = cli_line_input_next(input, &line);
        if (kind == CLI_LINE_END) break;
        if (kind == CLI_LINE_FAILED) {
            code = CLI_FAILURE;
            break;
        }
        if (kind == CLI_LINE_INTERRUPTED) {
            bool dropped = cli_line_input_dropped(input);
            if (!interactive || cli_terminated() || (asked_to_end && !dropped)) {
                code = CLI_INTERRUPTED;
                break;
            }
            cli_interrupt_clear();
            if (!dropped) cli_note("Ctrl-C once more, Ctrl-D or /quit ends\n");
            asked_to_end = !dropped;
            continue;
        }
        asked_to_end = false;
        int answered = take_line(c, trim(line), &ends);
        if (answered != CLI_OK && !interactive) code = answered;
        if (!cli_flush()) break; // nobody reads the answers
    }
    cli_line_input_destroy(input);
    return code;
}

static int take_line(chat *c, tdl_text line, bool *ends) {
    if (line.size == 0) return CLI_OK;
    if (line.ptr[0] != '/') return chat_say(c, line.ptr, line.size);
    if (line.size > 1 && line.ptr[1] == '/') return chat_say(c, line.ptr + 1, line.size - 1);
    return chat_command(c, line.ptr, line.size, ends);
}

// Without white space at both ends.
static tdl_text trim(tdl_text text) {
    while (text.size && strchr(" \t\r\n", text.ptr[text.size - 1])) text.size--;
    while (text.size && strchr(" \t\r\n", *text.ptr)) {
        text.ptr++;
        text.size--;
    }
    return text;
}
