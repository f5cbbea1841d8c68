// SPDX-License-Identifier: MIT
// json_text.h - JSON as Python's json module reads it, turned piece by piece into JSON as Jansson reads it.
//
//     tdl_json_text t = tdl_json_text_make(text, size);
//     while (tdl_json_text_next(&t)) use(t.piece, t.piece_size);
//
// Most pieces lie in the text itself; what Jansson refuses and Python reads is replaced:
//
//     an integer outside int64           the same digits with "e0" after them: a double
//     1e999, Infinity; -1e999, -Infinity plus or minus TDL_JSON_INF
//     NaN                                TDL_JSON_NAN
//     \ud83d without its other half      \ufffd, the replacement character
//     \u0000 in an object's key          \ufdd0, TDL_JSON_KEY_NUL of json.h
//
// No memory is needed, and each byte is looked at twice at most.
#ifndef TDL_BASE_JSON_TEXT_H
#define TDL_BASE_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

// Jansson has no number that is not finite: the largest doubles stand for them, and tdl_json_number turns them back.
#define TDL_JSON_INF 1.7976931348623157e308
#define TDL_JSON_NAN 1.7976931348623155e308

typedef struct tdl_json_text {
    const char *text; // [size]
    size_t size;
    size_t at;         // behind the piece
    const char *piece; // [piece_size]
    size_t piece_size;
    size_t piece_at;    // the piece stands for text[piece_at, at)
    bool replaced;      // and is other text
    bool owes_exponent; // "e0" must follow the digits that were the last piece
    bool in_string;
    size_t string_at;   // where the string began
    size_t looked_up;   // the string_at of which string_is_key is known; SIZE_MAX: of none
    bool string_is_key; // a colon follows the string
} tdl_json_text;

tdl_json_text tdl_json_text_make(const char *text, size_t size);
// The next piece; false at the text's end.
bool tdl_json_text_next(tdl_json_text *t);
// Where in the text the byte stands that is number `offset` of all pieces.
size_t tdl_json_text_origin(const char *text, size_t size, size_t offset);

#endif
