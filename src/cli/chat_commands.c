// SPDX-License-Identifier: MIT
// chat_commands.c - the commands of treadle chat: /help and its kind. A line that begins with a slash is never sent to the model,
// but with two.
//
// A saved conversation is one JSON object, {"messages": [{"role": "user", "content": "..."}, ...]}, as training data has it.
#include "cli/chat.h"
#include "cli/console.h"
#include "cli/json_out.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int show_help(chat *c, const char *argument);
static int set_system(chat *c, const char *argument);
static int save(chat *c, const char *argument);
static int load(chat *c, const char *argument);
static int again(chat *c, const char *argument);
static int reset(chat *c, const char *argument);
static int quit(chat *c, const char *argument);
static int read_conversation(chat *from, const char *path);
static int add_json_message(chat *c, const json_t *message, const char *path, size_t number);

typedef enum argument_kind { NO_ARGUMENT, MAY_HAVE_ARGUMENT, NEEDS_ARGUMENT } argument_kind;

static const struct {
    const char *name, *argument;
    argument_kind kind;
    int (*run)(chat *c, const char *argument);
    const char *help;
} commands[] = {
    {"/help", "", NO_ARGUMENT, show_help, "this text"},
    {"/system", " [TEXT]", MAY_HAVE_ARGUMENT, set_system, "begin anew with this system message; without TEXT: show it"},
    {"/save", " FILE", NEEDS_ARGUMENT, save, "write the conversation as JSON"},
    {"/load", " FILE", NEEDS_ARGUMENT, load, "go on with a conversation that /save wrote"},
    {"/regen", "", NO_ARGUMENT, again, "another answer to the last message"},
    {"/reset", "", NO_ARGUMENT, reset, "begin anew; the system message stays"},
    {"/quit", "", NO_ARGUMENT, quit, "end; so does Ctrl-D"},
};

enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

int chat_command(chat *c, const char *line, size_t size, bool *ends) {
    size_t name_size = 0;
    while (name_size < size && !strchr(" \t\n", line[name_size])) name_size++;
    size_t at = name_size;
    while (at < size && strchr(" \t\n", line[at])) at++;
    cli_buffer argument = {0};
    cli_buffer_append(&argument, line + at, size - at);
    int code = CLI_FAILURE, i = 0;
    while (i < N_COMMANDS && (strlen(commands[i].name) != name_size || memcmp(commands[i].name, line, name_size) != 0))
        i++;
    if (i == N_COMMANDS)
        cli_error("'%.*s': no such command: /help lists them; a message that begins with a slash is typed with two",
                  (int)name_size, line);
    else if (commands[i].kind == NO_ARGUMENT && argument.size)
        cli_error("%s takes no argument, got '%s'", commands[i].name, argument.data);
    else if (commands[i].kind == NEEDS_ARGUMENT && !argument.size)
        cli_error("%s: its%s is missing", commands[i].name, commands[i].argument);
    else if (memchr(argument.data, '\0', argument.size)) cli_error("%s: a NUL byte in its argument", commands[i].name);
    else code = commands[i].run(c, argument.data);
    *ends = i < N_COMMANDS && commands[i].run == quit && code == CLI_OK;
    cli_buffer_deinit(&argument);
    return code;
}

static int show_help(chat *c, const char *argument) {
    (void)c, (void)argument;
    for (int i = 0; i < N_COMMANDS; i++)
        cli_note("  %s%-*s %s\n", commands[i].name, 16 - (int)strlen(commands[i].name), commands[i].argument,
                 commands[i].help);
    cli_note(
        "  Ctrl-C stops an answer, or drops what is typed; a message that begins with a slash is typed with two\n");
    return CLI_OK;
}

static int set_system(chat *c, const char *argument) {
    if (!argument[0]) {
        cli_note("%s\n", c->system.size ? c->system.data : "no system message");
        return CLI_OK;
    }
    chat_set_system(c, argument, strlen(argument));
    chat_reset(c);
    cli_note("the conversation begins anew\n");
    return CLI_OK;
}

static int again(chat *c, const char *argument) {
    (void)argument;
    return chat_again(c);
}

