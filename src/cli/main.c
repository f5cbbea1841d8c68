// SPDX-License-Identifier: MIT
// main.c - the program: finds the command, runs it, turns what became of stdout into the exit code.
//
// Above treadle.h there is nothing but this folder: whatever a command can do, any host program can.
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/options.h"
#include "treadle.h"

#include <string.h>

static int cmd_version(int argc, char **argv);
static int cmd_help(int argc, char **argv);
static int run_command(int argc, char **argv);

static const struct {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"run", "go on from a text", cmd_run},
    {"chat", "talk to a chat model", cmd_chat},
    {"info", "what is in a model's file", cmd_info},
    {"plan", "what one step computes, one line an operation", cmd_plan},
    {"tokenize", "text to token ids", cmd_tokenize},
    {"detokenize", "token ids to text", cmd_detokenize},
    {"tokenizer", "train a tokenizer on text files", cmd_tokenizer},
    {"logits", "write the logits of every position to a NumPy file", cmd_logits},
    {"perplexity", "how well a model predicts a text", cmd_perplexity},
    {"eval", "measure a model on a data set: loss, last word, multiple choice", cmd_eval},
    {"bench", "measure prefill and decode, as llama-bench does", cmd_bench},
    {"train", "train a model, from random weights or from a model's", cmd_train},
    {"finetune", "teach a model more, with adapters (LoRA)", cmd_finetune},
    {"devices", "what --device can name on this machine", cmd_devices},
    {"doctor", "what this machine has, and whether a model fits", cmd_doctor},
    {"version", "print the version", cmd_version},
    {"help", "this text, or a command's: treadle help run", cmd_help},
};

enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

int main(int argc, char **argv) {
    cli_console_init();
    if (argc < 2) {
        cli_error("no command (see treadle help)");
        return CLI_USAGE;
    }
    return cli_finish(run_command(argc - 1, argv + 1));
}

static int run_command(int argc, char **argv) {
    const char *name = argv[0];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) name = "help";
    if (strcmp(name, "--version") == 0) name = "version";
    for (int i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0) return commands[i].run(argc, argv);
    cli_error("'%s': no such command (see treadle help)", name);
    return CLI_USAGE;
}

static int cmd_version(int argc, char **argv) {
    int code = cli_parse(&(cli_command){.name = "version", .synopsis = "", .about = "Prints the version."}, argc, argv);
    if (code == CLI_GO) cli_printf("treadle %s\n", tdl_version());
    return code == CLI_GO ? CLI_OK : code;
}

static int cmd_help(int argc, char **argv) {
    if (argc > 2) return cli_usage("help", "'%s': unexpected argument", argv[2]);
    if (argc > 1) {
        char help[] = "--help";
        if (strcmp(argv[1], "help") != 0) return run_command(2, (char *[]){argv[1], help, NULL});
    }
    cli_printf(
        "usage: treadle COMMAND MODEL [options]\n\n"
        "Runs transformer language models. MODEL is a GGUF file (of a split one, its first part), a .safetensors\n"
        "file beside its config.json, or a Hugging Face directory.\n\nCommands:\n");
    for (int i = 0; i < N_COMMANDS; i++) cli_printf("  %-12s %s\n", commands[i].name, commands[i].summary);
    cli_printf(
        "\ntreadle COMMAND --help lists a command's options.\n\n"
        "Results go to stdout, everything else to stderr. Exit codes: 0 done; 1 a model, a file or a device failed;\n"
        "2 the command line is wrong; 130 interrupted.\n");
    return CLI_OK;
}
