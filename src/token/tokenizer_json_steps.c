// SPDX-License-Identifier: MIT
// tokenizer_json_steps.c - normalizers, pre-tokenizers, decoders and post-processors of a tokenizer.json.
//
// The file's steps have many types, ours few: most pre-tokenizers are a split by some pattern, Metaspace is a
// replacement, a prefix and a split. A type or an option that would change ids and that we do not have is an error, never
// passed over.
#include "token/tokenizer_json_steps.h"

#include "base/error.h"

#include <string.h>

// The patterns behind the pre-tokenizers that are named, not written, in a file.
#define BYTE_LEVEL_REGEX "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define PUNCTUATION_REGEX "[\\p{P}!-/:-@\\[-`{-~]"
#define WORDS_REGEX "\\w+|[^\\w\\s]+"

enum { DEPTH_MAX = 8 }; // of sequences in sequences

typedef tdl_status (*read_step)(tdl_json_steps *steps, const json_t *step, const char *type, tdl_error *err);

static tdl_status read_tree(tdl_json_steps *steps, const json_t *step, const char *what, const char *list_key,
                            read_step read, int depth, tdl_error *err);
static tdl_status read_normalizer(tdl_json_steps *steps, const json_t *step, const char *type, tdl_error *err);
static tdl_status read_pretokenizer(tdl_json_steps *steps, const json_t *step, const char *type, tdl_error *err);
static tdl_status read_split(tdl_json_steps *steps, const json_t *step, tdl_error *err);
static tdl_status read_metaspace(tdl_json_steps *steps, const json_t *step, tdl_error *err);
static tdl_status read_behavior(const json_t *step, tdl_split_behavior *out, tdl_error *err);
static tdl_status read_decoder(tdl_json_steps *steps, const json_t *step, const char *type, tdl_error *err);
static tdl_status read_post_processor(tdl_json_steps *steps, const json_t *step, const char *type, tdl_error *err);
static tdl_status read_template(tdl_json_steps *steps, const json_t *step, tdl_error *err);
static tdl_status read_template_token(const json_t *step, const json_t *part, int32_t *id, tdl_error *err);
static tdl_status read_id(const json_t *value, int32_t *id, tdl_error *err);
static tdl_status read_pattern(const json_t *step, tdl_text *pattern, bool *is_regex, tdl_error *err);
static bool flag(const json_t *step, const char *key, bool otherwise);
static tdl_status add_split(tdl_json_steps *steps, tdl_pretokenizer_desc split, tdl_error *err);
static tdl_status no_memory(tdl_error *err);

void tdl_json_steps_init(tdl_json_steps *steps, const tdl_allocator *mem) {
    *steps = (tdl_json_steps){.normalizers = tdl_vec_make(mem, sizeof(tdl_normalizer_desc)),
                              .pretokenizers = tdl_vec_make(mem, sizeof(tdl_pretokenizer_desc)),
                              .bos = -1,
                              .eos = -1};
}

void tdl_json_steps_deinit(tdl_json_steps *steps) {
    tdl_vec_deinit(&steps->normalizers);
    tdl_vec_deinit(&steps->pretokenizers);
}

tdl_status tdl_json_steps_read(tdl_json_steps *steps, json_t *root, tdl_error *err) {
    const json_t *decoder = json_object_get(root, "decoder");
    tdl_status status;
    if ((status = read_tree(steps, json_object_get(root, "normalizer"), "normalizer", "normalizers", read_normalizer, 0,
                            err)) < 0 ||
        (status = read_tree(steps, json_object_get(root, "pre_tokenizer"), "pre_tokenizer", "pretokenizers",
                            read_pretokenizer, 0, err)) < 0 ||
        (status = read_tree(steps, decoder, "decoder", "decoders", read_decoder, 0, err)) < 0 ||
        (status = read_tree(steps, json_object_get(root, "post_processor"), "post_processor", "processors",
                            read_post_processor, 0, err)) < 0) {
        return status;
    }
    if (!decoder || json_is_null(decoder)) steps->decoder.join_spaces = true;
    else if (steps->byte_level_decoder != steps->byte_level) {
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED,
                        "tokenizer.json: only one of pre_tokenizer and decoder is ByteLevel, expected both or none");
    }
    return TDL_OK;
}

tdl_text tdl_json_text(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_string(value) ? tdl_text_of(json_string_value(value), json_string_length(value))
                                 : tdl_text_of("", 0);
}