static int reset(chat *c, const char *argument) {
    (void)argument;
    chat_reset(c);
    return CLI_OK;
}

static int quit(chat *c, const char *argument) {
    (void)c, (void)argument;
    return CLI_OK;
}

static json_t *message_json(const char *role, const char *text, size_t size) {
    return cli_json_pack("{s:s, s:o}", "role", role, "content", cli_json_text(text, size));
}

// A file that could not be written whole is removed; one that was there is not written over.
static int save(chat *c, const char *path) {
    json_t *messages = cli_json_array();
    if (c->system.size) cli_json_append(messages, message_json("system", c->system.data, c->system.size));
    for (size_t i = 0; i < c->n_messages; i++)
        cli_json_append(messages, message_json(c->messages[i].from_user ? "user" : "assistant", c->messages[i].text,
                                               c->messages[i].size));
    json_t *root = cli_json_pack("{s:o}", "messages", messages);
    FILE *file = fopen(path, "wbx");
    bool ok = file && json_dumpf(root, file, 0) == 0 && fputc('\n', file) != EOF;
    if (file && fclose(file) != 0) ok = false;
    if (!ok) {
        cli_error("%s: %s%s", path, strerror(errno), errno == EEXIST ? "; /save takes a new name" : "");
        if (file) unlink(path);
    } else {
        cli_note("saved %zu messages\n", c->n_messages);
    }
    json_decref(root);
    return ok ? CLI_OK : CLI_FAILURE;
}

// What cannot be read, or does not fit the context, leaves the conversation as it is.
static int load(chat *c, const char *path) {
    chat loaded = *c;
    loaded.system = (cli_buffer){0};
    loaded.messages = NULL;
    loaded.n_messages = loaded.n_messages_max = 0;
    int code = read_conversation(&loaded, path);
    if (code == CLI_GO) code = chat_restore(&loaded);
    chat *dropped = code == CLI_GO ? c : &loaded;
    while (dropped->n_messages) free(dropped->messages[--dropped->n_messages].text);
    free(dropped->messages);
    cli_buffer_deinit(&dropped->system);
    if (code != CLI_GO) return code;
    *c = loaded;
    cli_note("%zu messages\n", c->n_messages);
    return CLI_OK;
}

static int read_conversation(chat *c, const char *path) {
    cli_buffer text = {0};
    json_error_t error;
    if (!cli_read_file(path, &text)) return CLI_FAILURE;
    json_t *root = json_loadb(text.data ? text.data : "", text.size, JSON_ALLOW_NUL, &error);
    const json_t *messages = json_object_get(root, "messages");
    int code = CLI_GO;
    if (!root) {
        cli_error("%s: line %d, column %d: %s", path, error.line, error.column, error.text);
        code = CLI_FAILURE;
    } else if (!json_is_array(messages)) {
        cli_error("%s: an object with \"messages\" expected, as /save writes it", path);
        code = CLI_FAILURE;
    }
    for (size_t i = 0; i < json_array_size(messages) && code == CLI_GO; i++)
        code = add_json_message(c, json_array_get(messages, i), path, i + 1);
    json_decref(root);
    cli_buffer_deinit(&text);
    return code;
}

static int add_json_message(chat *c, const json_t *message, const char *path, size_t number) {
    const json_t *role = json_object_get(message, "role"), *content = json_object_get(message, "content");
    const char *name = json_string_value(role), *text = json_string_value(content);
    size_t size = json_string_length(content);
    bool users_turn = c->n_messages % 2 == 0;
    if (!name || !text) {
        cli_error("%s: message %zu: \"role\" and \"content\", both text, expected", path, number);
        return CLI_FAILURE;
    }
    if (number == 1 && strcmp(name, "system") == 0) {
        chat_set_system(c, text, size);
        return CLI_GO;
    }
    if (strcmp(name, users_turn ? "user" : "assistant") != 0) {
        cli_error("%s: message %zu: role '%s', expected '%s'", path, number, name, users_turn ? "user" : "assistant");
        return CLI_FAILURE;
    }
    chat_add_message(c, users_turn, text, size);
    return CLI_GO;
}
