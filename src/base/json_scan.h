// SPDX-License-Identifier: MIT
// json_scan.h - reads JSON in one pass without building a tree: for headers of a million entries. Untrusted input.
//
//     tdl_json_scan s = {.text = text, .size = size, .what = "header", .arena = &arena, .err = err};
//     status = tdl_json_scan_open(&s, '{');
//     for (bool more; !status && !(status = tdl_json_scan_more(&s, '}', &more)) && more;) {
//         tdl_text key;
//         if ((status = tdl_json_scan_key(&s, &key))) break;
//         status = tdl_json_scan_skip(&s); // or read the value
//     }
//     if (!status) status = tdl_json_scan_end(&s);
//
// Strict JSON as RFC 8259 has it, in valid UTF-8; equal keys are the caller's to find. Values that nobody wants are skipped,
// up to SCAN_DEPTH_MAX deep. An error's message has the line and the column.
#ifndef TDL_BASE_JSON_SCAN_H
#define TDL_BASE_JSON_SCAN_H

#include "base/str.h"

typedef struct tdl_json_scan {
    const char *text; // [size]
    size_t size, at;
    const char *what; // names the text in messages
    tdl_arena *arena; // takes strings that have escapes; all others point into the text
    tdl_error *err;
    bool after_open; // nothing of the object or array that was opened last has been read
} tdl_json_scan;

// The next character that is no white space, without reading it; 0 at the end.
char tdl_json_scan_peek(tdl_json_scan *s);
// Reads '{' or '['.
tdl_status tdl_json_scan_open(tdl_json_scan *s, char open);
// Whether another member or element follows; reads the comma before it, or `close`, which is '}' or ']'.
tdl_status tdl_json_scan_more(tdl_json_scan *s, char close, bool *more);
// A member's name and the colon.
tdl_status tdl_json_scan_key(tdl_json_scan *s, tdl_text *key);
tdl_status tdl_json_scan_string(tdl_json_scan *s, tdl_text *out);
// Whether the number here is an integer in int64, which is then read; anything else stays where it is.
bool tdl_json_scan_integer(tdl_json_scan *s, int64_t *out);
// Reads any value.
tdl_status tdl_json_scan_skip(tdl_json_scan *s);
// Nothing but white space may be left.
tdl_status tdl_json_scan_end(tdl_json_scan *s);

// FORMAT, with the place: "json: header: line 1, column 7: ...".
tdl_status tdl_json_scan_fail(const tdl_json_scan *s, size_t at, const char *fault);

#endif
