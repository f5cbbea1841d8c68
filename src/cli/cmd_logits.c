// SPDX-License-Identifier: MIT
// cmd_logits.c - treadle logits: the logits of every position, as a NumPy file.
//
// The .npy format 1.0: magic, version, the header's size, a Python dictionary padded with spaces so that data begins
// at a multiple of 64, then the numbers, row by row, little-endian.
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/model_args.h"
#include "cli/options.h"
#include "cli/prompt_args.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "logits are written as they lie in memory");

static const char about[] =
    "Computes a prompt and writes the logits of every position to a NumPy file: float32, [n, vocabulary].";

enum { N_POSITIONS_AT_ONCE = 64 }; // logits held in memory; results do not depend on it

typedef struct logits_args {
    cli_model_args model;
    cli_prompt_args prompt;
    const char *output;
} logits_args;

static int run(logits_args *args, cli_opened *opened);
static int write_file(const char *path, tdl_session *session, const cli_i32_list *ids, int32_t n_vocab);
static bool write_header(FILE *file, size_t n, size_t n_max, int32_t n_vocab);
static int write_rows(FILE *file, tdl_session *session, const cli_i32_list *ids, int32_t n_vocab, size_t *n_written);

int cmd_logits(int argc, char **argv) {
    logits_args args = {0};
    cli_opened opened = {0};
    const cli_option_group groups[] = {
        {.title = "Output",
         .options = {{"o", "output", CLI_TEXT, "FILE", &args.output, 0, 0, "the .npy file to write; - is stdout"}}},
        cli_prompt_group(&args.prompt),
        cli_model_group(&args.model),
    };
    const cli_command command = {.name = "logits",
                                 .synopsis = "MODEL --ids 1,2,3 -o FILE [options]",
                                 .about = about,
                                 .groups = groups,
                                 .n_groups = sizeof groups / sizeof groups[0],
                                 .model = &args.model.path};
    int code = cli_parse(&command, argc, argv);
    if (code == CLI_GO && !args.output) code = cli_usage("logits", "--output FILE is missing");
    if (code == CLI_GO && strcmp(args.output, "-") == 0 && cli_stdout_is_terminal())
        code = cli_usage("logits", "-o -: a terminal cannot show a NumPy file: redirect it, or name a file");
    if (code == CLI_GO) code = run(&args, &opened);
    cli_model_close(&opened);
    cli_prompt_deinit(&args.prompt);
    return code;
}

static int run(logits_args *args, cli_opened *opened) {
    cli_buffer text = {0};
    cli_i32_list ids = {0};
    tdl_session *session = NULL;
    tdl_error err = {0};
    int code = cli_prompt_read("logits", &args->prompt, NULL, &text);
    if (code == CLI_GO) code = cli_model_open(&args->model, opened);
    if (code == CLI_GO) code = cli_prompt_encode(&args->prompt, opened->tokenizer, &text, &ids);
    if (code != CLI_GO) goto cleanup;
    code = cli_prompt_check("logits", &args->prompt, &ids);
    if (code != CLI_GO) goto cleanup;
    if (ids.n > CLI_CTX_MAX) {
        cli_error("the prompt has %zu tokens, at most %d expected", ids.n, CLI_CTX_MAX);
        code = CLI_FAILURE;
        goto cleanup;
    }
    cli_check_context(&opened->info, (int64_t)ids.n);
    int32_t n = (int32_t)ids.n;
    const tdl_session_desc desc = {
        .size = sizeof desc, .n_ctx = n, .n_batch = n < N_POSITIONS_AT_ONCE ? n : N_POSITIONS_AT_ONCE};
    if (tdl_session_create(opened->model, &desc, &session, &err)) {
        code = cli_fail(&err);
        goto cleanup;
    }
    code = write_file(args->output, session, &ids, opened->info.n_vocab);

cleanup:
    tdl_session_destroy(session);
    cli_i32_list_deinit(&ids);
    cli_buffer_deinit(&text);
    return code;
}

// A file that could not be finished is removed, so that none is taken for whole; one that was interrupted says how many rows it has.
static int write_file(const char *path, tdl_session *session, const cli_i32_list *ids, int32_t n_vocab) {
    bool is_stdout = strcmp(path, "-") == 0;
    FILE *file = is_stdout ? stdout : fopen(path, "wb");
    if (!file) {
        cli_error("%s: %s", path, strerror(errno));
        return CLI_FAILURE;
    }
    struct stat status;
    bool is_regular = !is_stdout && fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode);
    int code;
    size_t n_written = 0;
    if (write_header(file, ids->n, ids->n, n_vocab)) code = write_rows(file, session, ids, n_vocab, &n_written);
    else code = CLI_FAILURE;
    bool kept = code == CLI_INTERRUPTED && is_regular && n_written > 0;
    if (kept && (fseek(file, 0, SEEK_SET) != 0 || !write_header(file, n_written, ids->n, n_vocab))) code = CLI_FAILURE;
    if (code != CLI_FAILURE && fflush(file) != 0) code = CLI_FAILURE;
    if (code == CLI_FAILURE && ferror(file) && !(is_stdout && errno == EPIPE))
        cli_error("%s: %s", is_stdout ? "stdout" : path, strerror(errno));
    if (!is_stdout) fclose(file);
    if (kept && code == CLI_INTERRUPTED)
        cli_note("%s: interrupted, it has the logits of the first %zu of %zu tokens\n", path, n_written, ids->n);
    else if (code != CLI_OK && is_regular) unlink(path);
    return code;
}

// As long for n rows as for n_max.
static bool write_header(FILE *file, size_t n, size_t n_max, int32_t n_vocab) {
    static const char format[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu, %d), }";
    char header[192];
    int n_used = snprintf(header, sizeof header, format, n, n_vocab);
    int size = snprintf(NULL, 0, format, n_max, n_vocab);
    int padded = (10 + size + 1 + 63) / 64 * 64 - 10;
    memset(header + n_used, ' ', (size_t)(padded - n_used));
    header[padded - 1] = '\n';
    const unsigned char head[10] = {
        0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)padded, (unsigned char)(padded >> 8)};
    return fwrite(head, 1, sizeof head, file) == sizeof head &&
           fwrite(header, 1, (size_t)padded, file) == (size_t)padded;
}

static int write_rows(FILE *file, tdl_session *session, const cli_i32_list *ids, int32_t n_vocab, size_t *n_written) {
    tdl_error err = {0};
    int code = CLI_OK;
    float *logits = cli_realloc(NULL, N_POSITIONS_AT_ONCE * sizeof *logits, (size_t)n_vocab);
    for (size_t i = 0; code == CLI_OK && i < ids->n; i += N_POSITIONS_AT_ONCE) {
        size_t n = ids->n - i < N_POSITIONS_AT_ONCE ? ids->n - i : N_POSITIONS_AT_ONCE;
        cli_progress("logits %zu/%zu", i, ids->n);
        if (cli_interrupted()) code = CLI_INTERRUPTED;
        else if (tdl_session_eval(session, ids->items + i, n, logits, &err)) code = cli_fail(&err);
        else if (fwrite(logits, (size_t)n_vocab * sizeof *logits, n, file) != n) code = CLI_FAILURE;
        else *n_written = i + n;
    }
    cli_progress_end();
    free(logits);
    return code;
}