// Reads one step, or the steps of a sequence in order. `what` is the part's name in the file.
static tdl_status read_tree(tdl_json_steps *steps, const json_t *step, const char *what, const char *list_key,
                            read_step read, int depth, tdl_error *err) {
    if (!step || json_is_null(step)) return TDL_OK;
    const json_t *type = json_object_get(step, "type"), *list = json_object_get(step, list_key);
    if (!json_is_string(type))
        return tdl_fail(err, TDL_ERROR_FORMAT, "tokenizer.json: %s: an object without a type", what);
    if (strcmp(json_string_value(type), "Sequence") != 0) return read(steps, step, json_string_value(type), err);
    if (!json_is_array(list)) {
        return tdl_fail(err, TDL_ERROR_FORMAT, "tokenizer.json: %s: a Sequence without an array '%s'", what, list_key);
    }
    if (depth >= DEPTH_MAX) {
        return tdl_fail(err, TDL_ERROR_LIMIT, "tokenizer.json: %s: sequences nested over %d deep", what, DEPTH_MAX);
    }
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item) {
        tdl_status status = read_tree(steps, item, what, list_key, read, depth + 1, err);
        if (status < 0) return status;
    }
    return TDL_OK;
}

// ---- normalizers

static tdl_status read_normalizer(tdl_json_steps *steps, const json_t *step, const char *type, tdl_error *err) {
    static const struct {
        const char *type;
        tdl_normalizer_kind kind;
    } kinds[] = {
        {"NFC", TDL_NORMALIZER_NFC},         {"NFD", TDL_NORMALIZER_NFD},
        {"NFKC", TDL_NORMALIZER_NFKC},       {"NFKD", TDL_NORMALIZER_NFKD},
        {"Strip", TDL_NORMALIZER_STRIP},     {"StripAccents", TDL_NORMALIZER_STRIP_ACCENTS},
        {"Prepend", TDL_NORMALIZER_PREPEND}, {"Lowercase", TDL_NORMALIZER_LOWERCASE},
        {"Replace", TDL_NORMALIZER_REPLACE},
    };
    tdl_normalizer_desc n = {.left = flag(step, "strip_left", true), .right = flag(step, "strip_right", true)};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(type, kinds[i].type) == 0) n.kind = kinds[i].kind;
    }
    if (!n.kind)
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "tokenizer.json: the normalizer '%s' is not supported", type);
    if (n.kind == TDL_NORMALIZER_PREPEND) n.content = tdl_json_text(step, "prepend");
    if (n.kind == TDL_NORMALIZER_REPLACE) {
        tdl_status status = read_pattern(step, &n.pattern, &n.is_regex, err);
        if (status < 0) return status;
        n.content = tdl_json_text(step, "content");
    }
    return tdl_vec_push(&steps->normalizers, &n, 1) ? TDL_OK : no_memory(err);
}

// ---- pre-tokenizers

static tdl_status read_pretokenizer(tdl_json_steps *steps, const json_t *step, const char *type, tdl_error *err) {
    tdl_pretokenizer_desc split = {.kind = TDL_PRETOKENIZER_SPLIT, .is_regex = true};
    if (steps->byte_level) { // it would see the byte alphabet, not the text
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "tokenizer.json: the pre-tokenizer '%s' after ByteLevel", type);
    }
    if (strcmp(type, "Split") == 0) return read_split(steps, step, err);
    if (strcmp(type, "Metaspace") == 0) return read_metaspace(steps, step, err);
    if (strcmp(type, "ByteLevel") == 0) {
        tdl_pretokenizer_desc prefix = {.kind = TDL_PRETOKENIZER_PREFIX, .content = {" ", 1}};
        steps->byte_level = true;
        if (flag(step, "add_prefix_space", true) && !tdl_vec_push(&steps->pretokenizers, &prefix, 1))
            return no_memory(err);
        if (!flag(step, "use_regex", true)) return TDL_OK;
        split.pattern = tdl_text_cstr(BYTE_LEVEL_REGEX);
    } else if (strcmp(type, "Digits") == 0) {
        split.pattern = tdl_text_cstr("\\p{N}");
        if (!flag(step, "individual_digits", false)) split.behavior = TDL_SPLIT_CONTIGUOUS;
    } else if (strcmp(type, "Whitespace") == 0) {
        split.pattern = tdl_text_cstr(WORDS_REGEX);
        split.invert = true;
        split.behavior = TDL_SPLIT_REMOVED;
    } else if (strcmp(type, "WhitespaceSplit") == 0) {
        split.pattern = tdl_text_cstr("\\s");
        split.behavior = TDL_SPLIT_REMOVED;
    } else if (strcmp(type, "Punctuation") == 0) {
        split.pattern = tdl_text_cstr(PUNCTUATION_REGEX);
        tdl_status status = read_behavior(step, &split.behavior, err);
        if (status < 0) return status;
    } else {
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "tokenizer.json: the pre-tokenizer '%s' is not supported", type);
    }
    return add_split(steps, split, err);
}

