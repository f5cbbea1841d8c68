// SPDX-License-Identifier: MIT
// line_input.c - see line_input.h.
//
// A terminal that knows "bracketed paste" wraps what is pasted in ESC [ 200 ~ and ESC [ 201 ~. The first is bound to a function that
// reads up to the second and inserts it all, newlines too: only the Enter key sends a message. libedit leaves signals to us: Ctrl-C
// ends the read that it does through us, and the size of the window is asked for before each line.
#include "cli/line_input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef TDL_LIBEDIT
#include <histedit.h>
#include <locale.h>
#include <wchar.h>
#endif

struct cli_line_input {
    const char *prompt;
    bool terminal;
    cli_buffer pending; // read, of which the first line_size bytes were handed out
    size_t line_size;
    bool dropped;
#ifdef TDL_LIBEDIT
    EditLine *editor; // NULL: lines are not edited
    History *history;
#endif
};

enum { READ_SIZE = 4096 };

static cli_line next_plain(cli_line_input *input, tdl_text *text);

#ifdef TDL_LIBEDIT
static const wchar_t paste_end[] = L"\033[201~";
enum { PASTE_END_SIZE = sizeof paste_end / sizeof *paste_end - 1, PASTE_MAX = 1 << 20, HISTORY_MAX = 1000 };

static void open_editor(cli_line_input *input);
static char *editor_prompt(EditLine *editor);
static int read_character(EditLine *editor, wchar_t *character);
static unsigned char paste(EditLine *editor, int key);
static cli_line next_edited(cli_line_input *input, tdl_text *text);
#endif

cli_line_input *cli_line_input_create(const char *prompt) {
    cli_line_input *input = cli_realloc(NULL, 1, sizeof *input);
    *input = (cli_line_input){.prompt = prompt, .terminal = cli_stdin_is_terminal()};
#ifdef TDL_LIBEDIT
    if (input->terminal && isatty(STDERR_FILENO)) open_editor(input);
#endif
    return input;
}

void cli_line_input_destroy(cli_line_input *input) {
    if (!input) return;
#ifdef TDL_LIBEDIT
    if (input->editor) el_end(input->editor);
    if (input->history) history_end(input->history);
#endif
    cli_buffer_deinit(&input->pending);
    free(input);
}

bool cli_line_input_dropped(const cli_line_input *input) { return input->dropped; }

cli_line cli_line_input_next(cli_line_input *input, tdl_text *text) {
    input->dropped = false;
    fflush(stdout);
#ifdef TDL_LIBEDIT
    if (input->editor) return next_edited(input, text);
#endif
    return next_plain(input, text);
}

static cli_line next_plain(cli_line_input *input, tdl_text *text) {
    char bytes[READ_SIZE];
    cli_buffer *pending = &input->pending;
    if (input->line_size) memmove(pending->data, pending->data + input->line_size, pending->size - input->line_size);
    pending->size -= input->line_size;
    input->line_size = 0;
    if (input->terminal) cli_note("%s", input->prompt);
    for (size_t looked_at = 0;;) {
        size_t n_new = pending->size - looked_at;
        const char *newline = n_new ? memchr(pending->data + looked_at, '\n', n_new) : NULL;
        if (newline) {
            *text = (tdl_text){pending->data, (size_t)(newline - pending->data)};
            input->line_size = text->size + 1;
            return CLI_LINE_TEXT;
        }
        looked_at = pending->size;
        ssize_t n = cli_read_stdin(bytes, sizeof bytes);
        if (n > 0) {
            cli_buffer_append(pending, bytes, (size_t)n);
            continue;
        }
        if (n < 0 && errno == EINTR) return CLI_LINE_INTERRUPTED;
        if (n < 0) {
            cli_error("stdin: %s", strerror(errno));
            return CLI_LINE_FAILED;
        }
        if (pending->size == 0) return CLI_LINE_END;
        *text = (tdl_text){pending->data, pending->size}; // a last line without a newline
        input->line_size = text->size;
        return CLI_LINE_TEXT;
    }
}

#ifdef TDL_LIBEDIT

