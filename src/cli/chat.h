// SPDX-License-Identifier: MIT
// chat.h - a conversation: its messages as text, and the same as a session's timeline in ChatML.
//
//     <|im_start|>user\nHow are you?<|im_end|>\n<|im_start|>assistant\n ...answer... <|im_end|>\n
//
// The template's markers may name special tokens and everything between them may not, so that a message that contains
// "<|im_end|>" is a message about it. A model without these tokens sees them spelled out, with a warning, and the
// answer then ends at the spelling.
#ifndef TDL_CLI_CHAT_H
#define TDL_CLI_CHAT_H

#include "cli/generate.h"
#include "cli/model_args.h"

typedef struct chat_message {
    bool from_user; // else the model's
    char *text;     // [size] and a NUL, owned
    size_t size;
} chat_message;

typedef struct chat {
    cli_model_args model_args;
    cli_generate_args generate;
    const char *system_arg;
    cli_opened opened;
    tdl_session *session;
    int32_t im_start, im_end; // -1: the vocabulary has no such token
    cli_buffer system;        // size 0: none
    chat_message *messages;   // [n_messages], user and model in turn
    size_t n_messages, n_messages_max;
    size_t answer_start;    // tokens of the timeline before the last answer; 0: there is none
    bool ends_with_newline; // of the answer so far
} chat;

// chat_timeline.c. Exit codes, or CLI_GO.
int chat_begin(chat *c);                                 // after the model is open: the markers, the session
int chat_say(chat *c, const char *message, size_t size); // and the answer: CLI_OK, or a failure that was said
int chat_again(chat *c);                                 // another answer to the last message
void chat_reset(chat *c);                                // no messages; the system message stays
int chat_restore(chat *c);                               // the timeline that the messages make
void chat_add_message(chat *c, bool from_user, const char *text, size_t size);
void chat_set_system(chat *c, const char *text, size_t size);
void chat_deinit(chat *c);

// chat_commands.c: what begins with a slash. `*ends`: it was /quit.
int chat_command(chat *c, const char *line, size_t size, bool *ends);

#endif
