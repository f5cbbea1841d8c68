// SPDX-License-Identifier: MIT
// capture.c - keeps what drivers and libraries write to stderr while a device is looked for (console.h).
//
// WebGPU libraries, Vulkan's loader and its drivers talk there about every device that is none, on machines where all is well.
// For that while, descriptor 2 is a file in memory. A driver that crashes must not take its last words with it: a handler
// writes them to the real stderr first.
#include "cli/console.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const int crashes[] = {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE};
enum { N_CRASHES = sizeof crashes / sizeof crashes[0], SHOWN_MAX = 8192 };

static int real_stderr = -1, kept = -1;
static struct sigaction before[N_CRASHES];

static void on_crash(int number);

bool cli_capture_begin(void) {
    fflush(stderr);
    kept = memfd_create("treadle-stderr", MFD_CLOEXEC);
    real_stderr = kept < 0 ? -1 : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (real_stderr < 0 || dup2(kept, STDERR_FILENO) < 0) {
        if (real_stderr >= 0) close(real_stderr);
        if (kept >= 0) close(kept);
        return false;
    }
    struct sigaction action = {.sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < N_CRASHES; i++) sigaction(crashes[i], &action, &before[i]);
    return true;
}

void cli_capture_end(cli_buffer *text) {
    char bytes[1024];
    fflush(stderr);
    for (int i = 0; i < N_CRASHES; i++) sigaction(crashes[i], &before[i], NULL);
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    lseek(kept, 0, SEEK_SET);
    for (ssize_t n; text->size < SHOWN_MAX && (n = read(kept, bytes, sizeof bytes)) > 0;)
        cli_buffer_append(text, bytes, (size_t)n);
    close(kept);
    while (text->size && strchr("\n ", text->data[text->size - 1])) text->data[--text->size] = '\0';
}

static void on_crash(int number) {
    char bytes[1024];
    lseek(kept, 0, SEEK_SET);
    for (ssize_t n; (n = read(kept, bytes, sizeof bytes)) > 0;)
        if (write(real_stderr, bytes, (size_t)n) < 0) break;
    raise(number); // reset to what it was by default
}