// Where anything fails, lines are read without editing.
static void open_editor(cli_line_input *input) {
    const char *terminal = getenv("TERM");
    HistEvent event;
    if (!terminal || !*terminal || strcmp(terminal, "dumb") == 0) return;
    setlocale(LC_CTYPE, "");                                   // what a character is; numbers stay as they are
    input->editor = el_init("treadle", stdin, stderr, stderr); // answers are on stdout, which may be a file
    input->history = history_init();
    if (!input->editor || !input->history) return;
    history(input->history, &event, H_SETSIZE, HISTORY_MAX);
    history(input->history, &event, H_SETUNIQUE, 1);
    el_set(input->editor, EL_CLIENTDATA, input);
    el_set(input->editor, EL_PROMPT, editor_prompt);
    el_set(input->editor, EL_EDITOR, "emacs");
    el_set(input->editor, EL_HIST, history, input->history);
    el_set(input->editor, EL_SIGNAL, 0);
    el_wset(input->editor, EL_GETCFN, read_character);
    el_set(input->editor, EL_ADDFN, "treadle-paste", "inserts what is pasted", paste);
    el_set(input->editor, EL_BIND, "\\e[200~", "treadle-paste", NULL);
    el_set(input->editor, EL_BIND, "^R", "em-inc-search-prev", NULL);
}

static char *editor_prompt(EditLine *editor) {
    cli_line_input *input = NULL;
    el_get(editor, EL_CLIENTDATA, &input);
    return (char *)(uintptr_t)input->prompt; // libedit does not write to it
}

static cli_line next_edited(cli_line_input *input, tdl_text *text) {
    static const char paste_on[] = "\033[?2004h", paste_off[] = "\033[?2004l";
    int n = 0;
    HistEvent event;
    el_resize(input->editor);
    el_set(input->editor, EL_PREP_TERM, 1); // before the prompt: a Ctrl-D typed in between would come as NUL
    fputs(paste_on, stderr);
    errno = 0;
    const char *line = el_gets(input->editor, &n);
    int error = errno;
    fputs(paste_off, stderr);
    if (cli_interrupted()) {
        const LineInfo *info = el_line(input->editor);
        input->dropped = info->lastchar > info->buffer;
        el_reset(input->editor);
        fputc('\n', stderr);
        return CLI_LINE_INTERRUPTED;
    }
    if (!line || n <= 0) {
        if (n == 0 || error == 0) {
            fputc('\n', stderr);
            return CLI_LINE_END;
        }
        cli_error("stdin: %s", strerror(error));
        return CLI_LINE_FAILED;
    }
    size_t size = (size_t)n;
    if (line[size - 1] == '\n') size--;
    *text = (tdl_text){line, size};
    if (size) history(input->history, &event, H_ENTER, line);
    return CLI_LINE_TEXT;
}

// 1, or 0 at the end, or -1. Bytes that are part of no character come as U+FFFD.
static int read_character(EditLine *editor, wchar_t *character) {
    (void)editor;
    mbstate_t state = {0};
    for (;;) {
        char byte;
        ssize_t n = cli_read_stdin(&byte, 1);
        if (n <= 0) return (int)n;
        size_t size = mbrtowc(character, &byte, 1, &state);
        if (size == (size_t)-2) continue; // its other bytes follow
        if (size == (size_t)-1) *character = 0xFFFD;
        if (size == 0) *character = L'\0';
        return 1;
    }
}

static unsigned char paste(EditLine *editor, int key) {
    (void)key;
    wchar_t *pasted = cli_realloc(NULL, PASTE_MAX + 1, sizeof *pasted);
    size_t n = 0;
    bool ended = false;
    while (n < PASTE_MAX && !ended && el_wgetc(editor, &pasted[n]) == 1) {
        if (pasted[n] == L'\r') pasted[n] = L'\n'; // terminals paste a newline as Enter
        n++;
        ended = n >= PASTE_END_SIZE && wmemcmp(pasted + n - PASTE_END_SIZE, paste_end, PASTE_END_SIZE) == 0;
    }
    if (ended) n -= PASTE_END_SIZE;
    while (n && pasted[n - 1] == L'\n') n--; // the message is sent by Enter, not by the text's end
    pasted[n] = L'\0';
    int failed = n ? el_winsertstr(editor, pasted) : 0;
    free(pasted);
    return failed ? CC_ERROR : CC_REFRESH;
}

#endif
