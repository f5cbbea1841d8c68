// SPDX-License-Identifier: MIT
// options.c - parsing by table, and the help printed from the same table.
#include "cli/options.h"

#include "cli/console.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HELP_COLUMN = 30, GIVEN_MAX = 256 }; // HELP_COLUMN: where the help texts begin

static const void *given[GIVEN_MAX]; // [n_given] targets that the command line has set
static size_t n_given;

static void print_help(const cli_command *command);
static void print_option(const cli_option *option);
static const cli_option *find_option(const cli_option_group *groups, size_t n_groups, const char *arg,
                                     const char **value);
static int refuse(const cli_command *command, const char *arg);
static bool is_named(const cli_option *option, const char *name, size_t name_size, bool two_dashes);
static int take_argument(const cli_command *command, const char *arg);
static void note_given(const void *target);
static int set_value(const cli_command *command, const cli_option *option, const char *flag, const char *value);
static int set_text(const cli_command *command, const cli_option *option, const char *flag, const char *value);
static int set_i32(const cli_command *command, const cli_option *option, const char *flag, const char *value);
static int set_u64(const cli_command *command, const cli_option *option, const char *flag, const char *value);
static int set_f32(const cli_command *command, const cli_option *option, const char *flag, const char *value);
static int set_i32_list(const cli_command *command, const cli_option *option, const char *flag, const char *value);
static int set_choice(const cli_command *command, const cli_option *option, const char *flag, const char *value);

int cli_parse(const cli_command *command, int argc, char **argv) {
    bool options_ended = false;
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        int code;
        if (options_ended || arg[0] != '-' || arg[1] == '\0') {
            code = take_argument(command, arg);
        } else if (strcmp(arg, "--") == 0) {
            options_ended = true;
            continue;
        } else if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
            print_help(command);
            return CLI_OK;
        } else {
            const char *value = NULL;
            const cli_option *option = find_option(command->groups, command->n_groups, arg, &value);
            if (!option) return refuse(command, arg);
            if (option->kind == CLI_FLAG && value)
                return cli_usage(command->name, "%s: takes no value, got '%s'", arg, value);
            if (option->kind != CLI_FLAG && !value) {
                if (i + 1 == argc) return cli_usage(command->name, "%s: its value %s is missing", arg, option->value);
                value = argv[++i];
            }
            code = set_value(command, option, arg, value);
        }
        if (code != CLI_GO) return code;
    }
    if (command->model && !*command->model) return cli_usage(command->name, "MODEL is missing");
    return CLI_GO;
}

bool cli_is_given(const void *target) {
    for (size_t i = 0; i < n_given; i++)
        if (given[i] == target) return true;
    return false;
}

static void note_given(const void *target) {
    if (n_given < GIVEN_MAX && !cli_is_given(target)) given[n_given++] = target;
}

int cli_usage(const char *command_name, const char *format, ...) {
    cli_buffer text = {0};
    va_list args;
    va_start(args, format);
    cli_buffer_append_format(&text, format, args);
    va_end(args);
    cli_error("%s: %s (see treadle %s --help)", command_name, text.data, command_name);
    cli_buffer_deinit(&text);
    return CLI_USAGE;
}

bool cli_parse_ids(const char *text, int32_t min, int32_t max, cli_i32_list *list, const char **bad) {
    for (const char *at = text;;) {
        at += strspn(at, " \t\r\n,[]");
        *bad = at;
        if (*at == '\0') return true;
        char *end;
        errno = 0;
        long value = strtol(at, &end, 10);
        if (end == at || errno || value < min || value > max) return false;
        if (*end != '\0' && !strchr(" \t\r\n,[]", *end)) return false;
        int32_t id = (int32_t)value;
        cli_i32_list_add(list, &id, 1);
        at = end;
    }
}

void cli_i32_list_add(cli_i32_list *list, const int32_t *items, size_t n) {
    if (n > list->n_max - list->n) {
        list->n_max = list->n + n > 2 * list->n_max ? list->n + n : 2 * list->n_max;
        list->items = cli_realloc(list->items, list->n_max, sizeof *list->items);
    }
    if (n) memcpy(list->items + list->n, items, n * sizeof *items);
    list->n += n;
}

