// SPDX-License-Identifier: MIT
// tokenizer_json_write.c - see tokenizer_json_write.h. Merges are written as "left right", which every version of Hugging
// Face's tokenizers reads; no token of the byte alphabet has a space.
#include "token/tokenizer_json_write.h"

#include "base/error.h"
#include "token/pretokenize.h"

#include <string.h>

static tdl_status check(const tdl_tokenizer_desc *desc, tdl_error *err);
static void put_added(const tdl_tokenizer_desc *desc, tdl_str *out);
static void put_pre_tokenizer(const tdl_tokenizer_desc *desc, const tdl_named_pretokenizer *named, tdl_str *out);
static void put_post_processor(const tdl_tokenizer_desc *desc, tdl_str *out);
static void put_model(const tdl_tokenizer_desc *desc, bool ignore_merges, tdl_str *out);
static void put_text(tdl_text text, tdl_str *out);
static void put(tdl_str *out, const char *text) { tdl_str_append(out, text, strlen(text)); }

tdl_status tdl_tokenizer_json_write(const tdl_tokenizer_desc *desc, tdl_str *out, tdl_error *err) {
    tdl_status status = check(desc, err);
    if (status != TDL_OK) return status;
    const tdl_named_pretokenizer *named = desc->pre ? tdl_named_pretokenizer_find(desc->pre) : NULL;
    put(out, "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n");
    put_added(desc, out);
    put(out, "  \"normalizer\": null,\n");
    put_pre_tokenizer(desc, named, out);
    put_post_processor(desc, out);
    put(out, "  \"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, "
             "\"use_regex\": true},\n");
    put_model(desc, desc->ignore_merges || (named && named->ignore_merges), out);
    put(out, "}\n");
    return out->failed ? tdl_fail(err, TDL_ERROR_MEMORY, "tokenizer.json: no memory for %zu tokens", desc->n_tokens)
                       : TDL_OK;
}

static tdl_status check(const tdl_tokenizer_desc *desc, tdl_error *err) {
    if (desc->scheme != TDL_SCHEME_BPE)
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED,
                        "tokenizer.json: only byte-level BPE can be written, not a vocabulary of SentencePiece's kind");
    if (desc->n_normalizers || (desc->n_merges && !desc->merges))
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "tokenizer.json: normalizers and pairs cannot be written");
    if (desc->pre && !tdl_named_pretokenizer_find(desc->pre))
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "tokenizer.json: the pre-tokenizer '%.80s' is unknown", desc->pre);
    for (size_t i = 0; !desc->pre && i < desc->n_pretokenizers; i++) {
        const tdl_pretokenizer_desc *p = &desc->pretokenizers[i];
        if (p->kind != TDL_PRETOKENIZER_SPLIT || !p->is_regex || p->behavior != TDL_SPLIT_ISOLATED || p->invert)
            return tdl_fail(err, TDL_ERROR_UNSUPPORTED,
                            "tokenizer.json: only pre-tokenizers that split at a regex can be written");
    }
    return TDL_OK;
}

static bool is_added(const tdl_tokenizer_desc *desc, size_t id) {
    int32_t kind = desc->kinds ? desc->kinds[id] : TDL_TOKEN_NORMAL;
    return desc->tokens[id].size && (kind == TDL_TOKEN_CONTROL || kind == TDL_TOKEN_USER || kind == TDL_TOKEN_UNKNOWN);
}

static void put_added(const tdl_tokenizer_desc *desc, tdl_str *out) {
    static const struct {
        const char *key;
        uint8_t flag;
    } flags[] = {{"single_word", TDL_TOKEN_SINGLE_WORD},
                 {"lstrip", TDL_TOKEN_LSTRIP},
                 {"rstrip", TDL_TOKEN_RSTRIP},
                 {"normalized", TDL_TOKEN_NORMALIZED}};
    bool any = false;
    put(out, "  \"added_tokens\": [");
    for (size_t id = 0; id < desc->n_tokens; id++) {
        if (!is_added(desc, id)) continue;
        tdl_str_format(out, "%s\n    {\"id\": %zu, \"content\": ", any ? "," : "", id);
        put_text(desc->tokens[id], out);
        for (size_t k = 0; k < sizeof flags / sizeof *flags; k++)
            tdl_str_format(out, ", \"%s\": %s", flags[k].key,
                           desc->flags && (desc->flags[id] & flags[k].flag) ? "true" : "false");
        tdl_str_format(out, ", \"special\": %s}", desc->kinds[id] == TDL_TOKEN_USER ? "false" : "true");
        any = true;
    }
    put(out, any ? "\n  ],\n" : "],\n");
}

