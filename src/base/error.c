// SPDX-License-Identifier: MIT
// error.c - writing an error's message.
//
// Messages quote names and values out of untrusted files, and end up on terminals and in logs. So the text is made in a
// buffer of its own (an argument may be the old message), then copied with everything that is not printable UTF-8
// replaced: a byte that is part of no character, and any control character, becomes '?'. A message that is too long ends
// before the first character that does not fit.
#include "base/error.h"

#include "base/utf8.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// A control character takes up to two bytes and becomes one, so twice the message's size is all that can be needed.
enum { DRAFT_SIZE = 2 * sizeof(((tdl_error *)NULL)->message) };

static void message_set(tdl_error *err, const char *draft, int n_wanted);
static bool is_control(uint32_t c);

tdl_status tdl_fail(tdl_error *err, tdl_status code, const char *format, ...) {
    assert(code < 0);
    if (!err) return code;
    char draft[DRAFT_SIZE];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(draft, sizeof draft, format, args);
    va_end(args);
    message_set(err, draft, n);
    err->code = code;
    return code;
}

tdl_status tdl_fail_at(tdl_error *err, tdl_status code, const char *prefix) {
    if (!err) return code;
    return tdl_fail(err, code, "%s: %s", prefix, err->message);
}

const char *tdl_status_name(tdl_status status) {
    switch (status) {
    case TDL_OK: return "ok";
    case TDL_DONE: return "done";
    case TDL_PENDING: return "pending";
    case TDL_WAITING: return "waiting";
    case TDL_ERROR_ARGUMENT: return "argument";
    case TDL_ERROR_MEMORY: return "memory";
    case TDL_ERROR_IO: return "io";
    case TDL_ERROR_FORMAT: return "format";
    case TDL_ERROR_UNSUPPORTED: return "unsupported";
    case TDL_ERROR_LIMIT: return "limit";
    case TDL_ERROR_CONTEXT_FULL: return "context_full";
    case TDL_ERROR_CANCELLED: return "cancelled";
    case TDL_ERROR_DEVICE: return "device";
    case TDL_ERROR_DEVICE_LOST: return "device_lost";
    case TDL_ERROR_NOT_FINITE: return "not_finite";
    }
    return "unknown";
}

// Copies the draft, of which vsnprintf wanted to write n_wanted bytes (negative: it failed).
static void message_set(tdl_error *err, const char *draft, int n_wanted) {
    size_t size = n_wanted < 0 ? 0 : (size_t)n_wanted;
    if (size >= DRAFT_SIZE) size = tdl_utf8_complete(draft, DRAFT_SIZE - 1); // vsnprintf may have cut a character
    size_t used = 0;
    for (size_t i = 0, n; i < size; i += n) {
        uint32_t c = tdl_utf8_decode(draft + i, size - i, &n);
        bool replaced = c == TDL_UTF8_INVALID || is_control(c);
        size_t n_out = replaced ? 1 : n;
        if (used + n_out >= sizeof err->message) break;
        if (replaced) err->message[used] = '?';
        else memcpy(err->message + used, draft + i, n);
        used += n_out;
    }
    err->message[used] = '\0';
}

// C0, DEL and C1: a terminal may obey any of them.
static bool is_control(uint32_t c) { return c < 0x20 || (c >= 0x7F && c < 0xA0); }