void cli_i32_list_deinit(cli_i32_list *list) {
    free(list->items);
    *list = (cli_i32_list){0};
}

void cli_text_list_add(cli_text_list *list, const char *text) {
    if (list->n == list->n_max) {
        list->n_max = list->n_max ? 2 * list->n_max : 4;
        list->items = cli_realloc(list->items, list->n_max, sizeof *list->items);
    }
    list->items[list->n++] = text;
}

void cli_text_list_deinit(cli_text_list *list) {
    free(list->items);
    *list = (cli_text_list){0};
}

static void print_help(const cli_command *command) {
    cli_printf("usage: treadle %s %s\n\n%s\n", command->name, command->synopsis, command->about);
    for (size_t g = 0; g < command->n_groups; g++) {
        cli_printf("\n%s:\n", command->groups[g].title);
        for (const cli_option *option = command->groups[g].options; option->kind != CLI_NONE; option++)
            print_option(option);
    }
}

static void print_option(const cli_option *option) {
    char left[128];
    snprintf(left, sizeof left, "  %s%s%s%s%s%s%s", option->short_name ? "-" : "    ",
             option->short_name ? option->short_name : "", option->short_name && option->long_name ? ", " : "",
             option->long_name ? "--" : "", option->long_name ? option->long_name : "", option->value ? " " : "",
             option->value ? option->value : "");
    if (strlen(left) + 2 > HELP_COLUMN) cli_printf("%s\n%*s%s\n", left, HELP_COLUMN, "", option->help);
    else cli_printf("%-*s%s\n", HELP_COLUMN, left, option->help);
}

// Sets *value to what follows "=", if anything does.
static const cli_option *find_option(const cli_option_group *groups, size_t n_groups, const char *arg,
                                     const char **value) {
    bool two_dashes = arg[1] == '-';
    const char *name = arg + (two_dashes ? 2 : 1);
    const char *equals = two_dashes ? strchr(name, '=') : NULL;
    size_t name_size = equals ? (size_t)(equals - name) : strlen(name);
    for (size_t g = 0; g < n_groups; g++)
        for (const cli_option *option = groups[g].options; option->kind != CLI_NONE; option++)
            if (is_named(option, name, name_size, two_dashes)) {
                *value = equals ? equals + 1 : NULL;
                return option;
            }
    return NULL;
}

static int refuse(const cli_command *command, const char *arg) {
    const char *value = NULL;
    const cli_option *option = command->elsewhere ? find_option(command->elsewhere, 1, arg, &value) : NULL;
    if (!option) return cli_usage(command->name, "unknown option '%s'", arg);
    return cli_usage(command->name, "--%s %s", option->long_name, command->elsewhere_why);
}

static bool is_named(const cli_option *option, const char *name, size_t name_size, bool two_dashes) {
    const char *own = two_dashes ? option->long_name : option->short_name;
    return own && strlen(own) == name_size && memcmp(own, name, name_size) == 0;
}

static int take_argument(const cli_command *command, const char *arg) {
    if (command->model && !*command->model) {
        if (!arg[0]) return cli_usage(command->name, "MODEL is empty");
        *command->model = arg;
        note_given(command->model);
        return CLI_GO;
    }
    if (command->text) {
        if (*command->text)
            return cli_usage(command->name, "'%s': unexpected argument: the text is '%.40s'; quote one with spaces",
                             arg, *command->text);
        *command->text = arg;
        note_given(command->text);
        return CLI_GO;
    }
    if (command->more_texts) {
        if (!arg[0]) return cli_usage(command->name, "'': unexpected argument");
        cli_text_list_add(command->more_texts, arg);
        return CLI_GO;
    }
    if (!command->more_ids && command->model)
        return cli_usage(command->name,
                         "'%s': unexpected argument: the model is '%s'; %s --help names the options that take a text",
                         arg, *command->model, command->name);
    if (!command->more_ids) return cli_usage(command->name, "'%s': unexpected argument", arg);
    const char *bad;
    if (!cli_parse_ids(arg, 0, INT32_MAX, command->more_ids, &bad))
        return cli_usage(command->name, "'%s': token ids expected", arg);
    return CLI_GO;
}

