// SPDX-License-Identifier: MIT
// data_source.c - cuts sources into pieces. See data_source.h; what a file is: data_sniff.c.
//
// Where a long document is cut, its tokens must come out as if it had not been: at a line break between characters that
// are no white space, where pre-tokenizers begin a new piece, if the tokenizer is one for which that holds. One that puts
// a space before each text is not; then only a document over LONG_SIZE is cut, for the encoder's memory.
#include "train/data_source.h"

#include "base/error.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/utf8.h"

#include <string.h>

enum {
    PIECE_SIZE = 1 << 20, // bytes a piece has at least, where there are as many
    LONG_SIZE = 64 << 20  // bytes of text it has at most
};

static tdl_status check_there(const tdl_data_cutter *cutter, tdl_error *err);
static tdl_status open_next(tdl_data_cutter *cutter, tdl_error *err);
static size_t cut_text(const tdl_data_cutter *cutter, tdl_text rest, bool *ends);
static tdl_status cut_lines(tdl_data_cutter *cutter, tdl_text rest, size_t *size, tdl_error *err);
static tdl_status cut_array(tdl_data_cutter *cutter, tdl_text rest, size_t *n_text, size_t *size, tdl_error *err);
static void close_map(tdl_data_cutter *cutter, size_t i);
static size_t find_line(tdl_data_cuts cuts, tdl_text text, size_t begin, size_t end);
static bool ends_word(tdl_text text, size_t i);
static bool begins_word(tdl_text text, size_t i);
static bool is_space(uint32_t c);

void tdl_data_cutter_init(tdl_data_cutter *cutter, const tdl_allocator *mem, const tdl_data_source *sources,
                          size_t n_sources, tdl_text separator, tdl_data_cuts cuts) {
    *cutter = (tdl_data_cutter){.sources = sources,
                                .n_sources = n_sources,
                                .separator = separator,
                                .cuts = cuts,
                                .maps = tdl_vec_make(mem, sizeof(tdl_file_map))};
}

void tdl_data_cutter_deinit(tdl_data_cutter *cutter) {
    for (size_t i = 0; i < cutter->maps.n; i++) close_map(cutter, i);
    tdl_vec_deinit(&cutter->maps);
}

tdl_status tdl_data_cutter_next(tdl_data_cutter *cutter, tdl_data_piece *out, tdl_error *err) {
    if (!cutter->opened) {
        if (cutter->source == cutter->n_sources) return TDL_DONE;
        tdl_status status = open_next(cutter, err);
        if (status != TDL_OK) return status;
    }
    tdl_status there = check_there(cutter, err);
    if (there != TDL_OK) return there;
    const tdl_data_source *source = &cutter->sources[cutter->source];
    const tdl_file_map *map = tdl_vec_at(&cutter->maps, tdl_file_map, cutter->maps.n - 1);
    tdl_text rest = tdl_text_of((const char *)map->data + cutter->offset, map->size - cutter->offset);
    tdl_data_piece piece = {.source = source, .line = cutter->line, .begins = cutter->begins, .ends = true};
    size_t n_text = 0;
    tdl_status status = TDL_OK;
    if (source->format == TDL_DATA_TEXT) n_text = rest.size = cut_text(cutter, rest, &piece.ends);
    else if (source->format == TDL_DATA_JSON) status = cut_array(cutter, rest, &n_text, &rest.size, err);
    else if ((status = cut_lines(cutter, rest, &rest.size, err)) == TDL_OK) n_text = rest.size;
    if (status != TDL_OK) return status;
    piece.text = tdl_text_of(rest.ptr, n_text);
    cutter->begins = piece.ends;
    cutter->offset += rest.size;
    cutter->n_bytes += rest.size;
    if (cutter->offset == map->size) {
        cutter->opened = false;
        cutter->source++;
    }
    *out = piece;
    return TDL_OK;
}

// A large file is mapped: whether all of it is still there, before the next piece is looked at.
static tdl_status check_there(const tdl_data_cutter *cutter, tdl_error *err) {
    tdl_status status = tdl_file_map_check(tdl_vec_at(&cutter->maps, const tdl_file_map, cutter->maps.n - 1), err);
    return status == TDL_OK ? status : tdl_fail_at(err, status, cutter->sources[cutter->source].path);
}

