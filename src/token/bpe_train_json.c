// bpe_train_json.c - a trained vocabulary as a tokenizer.json, with the keys that Hugging Face's tokenizers writes. Merges are
// written as "left right", which every version of it reads; no token of the byte alphabet has a space.
#include "base/error.h"
#include "base/utf8.h"
#include "token/bpe_train_impl.h"
#include "token/vocab.h"

#include <string.h>

static void put_added(const tdl_bpe_trainer *t, tdl_str *out);
static void put_pre_tokenizer(const tdl_bpe_trainer *t, tdl_str *out);
static void put_model(const tdl_bpe_trainer *t, tdl_str *out);
static void put_token(const tdl_bpe_trainer *t, int32_t id, tdl_str *out);
static void put_spelling(const tdl_bpe_trainer *t, int32_t id, tdl_str *out);
static void put_escaped(tdl_text text, tdl_str *out);
static void put(tdl_str *out, const char *text) { tdl_str_append(out, text, strlen(text)); }

tdl_status tdl_bpe_trainer_write(const tdl_bpe_trainer *t, tdl_str *out, tdl_error *err) {
    put(out, "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n");
    put_added(t, out);
    put(out, "  \"normalizer\": null,\n");
    put_pre_tokenizer(t, out);
    put(out, "  \"post_processor\": null,\n"
             "  \"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, "
             "\"use_regex\": true},\n");
    put_model(t, out);
    put(out, "}\n");
    return out->failed ? tdl_fail(err, TDL_ERROR_MEMORY, "tokenizer training: no memory for %zu tokens", t->tokens.n)
                       : TDL_OK;
}

static void put_added(const tdl_bpe_trainer *t, tdl_str *out) {
    put(out, "  \"added_tokens\": [");
    for (int32_t id = 0; id < t->n_specials; id++) {
        tdl_str_format(out, "%s\n    {\"id\": %d, \"content\": ", id ? "," : "", id);
        put_token(t, id, out);
        put(out, ", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false, "
                 "\"special\": true}");
    }
    put(out, t->n_specials ? "\n  ],\n" : "],\n");
}

static void put_pre_tokenizer(const tdl_bpe_trainer *t, tdl_str *out) {
    put(out, "  \"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [");
    for (const char *const *regex = t->named->regexes; *regex; regex++) {
        put(out, "\n    {\"type\": \"Split\", \"pattern\": {\"Regex\": ");
        put_escaped(tdl_text_cstr(*regex), out);
        put(out, "}, \"behavior\": \"Isolated\", \"invert\": false},");
    }
    put(out, "\n    {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, "
             "\"use_regex\": false}\n  ]},\n");
}

static void put_model(const tdl_bpe_trainer *t, tdl_str *out) {
    put(out, "  \"model\": {\n    \"type\": \"BPE\",\n    \"dropout\": null,\n    \"unk_token\": null,\n"
             "    \"continuing_subword_prefix\": null,\n    \"end_of_word_suffix\": null,\n    \"fuse_unk\": false,\n"
             "    \"byte_fallback\": false,\n");
    tdl_str_format(out, "    \"ignore_merges\": %s,\n    \"vocab\": {", t->named->ignore_merges ? "true" : "false");
    for (int32_t id = 0; id < (int32_t)t->tokens.n; id++) {
        put(out, id ? ",\n      " : "\n      ");
        put_token(t, id, out);
        tdl_str_format(out, ": %d", id);
    }
    put(out, "\n    },\n    \"merges\": [");
    for (int32_t i = 0; i < (int32_t)t->merges.n; i++) {
        int32_t left, right;
        tdl_bpe_trainer_merged(t, i, &left, &right);
        put(out, i ? ",\n      \"" : "\n      \"");
        put_spelling(t, left, out);
        put(out, " ");
        put_spelling(t, right, out);
        put(out, "\"");
    }
    put(out, t->merges.n ? "\n    ]\n  }\n" : "]\n  }\n");
}

// A token's spelling, in quotes: special tokens as they are, others in GPT-2's alphabet.
static void put_token(const tdl_bpe_trainer *t, int32_t id, tdl_str *out) {
    tdl_text text = tdl_bpe_trainer_token(t, id);
    if (id < t->n_specials) {
        put_escaped(text, out);
        return;
    }
    put(out, "\"");
    put_spelling(t, id, out);
    put(out, "\"");
}

static void put_spelling(const tdl_bpe_trainer *t, int32_t id, tdl_str *out) {
    tdl_text text = tdl_bpe_trainer_token(t, id);
    for (size_t i = 0; i < text.size; i++) {
        char c[4];
        size_t size = tdl_utf8_encode(tdl_byte_to_char((uint8_t)text.ptr[i]), c);
        if (c[0] == '"' || c[0] == '\\') put(out, "\\");
        tdl_str_append(out, c, size);
    }
}

static void put_escaped(tdl_text text, tdl_str *out) {
    put(out, "\"");
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20) tdl_str_format(out, "\\u%04x", c);
        else if (c == '"' || c == '\\') tdl_str_format(out, "\\%c", c);
        else tdl_str_append(out, &text.ptr[i], 1);
    }
    put(out, "\"");
}