static tdl_status read_split(tdl_json_steps *steps, const json_t *step, tdl_error *err) {
    tdl_pretokenizer_desc split = {.kind = TDL_PRETOKENIZER_SPLIT, .invert = flag(step, "invert", false)};
    tdl_status status = read_pattern(step, &split.pattern, &split.is_regex, err);
    if (status < 0 || (status = read_behavior(step, &split.behavior, err)) < 0) return status;
    return add_split(steps, split, err);
}

static tdl_status read_metaspace(tdl_json_steps *steps, const json_t *step, tdl_error *err) {
    tdl_text replacement = tdl_json_text(step, "replacement"), scheme = tdl_json_text(step, "prepend_scheme");
    if (replacement.size == 0) replacement = tdl_text_cstr("\u2581");
    // Older files say add_prefix_space instead.
    if (scheme.size == 0) scheme = tdl_text_cstr(flag(step, "add_prefix_space", true) ? "always" : "never");
    bool first = tdl_text_is(scheme, "first");
    if (!first && !tdl_text_is(scheme, "always") && !tdl_text_is(scheme, "never")) {
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "tokenizer.json: Metaspace: prepend_scheme '%.40s'", scheme.ptr);
    }
    tdl_pretokenizer_desc replace = {.kind = TDL_PRETOKENIZER_REPLACE, .pattern = {" ", 1}, .content = replacement};
    tdl_pretokenizer_desc prefix = {.kind = TDL_PRETOKENIZER_PREFIX, .content = replacement, .first_only = first};
    tdl_pretokenizer_desc split = {
        .kind = TDL_PRETOKENIZER_SPLIT, .pattern = replacement, .behavior = TDL_SPLIT_MERGED_WITH_NEXT};
    if (!tdl_vec_push(&steps->pretokenizers, &replace, 1)) return no_memory(err);
    if (!tdl_text_is(scheme, "never") && !tdl_vec_push(&steps->pretokenizers, &prefix, 1)) return no_memory(err);
    return flag(step, "split", true) ? add_split(steps, split, err) : TDL_OK;
}

static tdl_status read_behavior(const json_t *step, tdl_split_behavior *out, tdl_error *err) {
    static const char *const names[] = {"Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
    tdl_text name = tdl_json_text(step, "behavior");
    *out = TDL_SPLIT_ISOLATED;
    if (name.size == 0) return TDL_OK;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!tdl_text_is(name, names[i])) continue;
        *out = (tdl_split_behavior)i;
        return TDL_OK;
    }
    return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "tokenizer.json: the split behavior '%.40s' is not supported",
                    name.ptr);
}

static tdl_status add_split(tdl_json_steps *steps, tdl_pretokenizer_desc split, tdl_error *err) {
    return tdl_vec_push(&steps->pretokenizers, &split, 1) ? TDL_OK : no_memory(err);
}

// ---- decoders

static tdl_status read_decoder(tdl_json_steps *steps, const json_t *step, const char *type, tdl_error *err) {
    tdl_token_decoder *decoder = &steps->decoder;
    if (strcmp(type, "ByteLevel") == 0) steps->byte_level_decoder = true;
    else if (strcmp(type, "ByteFallback") == 0) decoder->byte_tokens = true;
    else if (strcmp(type, "Fuse") == 0) return TDL_OK; // tokens are joined without it
    else if (strcmp(type, "Metaspace") == 0) {
        tdl_text scheme = tdl_json_text(step, "prepend_scheme");
        decoder->replace = tdl_json_text(step, "replacement");
        if (decoder->replace.size == 0) decoder->replace = tdl_text_cstr("\u2581");
        decoder->replacement = tdl_text_cstr(" ");
        decoder->strip_space = scheme.size ? !tdl_text_is(scheme, "never") : flag(step, "add_prefix_space", true);
    } else if (strcmp(type, "Replace") == 0) {
        bool is_regex;
        tdl_status status = read_pattern(step, &decoder->replace, &is_regex, err);
        if (status < 0) return status;
        if (is_regex) return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "tokenizer.json: decoder: Replace with a regex");
        decoder->replacement = tdl_json_text(step, "content");
    } else if (strcmp(type, "Strip") == 0) {
        const json_t *first = json_object_get(step, "start"), *last = json_object_get(step, "stop");
        json_int_t start = json_is_integer(first) ? json_integer_value(first) : -1;
        json_int_t stop = json_is_integer(last) ? json_integer_value(last) : -1;
        if (!tdl_text_is(tdl_json_text(step, "content"), " ") || start < 0 || start > 1 || stop != 0) {
            return tdl_fail(err, TDL_ERROR_UNSUPPORTED,
                            "tokenizer.json: decoder: Strip of other than one leading space");
        }
        decoder->strip_space = start == 1;
    } else {
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "tokenizer.json: the decoder '%s' is not supported", type);
    }
    return TDL_OK;
}

