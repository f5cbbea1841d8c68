// SPDX-License-Identifier: MIT
// regex.c - compiles and matches patterns with PCRE2, just-in-time compiled where it can be.
//
// Compiled code backtracks on a small stack of its own; where a match needs more, PCRE2's interpreter, which backtracks on
// the heap, starts over. Both count steps, so that a match ends.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "token/regex.h"

#include "base/error.h"
#include "token/regex_rewrite.h"

#include <pcre2.h>

// Steps of one match. Ordinary ones take a few per character; this many take about half a second.
#define MATCH_STEPS_MAX 20000000
#define MATCH_MEMORY_KIB_MAX (64 * 1024)

struct tdl_regex {
    const tdl_allocator *mem; // first: PCRE2 hands the regex to its memory functions
    pcre2_general_context *general;
    pcre2_match_context *match;
    pcre2_code *code;
};

struct tdl_regex_scratch {
    const tdl_allocator *mem;
    pcre2_general_context *general;
    pcre2_match_data *data;
};

static tdl_status fail_compile(tdl_text pattern, int code, size_t offset, tdl_error *err);
static void *memory_get(size_t size, void *owner);
static void memory_put(void *ptr, void *owner);

tdl_status tdl_regex_create(const tdl_allocator *mem, tdl_text pattern, tdl_regex **out, tdl_error *err) {
    tdl_str rewritten = tdl_str_make(mem);
    pcre2_compile_context *compile = NULL;
    tdl_status status = TDL_ERROR_MEMORY;
    int code = 0;
    size_t offset = 0;
    tdl_regex *regex = tdl_alloc(mem, 1, sizeof *regex);
    if (!regex) goto cleanup;
    regex->mem = mem;
    if ((status = tdl_regex_rewrite(pattern, &rewritten, err)) < 0) goto cleanup;
    status = TDL_ERROR_MEMORY;
    regex->general = pcre2_general_context_create(memory_get, memory_put, regex);
    if (!regex->general) goto cleanup;
    compile = pcre2_compile_context_create(regex->general);
    regex->match = pcre2_match_context_create(regex->general);
    if (!compile || !regex->match) goto cleanup;
    pcre2_set_newline(compile, PCRE2_NEWLINE_LF);
    pcre2_set_match_limit(regex->match, MATCH_STEPS_MAX);
    pcre2_set_heap_limit(regex->match, MATCH_MEMORY_KIB_MAX);
    regex->code =
        pcre2_compile((PCRE2_SPTR)(rewritten.ptr ? rewritten.ptr : ""), rewritten.size,
                      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &code, &offset, compile);
    if (!regex->code) {
        if (code != PCRE2_ERROR_HEAP_FAILED) status = fail_compile(pattern, code, offset, err);
        goto cleanup;
    }
    pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE); // where it fails, the interpreter runs
    *out = regex;
    regex = NULL;
    status = TDL_OK;
cleanup:
    if (status == TDL_ERROR_MEMORY) tdl_fail(err, status, "tokenizer: no memory for a regular expression");
    pcre2_compile_context_free(compile);
    tdl_str_deinit(&rewritten);
    tdl_regex_destroy(regex);
    return status;
}

void tdl_regex_destroy(tdl_regex *regex) {
    if (!regex) return;
    pcre2_code_free(regex->code);
    pcre2_match_context_free(regex->match);
    pcre2_general_context_free(regex->general);
    tdl_free(regex->mem, regex);
}

tdl_regex_scratch *tdl_regex_scratch_create(const tdl_allocator *mem) {
    tdl_regex_scratch *scratch = tdl_alloc(mem, 1, sizeof *scratch);
    if (!scratch) return NULL;
    scratch->mem = mem;
    scratch->general = pcre2_general_context_create(memory_get, memory_put, scratch);
    if (scratch->general) scratch->data = pcre2_match_data_create(1, scratch->general);
    if (scratch->data) return scratch;
    tdl_regex_scratch_destroy(scratch);
    return NULL;
}

void tdl_regex_scratch_destroy(tdl_regex_scratch *scratch) {
    if (!scratch) return;
    pcre2_match_data_free(scratch->data);
    pcre2_general_context_free(scratch->general);
    tdl_free(scratch->mem, scratch);
}

tdl_status tdl_regex_find(const tdl_regex *regex, tdl_regex_scratch *scratch, tdl_text subject, size_t from,
                          size_t *begin, size_t *end, tdl_error *err) {
    PCRE2_SPTR text = (PCRE2_SPTR)(subject.ptr ? subject.ptr : "");
    int rc = pcre2_match(regex->code, text, subject.size, from, PCRE2_NO_UTF_CHECK, scratch->data, regex->match);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) { // compiled code has a small stack; the interpreter uses the heap
        rc = pcre2_match(regex->code, text, subject.size, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, scratch->data,
                         regex->match);
    }
    if (rc == PCRE2_ERROR_NOMATCH) return TDL_DONE;
    if (rc == PCRE2_ERROR_NOMEMORY) {
        return tdl_fail(err, TDL_ERROR_MEMORY, "tokenizer: no memory to match a regular expression");
    }
    if (rc < 0) {
        return tdl_fail(err, TDL_ERROR_LIMIT, "tokenizer: a pre-tokenizer regex gave up at byte %zu of %zu (PCRE2 %d)",
                        from, subject.size, rc);
    }
    const size_t *ends = pcre2_get_ovector_pointer(scratch->data);
    *begin = ends[0] < from ? from : ends[0]; // \K in a look-behind may move it back
    *end = ends[1] < *begin ? *begin : ends[1];
    return TDL_OK;
}

bool tdl_is_space(uint32_t c) {
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
           c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

static tdl_status fail_compile(tdl_text pattern, int code, size_t offset, tdl_error *err) {
    PCRE2_UCHAR message[160] = {0};
    pcre2_get_error_message(code, message, sizeof message);
    return tdl_fail(err, TDL_ERROR_FORMAT, "tokenizer: regex '%.*s': %s, near byte %zu",
                    (int)(pattern.size < 200 ? pattern.size : 200), pattern.ptr, (const char *)message, offset);
}

// `owner` is a tdl_regex or a tdl_regex_scratch: both begin with the allocator.
static void *memory_get(size_t size, void *owner) {
    const tdl_allocator *mem = *(const tdl_allocator **)owner;
    return mem->alloc(mem->user, size ? size : 1, 16);
}

static void memory_put(void *ptr, void *owner) { tdl_free(*(const tdl_allocator **)owner, ptr); }
