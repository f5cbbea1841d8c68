// SPDX-License-Identifier: MIT
// options.h - command lines as tables: what is parsed is what --help prints.
//
//     cli_model_args model = {0};
//     int32_t n = 10;
//     const cli_option_group groups[] = {
//         {.title = "Options", .options = {{"n", "predict", CLI_I32, "N", &n, 0, 100, "new tokens at most"}}},
//         cli_model_group(&model),
//     };
//     const cli_command command = {.name = "run", .synopsis = "MODEL [options]", .groups = groups, .n_groups = 2,
//                                  .model = &model.path};
//     int code = cli_parse(&command, argc, argv);
//     if (code != CLI_GO) return code;
//
// What is given twice, lists and switches apart, is refused: one of the two would be ignored.
//
// Forms: -n 5, --predict 5, --predict=5; a short name may have several letters (-fa 1); "--" ends the options. A value
// may begin with a dash. Wrong lines end with exit code 2 and a message that names the flag.
#ifndef TDL_CLI_OPTIONS_H
#define TDL_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What a command returns, and so the program.
enum {
    CLI_GO = -1, // not an exit code: go on
    CLI_OK = 0,
    CLI_FAILURE = 1, // model, file or device
    CLI_USAGE = 2,
    CLI_INTERRUPTED = 130,
};

typedef enum cli_kind {
    CLI_NONE = 0,  // ends a table
    CLI_FLAG,      // bool, set to true
    CLI_I32,       // int32_t
    CLI_U64,       // uint64_t; min and max are not used
    CLI_F32,       // float
    CLI_TEXT,      // const char *, of argv; not empty
    CLI_ANY_TEXT,  // the same, maybe empty
    CLI_TEXT_LIST, // cli_text_list; each use of the flag appends; none is empty
    CLI_I32_LIST,  // cli_i32_list: 1,2,3; each use of the flag appends
    CLI_CHOICE,    // int32_t: index of the value among `value`'s names, "f32|auto"
} cli_kind;

typedef struct cli_i32_list {
    int32_t *items; // [n], owned
    size_t n, n_max;
} cli_i32_list;

typedef struct cli_text_list {
    const char **items; // [n], owned; the texts are argv's
    size_t n, n_max;
} cli_text_list;

void cli_i32_list_add(cli_i32_list *list, const int32_t *items, size_t n);
void cli_i32_list_deinit(cli_i32_list *list);
void cli_text_list_add(cli_text_list *list, const char *text);
void cli_text_list_deinit(cli_text_list *list);

typedef struct cli_option {
    const char *short_name, *long_name; // without dashes; either may be NULL
    cli_kind kind;
    const char *value; // its name in the help; a choice's names
    void *target;
    double min, max; // of numbers, inclusive
    const char *help;
} cli_option;

enum { CLI_GROUP_OPTIONS_MAX = 20 };

typedef struct cli_option_group {
    const char *title;
    cli_option options[CLI_GROUP_OPTIONS_MAX]; // up to the first of kind NONE
} cli_option_group;

typedef struct cli_command {
    const char *name, *synopsis;
    const char *about; // paragraphs for --help
    const cli_option_group *groups;
    size_t n_groups;
    const char **model;        // set to the first argument that is no option, unless a flag did; NULL: none is taken
    const char **text;         // set to the second, unless a flag did; NULL: none is taken
    cli_i32_list *more_ids;    // further arguments are ids; NULL: none are taken
    cli_text_list *more_texts; // or texts, as more of a flag's values: --data a b c; NULL: none are taken
    const cli_option_group *elsewhere; // a group whose options are refused by name; NULL: none
    const char *elsewhere_why;         // what follows the name
} cli_command;

// CLI_GO, or what to exit with: CLI_OK after --help.
int cli_parse(const cli_command *command, int argc, char **argv);

// Whether the command line set this option's target.
bool cli_is_given(const void *target);

// Says that the command line is wrong and how to get help; returns CLI_USAGE.
int cli_usage(const char *command_name, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Reads ids separated by commas, white space or brackets. On failure `*bad` is where it went wrong. Limits inclusive.
bool cli_parse_ids(const char *text, int32_t min, int32_t max, cli_i32_list *list, const char **bad);

#endif
