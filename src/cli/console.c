// SPDX-License-Identifier: MIT
// console.c - see console.h. The process-wide state here is the program's, not the library's.
#include "cli/console.h"

#include "cli/options.h"
#include "cli/shown.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { READ_SIZE = 1 << 16 };
static const size_t file_size_max = (size_t)1 << 30; // of a prompt or a text to measure

static volatile sig_atomic_t interrupted, terminated;
static int interrupt_fd = -1; // an eventfd that is readable while `interrupted`
static int stdout_errno;      // of the first write that failed
static bool progress_shown, quiet;
static double progress_due; // not shown again before; 0: nothing was to be shown yet

static void print_message(const char *before, const char *format, va_list args, cli_shown kind, const char *after);
static double progress_seconds(void);
static void on_interrupt(int number);
static void arm_interrupt(void);

// Standard streams that are closed are opened on /dev/null in the wrong direction, so that no file of ours takes their
// numbers and using them still fails.
void cli_console_init(void) {
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0) _exit(CLI_FAILURE);
    interrupt_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    signal(SIGPIPE, SIG_IGN); // both become an error of the write, which says which file it was
    signal(SIGXFSZ, SIG_IGN);
    arm_interrupt();
}

bool cli_write(const void *data, size_t size) {
    cli_buffer shown = {0};
    if (cli_stdout_is_terminal()) {
        cli_append_shown(&shown, data, size, CLI_SHOWN_TEXT);
        data = shown.data;
        size = shown.size;
    }
    if (stdout_errno == 0 && size && fwrite(data, 1, size, stdout) != size) stdout_errno = errno ? errno : EIO;
    cli_buffer_deinit(&shown);
    return stdout_errno == 0;
}

void cli_printf(const char *format, ...) {
    cli_buffer text = {0};
    va_list args;
    va_start(args, format);
    cli_buffer_append_format(&text, format, args);
    va_end(args);
    cli_write(text.data, text.size);
    cli_buffer_deinit(&text);
}

bool cli_flush(void) {
    if (stdout_errno == 0 && fflush(stdout) != 0) stdout_errno = errno ? errno : EIO;
    return stdout_errno == 0;
}

bool cli_stdout_is_terminal(void) { return isatty(STDOUT_FILENO) == 1; }

int cli_finish(int code) {
    cli_progress_end();
    if (cli_flush()) return code;
    if (stdout_errno != EPIPE) cli_error("stdout: %s", strerror(stdout_errno));
    return CLI_FAILURE;
}

void cli_error(const char *format, ...) {
    va_list args;
    va_start(args, format);
    print_message("treadle: ", format, args, CLI_SHOWN_NAME, "\n");
    va_end(args);
}

void cli_warn(const char *format, ...) {
    va_list args;
    va_start(args, format);
    print_message("treadle: warning: ", format, args, CLI_SHOWN_NAME, "\n");
    va_end(args);
}

int cli_fail(const tdl_error *err) {
    if (err->code == TDL_ERROR_CANCELLED) return CLI_INTERRUPTED;
    cli_error("%s", err->message);
    return CLI_FAILURE;
}

void cli_note(const char *format, ...) {
    va_list args;
    va_start(args, format);
    print_message("", format, args, CLI_SHOWN_TEXT, "");
    va_end(args);
}

static void print_message(const char *before, const char *format, va_list args, cli_shown kind, const char *after) {
    cli_buffer text = {0}, shown = {0};
    cli_progress_end();
    cli_buffer_append_format(&text, format, args);
    cli_append_shown(&shown, text.data, text.size, kind);
    fprintf(stderr, "%s%s%s", before, shown.data ? shown.data : "", after);
    cli_buffer_deinit(&text);
    cli_buffer_deinit(&shown);
}

void cli_quiet(void) { quiet = true; }

bool cli_is_quiet(void) { return quiet; }

void cli_progress(const char *format, ...) {
    double now = cli_seconds(), every = progress_seconds();
    bool first = progress_due == 0.0, terminal = isatty(STDERR_FILENO);
    if (quiet || now < progress_due) return;
    progress_due = now + every;
    if (first && !terminal && every > 0.0) return;
    va_list args;
    va_start(args, format);
    print_message("", format, args, CLI_SHOWN_NAME, terminal ? "" : "\n");
    va_end(args);
    fflush(stderr);
    progress_shown = terminal;
}

