// SPDX-License-Identifier: MIT
// cmd_tokenizer.c - treadle tokenizer train: a byte-level BPE tokenizer from text files.
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/json_out.h"
#include "cli/options.h"
#include "treadle.h"

#include <string.h>

static const char about[] =
    "Trains a byte-level BPE tokenizer on text files or .jsonl records, as treadle train reads them, and writes a\n"
    "tokenizer.json that Hugging Face's tokenizers reads, too. Its first token is <|endoftext|>, then come --special, "
    "the\n"
    "256 bytes, and one token a merge. The same data gives the same file.";

typedef struct tokenizer_args {
    cli_text_list data, specials;
    const char *out, *pre;
    int32_t n_vocab, count_min;
    bool json;
} tokenizer_args;

static int train(const tokenizer_args *args);
static int report(const tokenizer_args *args, const tdl_tokenizer_train_info *info);
static bool show_progress(void *user, double fraction);

int cmd_tokenizer(int argc, char **argv) {
    tokenizer_args a = {.n_vocab = 4096, .count_min = 2, .pre = "gpt-2"};
    const cli_option_group groups[] = {
        {.title = "Options",
         .options = {{NULL, "data", CLI_TEXT_LIST, "FILE", &a.data, 0, 0,
                      "what to learn from; several files, or the flag again"},
                     {NULL, "vocab-size", CLI_I32, "N", &a.n_vocab, 1, INT32_MAX,
                      "tokens, with the bytes and special tokens (default 4096)"},
                     {"o", "out", CLI_TEXT, "FILE", &a.out, 0, 0, "the tokenizer.json to write"},
                     {NULL, "special", CLI_TEXT_LIST, "TEXT", &a.specials, 0, 0,
                      "a special token besides <|endoftext|>; the flag again for more"},
                     {NULL, "min-count", CLI_I32, "N", &a.count_min, 1, INT32_MAX,
                      "a pair that occurs less often is not merged (default 2)"},
                     {NULL, "pre", CLI_TEXT, "NAME", &a.pre, 0, 0,
                      "how text is cut into words: gpt-2, llama-bpe, qwen2 (default gpt-2)"},
                     {NULL, "json", CLI_FLAG, NULL, &a.json, 0, 0, "print what was made as one JSON object"}}},
    };
    const cli_command command = {.name = "tokenizer",
                                 .synopsis = "train --data FILE... -o FILE [options]",
                                 .about = about,
                                 .groups = groups,
                                 .n_groups = sizeof groups / sizeof groups[0],
                                 .more_texts = &a.data};
    bool named = argc > 1 && strcmp(argv[1], "train") == 0;
    bool help = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
    int code = CLI_GO;
    if (!named && !help && argc > 1) code = cli_usage("tokenizer", "'%s': 'train' expected", argv[1]);
    else if (!named && !help) code = cli_usage("tokenizer", "'train' is missing");
    if (code == CLI_GO) code = cli_parse(&command, argc - named, argv + named);
    if (code == CLI_GO && !a.data.n) code = cli_usage("tokenizer", "--data FILE is missing");
    if (code == CLI_GO && !a.out) code = cli_usage("tokenizer", "--out FILE is missing");
    if (code == CLI_GO) code = train(&a);
    cli_text_list_deinit(&a.data);
    cli_text_list_deinit(&a.specials);
    return code;
}

static int train(const tokenizer_args *args) {
    tdl_error err = {0};
    tdl_tokenizer_train_info info = {.size = sizeof info};
    const tdl_tokenizer_train_desc desc = {.size = sizeof desc,
                                           .data = args->data.items,
                                           .n_data = args->data.n,
                                           .n_vocab = args->n_vocab,
                                           .count_min = args->count_min,
                                           .pre = args->pre,
                                           .specials = args->specials.items,
                                           .n_specials = args->specials.n,
                                           .progress = show_progress};
    tdl_status status = tdl_tokenizer_train(&desc, args->out, &info, &err);
    cli_progress_end();
    return status == TDL_OK ? report(args, &info) : cli_fail(&err);
}

static int report(const tokenizer_args *args, const tdl_tokenizer_train_info *info) {
    if (info->n_bytes_invalid)
        cli_warn("%llu of %llu bytes are not valid UTF-8 and were left out", (unsigned long long)info->n_bytes_invalid,
                 (unsigned long long)info->n_bytes);
    if (info->n_pieces_lost)
        cli_warn("%llu of %llu words were left out: too long, or too rare among too many",
                 (unsigned long long)info->n_pieces_lost, (unsigned long long)info->n_pieces);
    if (info->n_vocab < args->n_vocab)
        cli_warn("%d tokens, not %d: no other pair of tokens occurs %d times in this data", info->n_vocab,
                 args->n_vocab, args->count_min);
    if (args->json) {
        cli_print_json(cli_json_pack("{s:s, s:i, s:i, s:I, s:I, s:I}", "path", args->out, "n_vocab", info->n_vocab,
                                     "n_merges", info->n_merges, "n_bytes", (json_int_t)info->n_bytes,
                                     "n_bytes_invalid", (json_int_t)info->n_bytes_invalid, "n_words",
                                     (json_int_t)info->n_distinct));
        return CLI_OK;
    }
    cli_note("%d tokens from %.2f MB of text, %llu different words: %s\n", info->n_vocab, (double)info->n_bytes / 1e6,
             (unsigned long long)info->n_distinct, args->out);
    return CLI_OK;
}

static bool show_progress(void *user, double fraction) {
    (void)user;
    cli_progress("training a tokenizer %d%%", (int)(100 * fraction));
    return !cli_interrupted();
}
