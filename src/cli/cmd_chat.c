// cmd_chat.c - treadle chat: messages from stdin, answers on stdout, in ChatML.
//
//     <|im_start|>user\nHow are you?<|im_end|>\n<|im_start|>assistant\n ...answer... <|im_end|>\n
//
// The template's markers are pushed as ids and everything between them as plain text, so that a message that contains
// "<|im_end|>" is a message about it. A model without these tokens sees them spelled out, with a warning, and the
// answer then ends at the spelling.
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/generate.h"
#include "cli/model_args.h"
#include "cli/options.h"
#include "cli/prompt_args.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char about[] =
    "Talks to a chat model in ChatML. Each line of stdin is a message; the answer is printed as it is made.\n"
    "Ctrl-C stops an answer, or the program where it waits for a message. /reset begins anew, /quit or the end of\n"
    "input ends.";

#define IM_START "<|im_start|>"
#define IM_END "<|im_end|>"

typedef struct chat {
    cli_model_args model_args;
    cli_generate_args generate;
    const char *system;
    cli_opened opened;
    tdl_session *session;
    int32_t im_start, im_end; // -1: the vocabulary has no such token
    bool ends_with_newline;   // of the answer so far
} chat;

static int start(chat *c);
static int talk(chat *c);
static int answer(chat *c, const char *message, size_t size);
static int build_turn(chat *c, const char *message, size_t size, cli_i32_list *ids);
static int begin_timeline(chat *c, cli_i32_list *ids);
static int close_answer(chat *c, cli_i32_list *ids);
static int add_message(chat *c, const char *role, const char *text, size_t size, cli_i32_list *ids);
static int add_marker(chat *c, int32_t id, const char *spelling, cli_i32_list *ids);
static int add_text(chat *c, const char *text, size_t size, cli_i32_list *ids);
static bool emit(void *user, tdl_text text, int32_t id);
static size_t trim(const char **text, size_t size);

