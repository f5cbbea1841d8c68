// SPDX-License-Identifier: MIT
// fuzz_utf8.c - the UTF-8 functions on any bytes: they agree with each other, and errors of any text are valid UTF-8.
#include "base/error.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

static void check_message(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    const char *text = (const char *)bytes;
    bool valid = true;
    for (size_t i = 0, n; i < size; i += n) {
        uint32_t c = tdl_utf8_decode(text + i, size - i, &n);
        if (n < 1 || n > 4 || n > size - i) abort();
        if (c == TDL_UTF8_INVALID) {
            valid = false;
            if (n != 1) abort();
            continue;
        }
        char again[4];
        if (tdl_utf8_encode(c, again) != n || memcmp(again, text + i, n) != 0) abort();
    }
    if (valid != tdl_utf8_valid(text, size)) abort();

    size_t complete = tdl_utf8_complete(text, size);
    if (complete > size || size - complete > 3) abort();
    if (valid && complete != size) abort();
    if (complete != size && tdl_utf8_valid(text + complete, size - complete)) abort();
    check_message(bytes, size);
    return 0;
}

static void check_message(const uint8_t *bytes, size_t size) {
    tdl_error err = {0};
    if (tdl_fail(&err, TDL_ERROR_FORMAT, "name '%.*s': bad", (int)size, size ? (const char *)bytes : "") >= 0) abort();
    size_t n = strnlen(err.message, sizeof err.message);
    if (n >= sizeof err.message || !tdl_utf8_valid(err.message, n)) abort();
    for (size_t i = 0; i < n; i++) {
        if ((uint8_t)err.message[i] < 0x20 || err.message[i] == 0x7F) abort();
    }
}
