// fuzz_json.c - the JSON parser on any bytes. What it accepts is valid UTF-8 and reads back equal after it is written.
#include "base/json.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    json_t *root = NULL, *again = NULL;
    tdl_error err = {0};
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
