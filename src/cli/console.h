// SPDX-License-Identifier: MIT
// console.h - what a command shares with the world: stdout and stderr, Ctrl-C, the clock, files, memory.
//
// Results go to stdout, everything else to stderr. Writes to stdout may fail (a full disk, a closed pipe): the first
// failure is kept, later writes do nothing, and cli_finish turns it into the exit code. The first Ctrl-C or SIGTERM sets
// a flag; a second one, before the flag is taken back, ends the process.
//
// What a terminal would obey does not reach one (shown.h): on stderr never, on stdout where that is a terminal.
#ifndef TDL_CLI_CONSOLE_H
#define TDL_CLI_CONSOLE_H

#include "treadle.h"

#include <stdarg.h>
#include <sys/types.h>

void cli_console_init(void);

typedef struct cli_buffer {
    char *data; // [size] and a NUL, owned; NULL while nothing was appended
    size_t size, size_max;
} cli_buffer;

// stdout
bool cli_write(const void *data, size_t size); // false once a write has failed
void cli_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool cli_flush(void);
bool cli_stdout_is_terminal(void);
// Flushes. Returns `code`, or CLI_FAILURE where a write failed (said on stderr, but for a closed pipe).
int cli_finish(int code);

// stderr
void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2))); // "treadle: ...\n"
int cli_fail(const tdl_error *err); // prints the message and returns the exit code
void cli_warn(const char *format, ...) __attribute__((format(printf, 1, 2))); // "treadle: warning: ...\n"
void cli_note(const char *format, ...) __attribute__((format(printf, 1, 2))); // as it is
// How far a command is. On a terminal one line that is written over; cli_progress_end wipes it, and so do errors and notes.
// Elsewhere a line every 10 seconds, the first after so many. The variable TREADLE_PROGRESS_SECONDS says another number for both.
void cli_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cli_progress_end(void);
void cli_quiet(void); // no progress from now on
bool cli_is_quiet(void);
// Between the two what is written to stderr, by drivers and their libraries, is kept: end appends it to *text. A crash shows it.
// false: not captured, and end must not be called.
bool cli_capture_begin(void);
void cli_capture_end(cli_buffer *text);

bool cli_stdin_is_terminal(void);
bool cli_interrupted(void);
bool cli_terminated(void);      // by SIGTERM, which nobody types: it is never cleared
void cli_interrupt_clear(void); // the next Ctrl-C counts as the first again
// As read(2) of stdin, but Ctrl-C ends it with EINTR, whenever it came. Not to be mixed with stdio.
ssize_t cli_read_stdin(void *bytes, size_t size);
double cli_seconds(void); // monotonic
// For a loop that waits for a device: call it at each turn, with a count that begins at 0 and goes up by one. Gives way to other
// threads first, then sleeps for moments.
void cli_wait(int32_t n_turns);

// Memory, or the end of the process with a message: a command has nothing better to do.
void *cli_realloc(void *ptr, size_t n, size_t size);

// All of a file; "-" is stdin. false: said on stderr.
bool cli_read_file(const char *path, cli_buffer *out);
void cli_buffer_append(cli_buffer *buffer, const char *data, size_t size);
void cli_buffer_append_format(cli_buffer *buffer, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
void cli_buffer_deinit(cli_buffer *buffer);

#endif