// Ten lines a second are written over each other on a terminal; in a file a line stays.
static double progress_seconds(void) {
    const char *set = getenv("TREADLE_PROGRESS_SECONDS");
    double usual = isatty(STDERR_FILENO) ? 0.1 : 10.0, seconds = set && *set ? strtod(set, NULL) : usual;
    return seconds >= 0.0 ? seconds : usual;
}

void cli_progress_end(void) {
    if (progress_shown) fputs("\r\033[K", stderr);
    progress_shown = false;
}

bool cli_stdin_is_terminal(void) { return isatty(STDIN_FILENO); }

bool cli_interrupted(void) { return interrupted; }

bool cli_terminated(void) { return terminated; }

void cli_interrupt_clear(void) {
    uint64_t n;
    if (terminated) return;
    if (interrupt_fd >= 0 && read(interrupt_fd, &n, sizeof n) < 0) errno = 0; // nothing was there
    interrupted = 0;
    arm_interrupt();
}

// Ctrl-C may come before the wait begins, or to a driver's thread: so it is waited for as input is.
ssize_t cli_read_stdin(void *bytes, size_t size) {
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = interrupt_fd, .events = POLLIN}};
    for (;;) {
        if (cli_interrupted()) {
            errno = EINTR;
            return -1;
        }
        if (poll(fds, interrupt_fd < 0 ? 1 : 2, -1) < 0 && errno != EINTR) return -1;
        if (!fds[0].revents || cli_interrupted()) continue;
        ssize_t n = read(STDIN_FILENO, bytes, size);
        if (n >= 0 || errno != EINTR) return n;
    }
}

void cli_wait(int32_t n_turns) {
    if (n_turns < 1000) sched_yield();
    else nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
}

double cli_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void *cli_realloc(void *ptr, size_t n, size_t size) {
    void *grown = reallocarray(ptr, n, size);
    if (grown || n == 0) return grown;
    cli_error("no memory for %zu bytes", n * size);
    exit(CLI_FAILURE);
}

bool cli_read_file(const char *path, cli_buffer *out) {
    bool is_stdin = strcmp(path, "-") == 0;
    const char *name = is_stdin ? "stdin" : path;
    FILE *file = is_stdin ? stdin : fopen(path, "rb");
    *out = (cli_buffer){0};
    char *chunk = cli_realloc(NULL, READ_SIZE, 1);
    bool ok = file != NULL;
    if (!ok) cli_error("%s: %s", name, strerror(errno));
    for (size_t n = 1; ok && n > 0;) {
        n = fread(chunk, 1, READ_SIZE, file);
        ok = !ferror(file) && out->size + n <= file_size_max;
        if (ok) cli_buffer_append(out, chunk, n);
        else if (cli_interrupted()) cli_error("%s: interrupted", name);
        else if (ferror(file)) cli_error("%s: %s", name, strerror(errno));
        else cli_error("%s: more than %zu bytes", name, file_size_max);
    }
    if (file && !is_stdin) fclose(file);
    free(chunk);
    if (!ok) cli_buffer_deinit(out);
    return ok;
}

void cli_buffer_append_format(cli_buffer *out, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    if (size > 0) {
        char *text = cli_realloc(NULL, (size_t)size + 1, 1);
        vsnprintf(text, (size_t)size + 1, format, again);
        cli_buffer_append(out, text, (size_t)size);
        free(text);
    }
    va_end(again);
}

void cli_buffer_append(cli_buffer *buffer, const char *data, size_t size) {
    size_t needed = buffer->size + size + 1;
    if (needed > buffer->size_max) {
        buffer->size_max = needed > 2 * buffer->size_max ? needed : 2 * buffer->size_max;
        buffer->data = cli_realloc(buffer->data, buffer->size_max, 1);
    }
    if (size) memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
    buffer->data[buffer->size] = '\0';
}

void cli_buffer_deinit(cli_buffer *buffer) {
    free(buffer->data);
    *buffer = (cli_buffer){0};
}

// No SA_RESTART: a read that waits ends. SA_RESETHAND: the next Ctrl-C has the system's effect. SIGTERM is what
// a service manager, a batch system or a container's end sends: it asks for the same.
static void arm_interrupt(void) {
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static void on_interrupt(int number) {
    int before = errno;
    if (number == SIGTERM) terminated = 1;
    interrupted = 1;
    if (interrupt_fd >= 0 && write(interrupt_fd, &(uint64_t){1}, sizeof(uint64_t)) < 0) errno = before;
    errno = before;
}
