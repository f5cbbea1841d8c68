// SPDX-License-Identifier: MIT
// chat_timeline.c - see chat.h.
#include "cli/chat.h"
#include "cli/console.h"
#include "cli/prompt_args.h"

#include <stdlib.h>
#include <string.h>

#define IM_START "<|im_start|>"
#define IM_END "<|im_end|>"

static int generate(chat *c, size_t n_prompt);
static int begin_answer(const chat *c, cli_i32_list *ids);
static int begin_timeline(const chat *c, cli_i32_list *ids);
static int close_answer(chat *c, cli_i32_list *ids);
static int add_turn(const chat *c, const char *role, const char *text, size_t size, cli_i32_list *ids);
static int add_marker(const chat *c, const char *marker, cli_i32_list *ids);
static int add_text(const chat *c, const char *text, size_t size, cli_i32_list *ids);
static int add_segments(const chat *c, const tdl_segment *segments, size_t n, cli_i32_list *ids);
static bool emit(void *user, tdl_text text, int32_t id);
static void note_full(const chat *c);

int chat_begin(chat *c) {
    const tdl_tokenizer *tokenizer = c->opened.tokenizer;
    if (!tokenizer) {
        cli_error("the model has no tokenizer: it cannot chat");
        return CLI_FAILURE;
    }
    c->im_start = tdl_tokenizer_find(tokenizer, IM_START, strlen(IM_START));
    c->im_end = tdl_tokenizer_find(tokenizer, IM_END, strlen(IM_END));
    if (c->im_start < 0 || c->im_end < 0) {
        cli_warn("the vocabulary has no %s: the model may not be made for ChatML", c->im_start < 0 ? IM_START : IM_END);
        cli_text_list_add(&c->generate.stops, IM_END);
    }
    if (c->system_arg) chat_set_system(c, c->system_arg, strlen(c->system_arg));
    int32_t n_ctx = c->generate.n_ctx ? c->generate.n_ctx : cli_default_n_ctx(&c->opened.info, 0);
    cli_check_context(&c->opened.info, n_ctx);
    return cli_session_create(c->opened.model, &c->generate, n_ctx, &c->session);
}

// A message that does not fit changes nothing: the conversation can go on with a shorter one, or anew.
int chat_say(chat *c, const char *message, size_t size) {
    cli_i32_list ids = {0};
    tdl_error err = {0};
    size_t n_before;
    tdl_session_tokens(c->session, &n_before);
    int code = n_before == 0 ? begin_timeline(c, &ids) : close_answer(c, &ids);
    if (code == CLI_GO) code = add_turn(c, "user\n", message, size, &ids);
    if (code == CLI_GO) code = begin_answer(c, &ids);
    if (code == CLI_GO && tdl_session_push(c->session, ids.items, ids.n, &err)) {
        code = cli_fail(&err);
        if (err.code == TDL_ERROR_CONTEXT_FULL) note_full(c);
    }
    if (code == CLI_GO) {
        chat_add_message(c, true, message, size);
        code = generate(c, ids.n);
    }
    cli_i32_list_deinit(&ids);
    return code;
}

int chat_again(chat *c) {
    tdl_error err = {0};
    if (c->answer_start == 0) {
        cli_error("there is no answer yet");
        return CLI_FAILURE;
    }
    if (tdl_session_rewind(c->session, c->answer_start, &err)) return cli_fail(&err);
    if (c->n_messages && !c->messages[c->n_messages - 1].from_user) free(c->messages[--c->n_messages].text);
    return generate(c, 0);
}

static int generate(chat *c, size_t n_prompt) {
    tdl_session_tokens(c->session, &c->answer_start);
    c->ends_with_newline = false;
    chat_add_message(c, false, "", 0);
    const cli_generate_desc desc = {.session = c->session,
                                    .tokenizer = c->opened.tokenizer,
                                    .n_predict = c->generate.n_predict,
                                    .n_prompt = (int32_t)n_prompt,
                                    .stop_id = c->im_end,
                                    .emit = emit,
                                    .user = c};
    cli_generated generated = cli_generate(&desc);
    if (!c->ends_with_newline) cli_printf("\n");
    if (generated.end == CLI_END_INTERRUPTED) cli_interrupt_clear();
    if (generated.end != CLI_END_ERROR && generated.end != CLI_END_CONTEXT) return CLI_OK;
    int code = cli_fail(&generated.err);
    if (generated.end == CLI_END_CONTEXT) note_full(c);
    return code;
}

static void note_full(const chat *c) {
    cli_note(
        "the conversation fills the context of %d tokens: /save FILE keeps it, /reset begins anew, and chat --ctx N "
        "makes a larger one (the model was trained on %d)\n",
        tdl_session_n_ctx(c->session), c->opened.info.n_ctx_train);
}

void chat_reset(chat *c) {
    tdl_session_rewind(c->session, 0, NULL);
    while (c->n_messages) free(c->messages[--c->n_messages].text);
    c->answer_start = 0;
}