void tdl_data_cutter_release(tdl_data_cutter *cutter) {
    size_t n_done = cutter->maps.n - (cutter->opened ? 1 : 0);
    for (size_t i = 0; i < n_done; i++) close_map(cutter, i);
    cutter->maps.n = 0;
    if (!cutter->opened) return;
    tdl_file_map *map = tdl_vec_at(&cutter->maps, tdl_file_map, 0);
    *map = *tdl_vec_at(&cutter->maps, tdl_file_map, n_done);
    cutter->maps.n = 1;
    tdl_file_map_release(map, map->data + cutter->released, cutter->offset - cutter->released);
    cutter->released = cutter->offset;
}

// What a source has in memory is its owner's.
static void close_map(tdl_data_cutter *cutter, size_t i) {
    tdl_file_map *map = tdl_vec_at(&cutter->maps, tdl_file_map, i);
    for (size_t k = 0; k < cutter->n_sources; k++)
        if (cutter->sources[k].bytes && cutter->sources[k].bytes == map->data) map->data = NULL;
    tdl_file_map_close(map);
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static tdl_status open_next(tdl_data_cutter *cutter, tdl_error *err) {
    const tdl_data_source *source = &cutter->sources[cutter->source];
    tdl_file_map *map = tdl_vec_add(&cutter->maps);
    if (!map) return tdl_fail(err, TDL_ERROR_MEMORY, "data: '%s': no memory to open it", source->path);
    tdl_status status = TDL_OK;
    if (source->bytes)
        *map = (tdl_file_map){.mem = cutter->maps.mem, .data = source->bytes, .size = (size_t)source->stat.size};
    else status = tdl_file_map_open(cutter->maps.mem, source->path, map, err);
    if (status != TDL_OK) {
        cutter->maps.n--;
        return status;
    }
    cutter->opened = cutter->begins = true;
    cutter->line = 1;
    cutter->offset = map->size > 3 && memcmp(map->data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0; // a byte order mark
    if (source->format == TDL_DATA_JSON) {
        const char *text = (const char *)map->data;
        while (cutter->offset < map->size && is_blank(text[cutter->offset]))
            cutter->line += text[cutter->offset++] == '\n';
        cutter->offset++; // the bracket, which `find` has seen
        if (cutter->offset > map->size)
            return tdl_fail(err, TDL_ERROR_FORMAT, "data: '%s': changed while it was read", source->path);
    }
    cutter->n_bytes += cutter->offset;
    cutter->released = 0;
    return TDL_OK;
}

// How many bytes of the rest the next piece has. Looks for the next good place from PIECE_SIZE on, part by part, so that
// nothing is looked at often.
static size_t cut_text(const tdl_data_cutter *cutter, tdl_text rest, bool *ends) {
    size_t size = cutter->separator.size, size_max = rest.size < LONG_SIZE ? rest.size : LONG_SIZE;
    *ends = true;
    if (rest.size <= PIECE_SIZE) return rest.size;
    size_t begin = PIECE_SIZE - size; // a separator may begin before the mark and end after it
    for (size_t end; begin < size_max; begin = end) {
        end = size_max - begin < PIECE_SIZE ? size_max : begin + PIECE_SIZE;
        size_t cut = find_line(cutter->cuts, rest, begin, end);
        size_t n_searched = cut + size - 1 < rest.size ? cut + size - 1 : rest.size; // it may end after the cut
        size_t at = tdl_data_separator_find(tdl_text_of(rest.ptr, n_searched), begin, cutter->separator);
        if (at < n_searched) return at + size;
        *ends = false;
        if (cut < end) return cut;
    }
    *ends = size_max == rest.size;
    // Not inside a character.
    for (int i = 0; i < 3 && !*ends && ((unsigned char)rest.ptr[size_max] & 0xC0) == 0x80; i++) size_max--;
    return size_max;
}

// The first place in [begin, end) to cut a document; `end` where there is none.
static size_t find_line(tdl_data_cuts cuts, tdl_text text, size_t begin, size_t end) {
    if (!cuts.line && !cuts.paragraph) return end;
    for (size_t i = begin; i < end; i++) {
        const char *p = memchr(text.ptr + i, '\n', end - i);
        if (!p) break;
        i = (size_t)(p - text.ptr);
        bool two = i + 1 < text.size && p[1] == '\n';
        size_t after = i + 1 + two, cut = two ? i + (size_t)cuts.paragraph : i + 1;
        bool allowed = two ? cuts.paragraph != 0 : cuts.line;
        if (allowed && cut < end && ends_word(text, i) && begins_word(text, after)) return cut;
    }
    return end;
}

static tdl_status cut_lines(tdl_data_cutter *cutter, tdl_text rest, size_t *size, tdl_error *err) {
    size_t n = rest.size;
    bool too_long = false;
    if (n > PIECE_SIZE) {
        size_t room = n - PIECE_SIZE;
        too_long = room > TDL_DATA_RECORD_SIZE_MAX;
        if (too_long) room = TDL_DATA_RECORD_SIZE_MAX + 1;
        const char *end = memchr(rest.ptr + PIECE_SIZE, '\n', room);
        too_long = too_long && !end;
        n = too_long ? PIECE_SIZE : end ? (size_t)(end - rest.ptr) + 1 : n;
    }
    uint64_t n_lines = 0;
    for (const char *p = rest.ptr, *end = p + n; (p = memchr(p, '\n', (size_t)(end - p))); p++) n_lines++;
    if (too_long) {
        return tdl_fail(err, TDL_ERROR_LIMIT, "data: %s:%llu: the line has more than %d bytes",
                        cutter->sources[cutter->source].path, (unsigned long long)(cutter->line + n_lines),
                        TDL_DATA_RECORD_SIZE_MAX);
    }
    cutter->line += n_lines;
    *size = n;
    return TDL_OK;
}

// *n_text bytes are elements with commas between and perhaps behind them; *size also has what ends the array and the file.
static tdl_status cut_array(tdl_data_cutter *cutter, tdl_text rest, size_t *n_text, size_t *size, tdl_error *err) {
    const char *path = cutter->sources[cutter->source].path;
    size_t at = 0;
    bool ends = false;
    for (;;) {
        while (at < rest.size && is_blank(rest.ptr[at])) cutter->line += rest.ptr[at++] == '\n';
        ends = at < rest.size && rest.ptr[at] == ']';
        if (ends || at >= PIECE_SIZE) break;
        size_t room = rest.size - at < TDL_DATA_RECORD_SIZE_MAX + 1 ? rest.size - at : TDL_DATA_RECORD_SIZE_MAX + 1;
        size_t end = tdl_data_element_end(tdl_text_of(rest.ptr, at + room), at);
        if (end == at + room && room == TDL_DATA_RECORD_SIZE_MAX + 1)
            return tdl_fail(err, TDL_ERROR_LIMIT, "data: %s:%llu: the record has more than %d bytes", path,
                            (unsigned long long)cutter->line, TDL_DATA_RECORD_SIZE_MAX);
        if (end == rest.size)
            return tdl_fail(err, TDL_ERROR_FORMAT, "data: %s:%llu: the file ends within the array of records", path,
                            (unsigned long long)cutter->line);
        for (; at < end; at++) cutter->line += rest.ptr[at] == '\n';
        at += rest.ptr[at] == ',';
    }
    *n_text = *size = at;
    if (!ends) return TDL_OK;
    for (at++; at < rest.size && is_blank(rest.ptr[at]); at++) cutter->line += rest.ptr[at] == '\n';
    *size = at;
    if (at == rest.size) return TDL_OK;
    return tdl_fail(err, TDL_ERROR_FORMAT, "data: %s:%llu: text after the array of records", path,
                    (unsigned long long)cutter->line);
}

size_t tdl_data_element_end(tdl_text text, size_t from) {
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = from; i < text.size; i++) {
        char c = text.ptr[i];
        if (quoted) {
            if (c == '\\') i++;
            else quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']' || c == ',') {
            if (depth == 0) return i;
            depth -= c != ',';
        }
    }
    return text.size;
}

// Whether the character before text[i], or that at text[i], is no white space.
static bool ends_word(tdl_text text, size_t i) {
    size_t before = i, n;
    if (i == 0) return false;
    do before--;
    while (before > 0 && i - before < 4 && ((unsigned char)text.ptr[before] & 0xC0) == 0x80);
    return !is_space(tdl_utf8_decode(text.ptr + before, i - before, &n));
}

static bool begins_word(tdl_text text, size_t i) {
    size_t n;
    return i < text.size && !is_space(tdl_utf8_decode(text.ptr + i, text.size - i, &n));
}

// Unicode's White_Space, and what is no character.
static bool is_space(uint32_t c) {
    return c <= 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
           c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000 || c == TDL_UTF8_INVALID;
}

size_t tdl_data_separator_find(tdl_text text, size_t from, tdl_text separator) {
    while (from < text.size && separator.size <= text.size - from) {
        const char *p = memchr(text.ptr + from, separator.ptr[0], text.size - separator.size - from + 1);
        if (!p) break;
        from = (size_t)(p - text.ptr);
        if (memcmp(p, separator.ptr, separator.size) == 0) return from;
        from++;
    }
    return text.size;
}
