// SPDX-License-Identifier: MIT
// fuzz_json.c - the JSON parser on any bytes. What it accepts is valid UTF-8 and reads back equal after it is written. The
// pieces that Jansson gets go over the whole text, in order.
#include "base/json.h"
#include "base/json_text.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

static void check_pieces(const char *text, size_t size) {
    tdl_json_text t = tdl_json_text_make(text, size);
    size_t end = 0, n = 0;
    while (tdl_json_text_next(&t)) {
        if (t.piece_at != end || t.at < end || t.at > size || !t.piece_size) abort();
        if (!t.replaced && (t.piece != text + t.piece_at || t.piece_size != t.at - t.piece_at)) abort();
        end = t.at;
        n += t.piece_size;
    }
    if (end != size || tdl_json_text_origin(text, size, n) != size) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    json_t *root = NULL, *again = NULL;
    tdl_error err = {0};
    check_pieces((const char *)bytes, size);
    tdl_status status = tdl_json_parse((const char *)bytes, size, "fuzz", &root, &err);
    if (status != TDL_OK) {
        if (root || err.code != status || !err.message[0]) abort();
        return 0;
    }
    if (!root || err.code != TDL_OK || !tdl_utf8_valid((const char *)bytes, size)) abort();
    char *text = json_dumps(root, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text) {
        if (tdl_json_parse(text, strlen(text), "again", &again, NULL) != TDL_OK || !json_equal(root, again)) abort();
        json_decref(again);
        free(text);
    }
    json_decref(root);
    return 0;
}