// ---- post-processors

static tdl_status read_post_processor(tdl_json_steps *steps, const json_t *step, const char *type, tdl_error *err) {
    if (strcmp(type, "ByteLevel") == 0) return TDL_OK; // offsets only
    if (strcmp(type, "TemplateProcessing") == 0) return read_template(steps, step, err);
    if (strcmp(type, "RobertaProcessing") != 0 && strcmp(type, "BertProcessing") != 0) {
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "tokenizer.json: the post-processor '%s' is not supported", type);
    }
    const json_t *cls = json_array_get(json_object_get(step, "cls"), 1);
    const json_t *sep = json_array_get(json_object_get(step, "sep"), 1);
    tdl_status status = read_id(cls, &steps->bos, err);
    return status < 0 ? status : read_id(sep, &steps->eos, err);
}

// The template for one text: special tokens, the text, special tokens; at most one on each side.
static tdl_status read_template(tdl_json_steps *steps, const json_t *step, tdl_error *err) {
    const json_t *single = json_object_get(step, "single"), *part;
    bool after = false;
    size_t i;
    if (!json_is_array(single)) {
        return tdl_fail(err, TDL_ERROR_FORMAT, "tokenizer.json: TemplateProcessing without an array 'single'");
    }
    json_array_foreach(single, i, part) {
        if (json_object_get(part, "Sequence")) {
            if (after) return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "tokenizer.json: a template with several texts");
            after = true;
            continue;
        }
        tdl_status status = read_template_token(step, part, after ? &steps->eos : &steps->bos, err);
        if (status < 0) return status;
    }
    return TDL_OK;
}

static tdl_status read_template_token(const json_t *step, const json_t *part, int32_t *id, tdl_error *err) {
    tdl_text name = tdl_json_text(json_object_get(part, "SpecialToken"), "id");
    const json_t *tokens = json_object_get(step, "special_tokens");
    const json_t *ids = json_object_get(json_object_getn(tokens, name.ptr, name.size), "ids");
    if (*id >= 0 || json_array_size(ids) > 1) {
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "tokenizer.json: a template with several special tokens in a row");
    }
    return read_id(json_array_get(ids, 0), id, err);
}

static tdl_status read_id(const json_t *value, int32_t *id, tdl_error *err) {
    json_int_t n = json_integer_value(value);
    if (!json_is_integer(value) || n < 0 || n > INT32_MAX) {
        return tdl_fail(err, TDL_ERROR_FORMAT, "tokenizer.json: post_processor: a special token without a valid id");
    }
    *id = (int32_t)n;
    return TDL_OK;
}

// ---- common parts

// A pattern is {"String": text} or {"Regex": text}.
static tdl_status read_pattern(const json_t *step, tdl_text *pattern, bool *is_regex, tdl_error *err) {
    const json_t *object = json_object_get(step, "pattern");
    *is_regex = json_object_get(object, "Regex") != NULL;
    *pattern = tdl_json_text(object, *is_regex ? "Regex" : "String");
    if (pattern->size) return TDL_OK;
    return tdl_fail(err, TDL_ERROR_FORMAT,
                    "tokenizer.json: expected a pattern with a 'String' or a 'Regex' that is not empty");
}

static bool flag(const json_t *step, const char *key, bool otherwise) {
    const json_t *value = json_object_get(step, key);
    return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

static tdl_status no_memory(tdl_error *err) { return tdl_fail(err, TDL_ERROR_MEMORY, "tokenizer.json: no memory"); }
