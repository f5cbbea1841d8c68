// SPDX-License-Identifier: MIT
// webgpu_needs.c - what a shader needs of a device's limits: read from its text before it is compiled, because wgpu-native does
// not compare the workgroup memory with the limit, and a driver that is given too much may do anything.
//
// This reads the WGSL that our own shaders are written in, not all of it: `const` numbers and their arithmetic, `alias`,
// `struct`, and the module's variables. What it cannot read is an error, never a guess. Sizes and alignments are those of the
// WGSL specification, 14.4.1; the sum over the variables of address space `workgroup` is that of WebGPU's
// maxComputeWorkgroupStorageSize: each rounded up to 16 bytes.
#include "backend/webgpu/webgpu_device.h"
#include "base/checked.h"

#include <string.h>

enum { DEPTH_MAX = 24, SIZE_LIMIT = 1 << 30 };

// The text's next token: a name, a number or one other character. size 0: the end.
typedef struct reader {
    const char *code; // the whole text
    const char *token;
    size_t size;
    int depth; // of definitions within definitions
    const char *unread;
    size_t unread_size; // what could not be read; 0: nothing
} reader;

typedef struct layout {
    uint64_t size, align;
} layout;

static bool read_expression(reader *r, uint64_t *value);
static bool read_type(reader *r, layout *out);
static bool read_struct(reader *r, layout *out);
static bool read_workgroup_variable(reader *r, tdl_webgpu_needs *needs);
static bool read_workgroup_size(reader *r, tdl_webgpu_needs *needs);