int cmd_chat(int argc, char **argv) {
    chat c = {.generate = cli_generate_defaults()};
    const cli_option_group groups[] = {
        {.title = "Chat",
         .options = {{NULL, "system", CLI_TEXT, "TEXT", &c.system, 0, 0, "the system message (default: none)"}}},
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
    if (code == CLI_GO) code = start(&c);
    if (code == CLI_GO) code = talk(&c);
    tdl_session_destroy(c.session);
    cli_model_close(&c.opened);
    cli_generate_deinit(&c.generate);
    return code;
}

static int start(chat *c) {
    int code = cli_model_open(&c->model_args, &c->opened);
    if (code != CLI_GO) return code;
    const tdl_tokenizer *tokenizer = c->opened.tokenizer;
    if (!tokenizer) {
        cli_error("the model has no tokenizer: it cannot chat");
        return CLI_FAILURE;
    }
    c->im_start = tdl_tokenizer_find(tokenizer, IM_START, strlen(IM_START));
    c->im_end = tdl_tokenizer_find(tokenizer, IM_END, strlen(IM_END));
    if (c->im_start < 0 || c->im_end < 0) {
        cli_note("treadle: warning: the vocabulary has no %s: the model may not be made for ChatML\n",
                 c->im_start < 0 ? IM_START : IM_END);
        cli_text_list_add(&c->generate.stops, IM_END);
    }
    int32_t n_ctx = c->generate.n_ctx ? c->generate.n_ctx : cli_default_n_ctx(&c->opened.info, 0);
    return cli_session_create(c->opened.model, &c->generate, n_ctx, &c->session);
}

static int talk(chat *c) {
    char *line = NULL;
    size_t line_max = 0;
    int code = CLI_OK;
    for (;;) {
        if (cli_stdin_is_terminal()) cli_note("> ");
        errno = 0;
        ssize_t n = getline(&line, &line_max, stdin);
        if (n < 0) {
            if (cli_interrupted()) code = CLI_INTERRUPTED;
            else if (ferror(stdin)) {
                cli_error("stdin: %s", strerror(errno));
                code = CLI_FAILURE;
            }
            break;
        }
        const char *message = line;
        size_t size = trim(&message, (size_t)n);
        if (size == 0) continue;
        if (size == 5 && memcmp(message, "/quit", 5) == 0) break;
        int answered = CLI_OK;
        if (size == 6 && memcmp(message, "/reset", 6) == 0) tdl_session_rewind(c->session, 0, NULL);
        else answered = answer(c, message, size);
        if (answered != CLI_OK) code = answered;
        if (!cli_flush()) break; // nobody reads the answers
    }
    free(line);
    return code;
}

// One message and its answer. A failure is said and leaves the chat usable.
static int answer(chat *c, const char *message, size_t size) {
    cli_i32_list ids = {0};
    tdl_error err = {0};
    int code = build_turn(c, message, size, &ids);
    if (code != CLI_GO) goto cleanup;
    if (tdl_session_push(c->session, ids.items, ids.n, &err)) {
        code = cli_fail(&err);
        goto cleanup;
    }
    c->ends_with_newline = false;
    const cli_generate_desc desc = {.session = c->session,
                                    .tokenizer = c->opened.tokenizer,
                                    .n_predict = c->generate.n_predict,
                                    .n_prompt = (int32_t)ids.n,
                                    .stop_id = c->im_end,
                                    .emit = emit,
                                    .user = c};
    cli_generated generated = cli_generate(&desc);
    if (!c->ends_with_newline) cli_printf("\n");
    code = CLI_OK;
    if (generated.end == CLI_END_INTERRUPTED) cli_interrupt_clear();
    if (generated.end == CLI_END_ERROR || generated.end == CLI_END_CONTEXT) {
        code = cli_fail(&generated.err);
        if (generated.end == CLI_END_CONTEXT) cli_note("/reset begins anew; --ctx sets the context's size\n");
    }

cleanup:
    cli_i32_list_deinit(&ids);
    return code;
}

static int build_turn(chat *c, const char *message, size_t size, cli_i32_list *ids) {
    size_t n_tokens;
    tdl_session_tokens(c->session, &n_tokens);
    int code = n_tokens == 0 ? begin_timeline(c, ids) : close_answer(c, ids);
    if (code == CLI_GO) code = add_message(c, "user\n", message, size, ids);
    if (code == CLI_GO) code = add_marker(c, c->im_start, IM_START, ids);
    if (code == CLI_GO) code = add_text(c, "assistant\n", strlen("assistant\n"), ids);
    return code;
}

static int begin_timeline(chat *c, cli_i32_list *ids) {
    if (cli_wants_bos(c->opened.tokenizer)) {
        int32_t bos = tdl_tokenizer_bos(c->opened.tokenizer);
        cli_i32_list_add(ids, &bos, 1);
    }
    return c->system ? add_message(c, "system\n", c->system, strlen(c->system), ids) : CLI_GO;
}

// However the last answer ended (another end token, a limit, Ctrl-C), it is followed by the marker.
static int close_answer(chat *c, cli_i32_list *ids) {
    size_t n_tokens;
    const int32_t *tokens = tdl_session_tokens(c->session, &n_tokens);
    int32_t last = tokens[n_tokens - 1];
    int code = CLI_GO;
    if (last != c->im_end) {
        if (tdl_tokenizer_is_end(c->opened.tokenizer, last)) tdl_session_rewind(c->session, n_tokens - 1, NULL);
        code = add_marker(c, c->im_end, IM_END, ids);
    }
    return code == CLI_GO ? add_text(c, "\n", 1, ids) : code;
}

// The role and the text are encoded together, as the template has them.
static int add_message(chat *c, const char *role, const char *text, size_t size, cli_i32_list *ids) {
    cli_buffer body = {0};
    cli_buffer_append(&body, role, strlen(role));
    cli_buffer_append(&body, text, size);
    int code = add_marker(c, c->im_start, IM_START, ids);
    if (code == CLI_GO) code = add_text(c, body.data, body.size, ids);
    if (code == CLI_GO) code = add_marker(c, c->im_end, IM_END, ids);
    if (code == CLI_GO) code = add_text(c, "\n", 1, ids);
    cli_buffer_deinit(&body);
    return code;
}

static int add_marker(chat *c, int32_t id, const char *spelling, cli_i32_list *ids) {
    if (id < 0) return add_text(c, spelling, strlen(spelling), ids);
    cli_i32_list_add(ids, &id, 1);
    return CLI_GO;
}

static int add_text(chat *c, const char *text, size_t size, cli_i32_list *ids) {
    const tdl_encode_desc desc = {.size = sizeof desc, .bos = TDL_BOS_NEVER};
    return cli_encode(c->opened.tokenizer, text, size, &desc, ids);
}

static bool emit(void *user, tdl_text text, int32_t id) {
    (void)id;
    chat *c = user;
    if (text.size == 0) return true;
    c->ends_with_newline = text.ptr[text.size - 1] == '\n';
    return cli_write(text.ptr, text.size) && cli_flush();
}

// Without white space at both ends.
static size_t trim(const char **text, size_t size) {
    const char *at = *text;
    while (size && strchr(" \t\r\n", at[size - 1])) size--;
    while (size && strchr(" \t\r\n", *at)) {
        at++;
        size--;
    }
    *text = at;
    return size;
}