int chat_restore(chat *c) {
    cli_i32_list ids = {0};
    tdl_error err = {0};
    size_t n_last = 0;
    int code = begin_timeline(c, &ids);
    for (size_t i = 0; i < c->n_messages && code == CLI_GO; i++) {
        const chat_message *m = &c->messages[i];
        bool last = i + 1 == c->n_messages;
        if (m->from_user) {
            code = add_turn(c, "user\n", m->text, m->size, &ids);
            continue;
        }
        code = begin_answer(c, &ids);
        n_last = ids.n;
        if (code == CLI_GO) code = add_text(c, m->text, m->size, &ids);
        if (code == CLI_GO) code = add_marker(c, IM_END, &ids);
        if (code == CLI_GO && !last) code = add_text(c, "\n", 1, &ids); // close_answer adds the last one
    }
    if (code == CLI_GO && tdl_session_sync(c->session, ids.items, ids.n, &err)) {
        code = cli_fail(&err);
        if (err.code == TDL_ERROR_CONTEXT_FULL) note_full(c);
    }
    c->answer_start = code == CLI_GO ? n_last : 0;
    cli_i32_list_deinit(&ids);
    return code;
}

void chat_add_message(chat *c, bool from_user, const char *text, size_t size) {
    if (c->n_messages == c->n_messages_max) {
        c->n_messages_max = c->n_messages_max ? 2 * c->n_messages_max : 16;
        c->messages = cli_realloc(c->messages, c->n_messages_max, sizeof *c->messages);
    }
    chat_message *m = &c->messages[c->n_messages++];
    *m = (chat_message){.from_user = from_user, .text = cli_realloc(NULL, size + 1, 1), .size = size};
    if (size) memcpy(m->text, text, size);
    m->text[size] = '\0';
}

void chat_set_system(chat *c, const char *text, size_t size) {
    c->system.size = 0;
    cli_buffer_append(&c->system, text, size);
}

void chat_deinit(chat *c) {
    if (c->session) chat_reset(c);
    free(c->messages);
    cli_buffer_deinit(&c->system);
    tdl_session_destroy(c->session);
    cli_model_close(&c->opened);
    cli_generate_deinit(&c->generate);
}

// ---- ChatML

static int begin_timeline(const chat *c, cli_i32_list *ids) {
    if (cli_wants_bos(c->opened.tokenizer)) {
        int32_t bos = tdl_tokenizer_bos(c->opened.tokenizer);
        cli_i32_list_add(ids, &bos, 1);
    }
    return c->system.size ? add_turn(c, "system\n", c->system.data, c->system.size, ids) : CLI_GO;
}

static int begin_answer(const chat *c, cli_i32_list *ids) {
    int code = add_marker(c, IM_START, ids);
    return code == CLI_GO ? add_text(c, "assistant\n", strlen("assistant\n"), ids) : code;
}

// However the last answer ended (another end token, a limit, Ctrl-C), it is followed by the marker.
static int close_answer(chat *c, cli_i32_list *ids) {
    size_t n_tokens;
    const int32_t *tokens = tdl_session_tokens(c->session, &n_tokens);
    int32_t last = tokens[n_tokens - 1];
    int code = CLI_GO;
    if (c->n_messages == 0) return CLI_GO; // a system message alone
    if (last != c->im_end) {
        if (tdl_tokenizer_is_end(c->opened.tokenizer, last)) tdl_session_rewind(c->session, n_tokens - 1, NULL);
        code = add_marker(c, IM_END, ids);
    }
    return code == CLI_GO ? add_text(c, "\n", 1, ids) : code;
}

// Only the markers may name special tokens; between two of them the ids are those of one text.
static int add_turn(const chat *c, const char *role, const char *text, size_t size, cli_i32_list *ids) {
    const tdl_segment turn[] = {{IM_START, strlen(IM_START), true},
                                {role, strlen(role), false},
                                {text, size, false},
                                {IM_END, strlen(IM_END), true},
                                {"\n", 1, false}};
    return add_segments(c, turn, sizeof turn / sizeof *turn, ids);
}

static int add_marker(const chat *c, const char *marker, cli_i32_list *ids) {
    return add_segments(c, &(tdl_segment){marker, strlen(marker), true}, 1, ids);
}

static int add_text(const chat *c, const char *text, size_t size, cli_i32_list *ids) {
    return add_segments(c, &(tdl_segment){text, size, false}, 1, ids);
}

static int add_segments(const chat *c, const tdl_segment *segments, size_t n, cli_i32_list *ids) {
    const tdl_encode_desc desc = {.size = sizeof desc, .bos = TDL_BOS_NEVER};
    return cli_encode_segments(c->opened.tokenizer, segments, n, &desc, ids);
}

// The last message is the answer that is being made.
static bool emit(void *user, tdl_text text, int32_t id) {
    (void)id;
    chat *c = user;
    if (text.size == 0) return true;
    chat_message *m = &c->messages[c->n_messages - 1];
    m->text = cli_realloc(m->text, m->size + text.size + 1, 1);
    memcpy(m->text + m->size, text.ptr, text.size);
    m->size += text.size;
    m->text[m->size] = '\0';
    c->ends_with_newline = text.ptr[text.size - 1] == '\n';
    return cli_write(text.ptr, text.size) && cli_flush();
}