static bool in_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static void next(reader *r) {
    const char *at = r->token + r->size;
    for (;;) {
        while (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r') at++;
        if (at[0] != '/' || at[1] != '/') break;
        while (*at && *at != '\n') at++;
    }
    r->token = at;
    r->size = *at ? 1 : 0;
    if (in_name(*at))
        while (in_name(at[r->size])) r->size++;
}

static bool is(const reader *r, const char *text) {
    return r->size == strlen(text) && memcmp(r->token, text, r->size) == 0;
}

static bool take(reader *r, const char *text) {
    if (!is(r, text)) return false;
    next(r);
    return true;
}

static bool fail(reader *r) {
    if (!r->unread_size) {
        r->unread = r->token;
        r->unread_size = r->size;
    }
    return false;
}

static bool expect(reader *r, const char *text) { return take(r, text) || fail(r); }

bool tdl_webgpu_needs_of(const char *code, tdl_webgpu_needs *needs, char *unread, size_t unread_size) {
    reader r = {.code = code, .token = code};
    *needs = (tdl_webgpu_needs){.workgroup_size = {1, 1, 1}};
    bool ok = true;
    next(&r);
    while (r.size && ok) {
        if (take(&r, "@")) {
            if (take(&r, "workgroup_size")) ok = read_workgroup_size(&r, needs);
        } else if (take(&r, "var")) {
            if (!take(&r, "<")) continue;
            needs->n_storage += is(&r, "storage");
            if (take(&r, "workgroup")) ok = read_workgroup_variable(&r, needs);
        } else {
            next(&r);
        }
    }
    size_t n = r.unread_size < unread_size - 1 ? r.unread_size : unread_size - 1;
    memcpy(unread, r.unread ? r.unread : "", n);
    unread[n] = 0;
    return ok;
}

static bool read_workgroup_variable(reader *r, tdl_webgpu_needs *needs) {
    layout type;
    if (!expect(r, ">")) return false;
    next(r); // its name
    if (!expect(r, ":") || !read_type(r, &type)) return false;
    needs->workgroup_memory += (type.size + 15) / 16 * 16;
    return true;
}

static bool read_workgroup_size(reader *r, tdl_webgpu_needs *needs) {
    if (!expect(r, "(")) return false;
    for (int i = 0; i < 3 && !is(r, ")"); i++) {
        if (!read_expression(r, &needs->workgroup_size[i])) return false;
        take(r, ",");
    }
    return expect(r, ")");
}

// ---- numbers --------------------------------------------------------------------------------------------------------

// A reader behind `keyword name`, wherever the text has it; depth counts on.
static bool define(const reader *r, const char *keyword, reader *out) {
    *out = (reader){.code = r->code, .token = r->code, .depth = r->depth + 1};
    for (next(out); out->size && out->depth < DEPTH_MAX;)
        if (!take(out, keyword)) next(out);
        else if (out->size == r->size && memcmp(out->token, r->token, r->size) == 0) return next(out), true;
    return false;
}

// Takes over what a definition's reader could not read, and goes on behind the name.
static bool leave(reader *r, const reader *definition, bool ok) {
    if (!ok && definition->unread_size) {
        r->unread = definition->unread;
        r->unread_size = definition->unread_size;
    }
    return ok ? next(r), true : fail(r);
}

static bool read_number(reader *r, uint64_t *value) {
    const char *at = r->token, *end = at + r->size;
    uint64_t base = 10;
    *value = 0;
    if (r->size > 2 && at[0] == '0' && (at[1] == 'x' || at[1] == 'X')) base = 16, at += 2;
    if (end[-1] == 'u' || end[-1] == 'i') end--;
    for (; at < end; at++) {
        int digit = *at <= '9' ? *at - '0' : (*at | 32) - 'a' + 10;
        if (digit < 0 || (uint64_t)digit >= base || *value > UINT32_MAX) return fail(r);
        *value = *value * base + (uint64_t)digit;
    }
    next(r);
    return true;
}

static bool read_constant(reader *r, uint64_t *value) {
    reader constant;
    if (!define(r, "const", &constant)) return fail(r);
    if (take(&constant, ":")) next(&constant); // its type, a word
    return leave(r, &constant, expect(&constant, "=") && read_expression(&constant, value));
}

// A number, a constant, min(a, b), max(a, b) or an expression in parentheses.
static bool read_factor(reader *r, uint64_t *value) {
    bool min = is(r, "min"), max = is(r, "max");
    if (r->size && *r->token >= '0' && *r->token <= '9') return read_number(r, value);
    if (min || max) next(r);
    else if (r->size && in_name(*r->token)) return read_constant(r, value);
    if (!expect(r, "(") || !read_expression(r, value)) return false;
    if (min || max) {
        uint64_t other;
        if (!expect(r, ",") || !read_expression(r, &other)) return false;
        if (min ? other < *value : other > *value) *value = other;
    }
    return expect(r, ")");
}

static bool read_product(reader *r, uint64_t *value) {
    if (!read_factor(r, value)) return false;
    while (is(r, "*") || is(r, "/") || is(r, "%")) {
        char op = *r->token;
        uint64_t by;
        next(r);
        if (!read_factor(r, &by)) return false;
        if ((op != '*' && by == 0) || (op == '*' && by > 0 && *value > UINT32_MAX / by)) return fail(r);
        *value = op == '*' ? *value * by : op == '/' ? *value / by : *value % by;
    }
    return true;
}

static bool read_expression(reader *r, uint64_t *value) {
    if (!read_product(r, value)) return false;
    while (is(r, "+") || is(r, "-")) {
        bool minus = is(r, "-");
        uint64_t by;
        next(r);
        if (!read_product(r, &by)) return false;
        if (minus && by > *value) return fail(r);
        *value = minus ? *value - by : *value + by;
    }
    return true;
}

// ---- types ----------------------------------------------------------------------------------------------------------

static bool read_plain(reader *r, layout *out) {
    static const struct {
        const char *name;
        uint64_t size;
    } plain[] = {{"f32", 4}, {"u32", 4}, {"i32", 4}, {"bool", 4}, {"f16", 2}};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (take(r, plain[i].name)) return *out = (layout){plain[i].size, plain[i].size}, true;
    return false;
}

// vecN<T>, and vecNf, vecNh, vecNi, vecNu.
static bool read_vector(reader *r, layout *out) {
    uint64_t n = (uint64_t)(r->token[3] - '0');
    layout element = {4, 4};
    if (r->size == 5) {
        if (r->token[4] == 'h') element = (layout){2, 2};
        next(r);
    } else {
        next(r);
        if (!expect(r, "<") || !read_type(r, &element) || !expect(r, ">")) return false;
    }
    *out = (layout){n * element.size, (n == 2 ? 2 : 4) * element.size};
    return true;
}

static bool read_array(reader *r, layout *out) {
    layout element;
    uint64_t n = 0;
    next(r);
    if (!expect(r, "<") || !read_type(r, &element) || !expect(r, ",") || !read_expression(r, &n)) return false;
    take(r, ",");
    uint64_t stride = (element.size + element.align - 1) / element.align * element.align;
    if (n == 0 || stride > SIZE_LIMIT / n) return fail(r);
    *out = (layout){n * stride, element.align};
    return expect(r, ">");
}

static bool read_type(reader *r, layout *out) {
    reader definition;
    if (read_plain(r, out)) return true;
    if (is(r, "array")) return read_array(r, out);
    if ((r->size == 4 || r->size == 5) && memcmp(r->token, "vec", 3) == 0 && r->token[3] >= '2' && r->token[3] <= '4')
        return read_vector(r, out);
    if (take(r, "atomic")) return expect(r, "<") && read_type(r, out) && expect(r, ">");
    if (!r->size || !in_name(*r->token)) return fail(r);
    if (define(r, "alias", &definition))
        return leave(r, &definition, expect(&definition, "=") && read_type(&definition, out));
    return define(r, "struct", &definition) ? leave(r, &definition, read_struct(&definition, out)) : fail(r);
}

// Members without attributes: `{ name: type, ... }`.
static bool read_struct(reader *r, layout *out) {
    *out = (layout){0, 1};
    if (!expect(r, "{")) return false;
    while (!take(r, "}")) {
        layout member;
        next(r);
        if (!expect(r, ":") || !read_type(r, &member)) return false;
        out->size = (out->size + member.align - 1) / member.align * member.align + member.size;
        if (member.align > out->align) out->align = member.align;
        take(r, ",");
    }
    out->size = (out->size + out->align - 1) / out->align * out->align;
    return out->size > 0 || fail(r);
}