static int set_value(const cli_command *command, const cli_option *option, const char *flag, const char *value) {
    bool repeats = option->kind == CLI_FLAG || option->kind == CLI_TEXT_LIST || option->kind == CLI_I32_LIST;
    if (!repeats && cli_is_given(option->target)) {
        if (option->kind == CLI_TEXT)
            return cli_usage(command->name, "%s '%s': '%s' is given already", flag, value,
                             *(const char **)option->target);
        return cli_usage(command->name, "%s: given twice", flag);
    }
    note_given(option->target);
    switch (option->kind) {
    case CLI_NONE: break;
    case CLI_FLAG: *(bool *)option->target = true; break;
    case CLI_I32: return set_i32(command, option, flag, value);
    case CLI_U64: return set_u64(command, option, flag, value);
    case CLI_F32: return set_f32(command, option, flag, value);
    case CLI_TEXT:
    case CLI_ANY_TEXT:
    case CLI_TEXT_LIST: return set_text(command, option, flag, value);
    case CLI_I32_LIST: return set_i32_list(command, option, flag, value);
    case CLI_CHOICE: return set_choice(command, option, flag, value);
    }
    return CLI_GO;
}

static int set_text(const cli_command *command, const cli_option *option, const char *flag, const char *value) {
    if (!value[0] && option->kind != CLI_ANY_TEXT)
        return cli_usage(command->name, "%s: its value %s is empty", flag, option->value);
    if (option->kind == CLI_TEXT_LIST) cli_text_list_add(option->target, value);
    else *(const char **)option->target = value;
    return CLI_GO;
}

static int set_i32(const cli_command *command, const cli_option *option, const char *flag, const char *value) {
    char *end;
    errno = 0;
    long number = strtol(value, &end, 10);
    if (end == value || *end != '\0' || errno || (double)number < option->min || (double)number > option->max)
        return cli_usage(command->name, "%s: '%s': a whole number from %.0f to %.0f expected", flag, value, option->min,
                         option->max);
    *(int32_t *)option->target = (int32_t)number;
    return CLI_GO;
}

// strtoull takes a minus sign and wraps; a digit has to come first.
static int set_u64(const cli_command *command, const cli_option *option, const char *flag, const char *value) {
    char *end;
    errno = 0;
    unsigned long long number = strtoull(value, &end, 10);
    if (!isdigit((unsigned char)value[0]) || *end != '\0' || errno)
        return cli_usage(command->name, "%s: '%s': a whole number from 0 to 2^64-1 expected", flag, value);
    *(uint64_t *)option->target = number;
    return CLI_GO;
}

static int set_f32(const cli_command *command, const cli_option *option, const char *flag, const char *value) {
    char *end;
    double number = strtod(value, &end);
    if (end == value || *end != '\0' || !(number >= option->min && number <= option->max))
        return cli_usage(command->name, "%s: '%s': a number from %g to %g expected", flag, value, option->min,
                         option->max);
    *(float *)option->target = (float)number;
    return CLI_GO;
}

static int set_i32_list(const cli_command *command, const cli_option *option, const char *flag, const char *value) {
    const char *bad;
    cli_i32_list *list = option->target;
    size_t n_before = list->n;
    if (!cli_parse_ids(value, (int32_t)option->min, (int32_t)option->max, list, &bad) || list->n == n_before)
        return cli_usage(command->name, "%s: '%s': whole numbers from %.0f to %.0f, separated by commas, expected",
                         flag, bad, option->min, option->max);
    return CLI_GO;
}

static int set_choice(const cli_command *command, const cli_option *option, const char *flag, const char *value) {
    size_t value_size = strlen(value);
    const char *name = option->value;
    for (int32_t index = 0;; index++) {
        size_t size = strcspn(name, "|");
        if (size == value_size && memcmp(name, value, size) == 0) {
            *(int32_t *)option->target = index;
            return CLI_GO;
        }
        if (name[size] == '\0') break;
        name += size + 1;
    }
    return cli_usage(command->name, "%s: '%s': one of %s expected", flag, value, option->value);
}