static void put_split(tdl_text regex, tdl_str *out) {
    put(out, "\n    {\"type\": \"Split\", \"pattern\": {\"Regex\": ");
    put_text(regex, out);
    put(out, "}, \"behavior\": \"Isolated\", \"invert\": false},");
}

static void put_pre_tokenizer(const tdl_tokenizer_desc *desc, const tdl_named_pretokenizer *named, tdl_str *out) {
    put(out, "  \"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [");
    for (const char *const *regex = named ? named->regexes : NULL; regex && *regex; regex++)
        put_split(tdl_text_cstr(*regex), out);
    for (size_t i = 0; !named && i < desc->n_pretokenizers; i++) put_split(desc->pretokenizers[i].pattern, out);
    put(out, "\n    {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, "
             "\"use_regex\": false}\n  ]},\n");
}

// Tokens at the ends of every sequence, where the model wants them by default.
static void put_post_processor(const tdl_tokenizer_desc *desc, tdl_str *out) {
    bool bos = desc->add_bos && desc->bos >= 0, eos = desc->add_eos && desc->eos >= 0;
    if (!bos && !eos) {
        put(out, "  \"post_processor\": null,\n");
        return;
    }
    put(out, "  \"post_processor\": {\"type\": \"TemplateProcessing\"");
    for (int pair = 0; pair < 2; pair++) {
        put(out, pair ? ", \"pair\": [" : ", \"single\": [");
        for (int part = 0; part <= pair; part++) {
            if (part) put(out, ", ");
            if (bos) {
                put(out, "{\"SpecialToken\": {\"id\": ");
                put_text(desc->tokens[desc->bos], out);
                tdl_str_format(out, ", \"type_id\": %d}}, ", part);
            }
            tdl_str_format(out, "{\"Sequence\": {\"id\": \"%s\", \"type_id\": %d}}", part ? "B" : "A", part);
            if (eos) {
                put(out, ", {\"SpecialToken\": {\"id\": ");
                put_text(desc->tokens[desc->eos], out);
                tdl_str_format(out, ", \"type_id\": %d}}", part);
            }
        }
        put(out, "]");
    }
    put(out, ", \"special_tokens\": {");
    for (int i = 0; i < 2; i++) {
        int32_t id = i ? desc->eos : desc->bos;
        if (!(i ? eos && !(bos && desc->bos == desc->eos) : bos)) continue;
        if (i && bos) put(out, ", ");
        put_text(desc->tokens[id], out);
        put(out, ": {\"id\": ");
        put_text(desc->tokens[id], out);
        tdl_str_format(out, ", \"ids\": [%d], \"tokens\": [", id);
        put_text(desc->tokens[id], out);
        put(out, "]}");
    }
    put(out, "}},\n");
}

static void put_model(const tdl_tokenizer_desc *desc, bool ignore_merges, tdl_str *out) {
    bool any = false;
    put(out, "  \"model\": {\n    \"type\": \"BPE\",\n    \"dropout\": null,\n    \"unk_token\": ");
    if (desc->unk >= 0) put_text(desc->tokens[desc->unk], out);
    else put(out, "null");
    tdl_str_format(
        out,
        ",\n    \"continuing_subword_prefix\": null,\n    \"end_of_word_suffix\": null,\n"
        "    \"fuse_unk\": false,\n    \"byte_fallback\": false,\n    \"ignore_merges\": %s,\n    \"vocab\": {",
        ignore_merges ? "true" : "false");
    for (size_t id = 0; id < desc->n_tokens; id++) {
        if (!desc->tokens[id].size) continue;
        put(out, any ? ",\n      " : "\n      ");
        put_text(desc->tokens[id], out);
        tdl_str_format(out, ": %zu", id);
        any = true;
    }
    put(out, "\n    },\n    \"merges\": [");
    for (size_t i = 0; i < desc->n_merges; i++) {
        put(out, i ? ",\n      " : "\n      ");
        put_text(desc->merges[i], out);
    }
    put(out, desc->n_merges ? "\n    ]\n  }\n" : "]\n  }\n");
}

// In quotes, as JSON wants it.
static void put_text(tdl_text text, tdl_str *out) {
    put(out, "\"");
    for (size_t pos = 0, n; pos < text.size; pos += n) {
        for (n = 0; pos + n < text.size && (unsigned char)text.ptr[pos + n] >= 0x20 && text.ptr[pos + n] != '"' &&
                    text.ptr[pos + n] != '\\';)
            n++;
        tdl_str_append(out, text.ptr + pos, n);
        if (pos + n == text.size) break;
        unsigned char c = (unsigned char)text.ptr[pos + n++];
        if (c < 0x20) tdl_str_format(out, "\\u%04x", c);
        else tdl_str_format(out, "\\%c", c);
    }
    put(out, "\"");
}
