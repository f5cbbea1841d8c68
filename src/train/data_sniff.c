// SPDX-License-Identifier: MIT
// data_sniff.c - what a file of training data is, by its name and its first bytes. See data_source.h.
//
// Text has no signature, so what is none is found by what it has: signatures of other formats, control characters, zeros in
// every second byte, bytes that are no UTF-8. A few broken characters are not refused: they are counted (tdl_data_counts).
#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include "base/utf8.h"
#include "train/data_source.h"

#include <string.h>
#include <strings.h>

enum {
    SAMPLE_SIZE = 1 << 16, // bytes that are looked at
    MAGIC_SIZE_MAX = 16,
    CONTROLS_SHARE = 100, // one of so many bytes is a control character: no text
    INVALID_SHARE = 200   // one of so many is no UTF-8: another encoding
};

static tdl_status format_of(const char *path, tdl_data_format *out, tdl_error *err);
static tdl_status refuse_magic(tdl_text sample, const char *path, tdl_error *err);
static tdl_status refuse_binary(tdl_text sample, const char *path, tdl_error *err);
static tdl_status find_json(tdl_text sample, tdl_data_source *source, tdl_error *err);
static bool begins_as_record(tdl_text sample);

tdl_status tdl_data_source_find(const tdl_allocator *mem, const char *path, tdl_data_format format,
                                tdl_data_source *out, tdl_error *err) {
    tdl_data_source source = {.path = path, .format = format};
    tdl_file_map map = {0};
    tdl_status status = tdl_file_stat_get(path, &source.stat, err);
    if (status != TDL_OK) return status;
    if (source.stat.size == 0) return tdl_fail(err, TDL_ERROR_FORMAT, "data: '%s': the file is empty", path);
    if (format == TDL_DATA_AUTO && (status = format_of(path, &source.format, err)) != TDL_OK) return status;
    if (source.format != TDL_DATA_TOKENS) {
        if ((status = tdl_file_map_open(mem, path, &map, err)) != TDL_OK) return status;
        tdl_text sample = tdl_text_of((const char *)map.data, map.size < SAMPLE_SIZE ? map.size : SAMPLE_SIZE);
        status = refuse_magic(sample, path, err);
        if (status == TDL_OK) status = refuse_binary(sample, path, err);
        if (status == TDL_OK && source.format == TDL_DATA_JSON) status = find_json(sample, &source, err);
        source.looks_json = format == TDL_DATA_AUTO && source.format == TDL_DATA_TEXT && begins_as_record(sample);
        tdl_file_map_close(&map);
    }
    if (status == TDL_OK) *out = source;
    return status;
}

tdl_status tdl_data_source_of_bytes(const void *bytes, size_t size, const char *path, tdl_data_source *out,
                                    tdl_error *err) {
    tdl_data_source source = {.path = path, .format = TDL_DATA_JSON, .stat.size = size, .bytes = bytes};
    if (size == 0) return tdl_fail(err, TDL_ERROR_FORMAT, "data: '%s': nothing is there", path);
    tdl_text sample = tdl_text_of(bytes, size < SAMPLE_SIZE ? size : SAMPLE_SIZE);
    tdl_status status = refuse_magic(sample, path, err);
    if (status == TDL_OK) status = refuse_binary(sample, path, err);
    if (status == TDL_OK) status = find_json(sample, &source, err);
    if (status == TDL_OK) *out = source;
    return status;
}

static tdl_status format_of(const char *path, tdl_data_format *out, tdl_error *err) {
    static const char csv[] = "import csv,json,sys; [print(json.dumps(r)) for r in csv.DictReader(sys.stdin";
    static const char csv_end[] = ")]\" < data.csv > data.jsonl";
    static const char pandas[] = "import pandas; pandas.read_";
    static const char pandas_end[] = "('FILE').to_json('data.jsonl', orient='records', lines=True)\"";
    static const struct {
        const char *suffix, *what, *how, *arg, *how_end;
    } refused[] = {{".csv", "CSV", csv, "", csv_end},
                   {".tsv", "a table with tabs", csv, ", delimiter='\\t'", csv_end},
                   {".parquet", "Parquet", pandas, "parquet", pandas_end},
                   {".arrow", "Arrow", pandas, "feather", pandas_end},
                   {".feather", "Feather", pandas, "feather", pandas_end},
                   {".xls", "a spreadsheet", pandas, "excel", pandas_end},
                   {".xlsx", "a spreadsheet", pandas, "excel", pandas_end}};
    const char *dot = strrchr(path, '.');
    *out = TDL_DATA_TEXT;
    if (!dot || strchr(dot, '/')) return TDL_OK;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        if (strcasecmp(dot, refused[i].suffix) != 0) continue;
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED,
                        "data: '%.200s': is %s, expected text or JSONL; its rows, with columns prompt and completion, "
                        "become records with: python3 -c \"%s%s%s",
                        path, refused[i].what, refused[i].how, refused[i].arg, refused[i].how_end);
    }
    if (strcasecmp(dot, ".jsonl") == 0 || strcasecmp(dot, ".ndjson") == 0) *out = TDL_DATA_JSONL;
    else if (strcasecmp(dot, ".json") == 0) *out = TDL_DATA_JSON;
    else if (strcasecmp(dot, ".bin") == 0) *out = TDL_DATA_TOKENS;
    return TDL_OK;
}

// What people hand over by mistake. A file's text would come out as noise, and the model would learn it.
static tdl_status refuse_magic(tdl_text sample, const char *path, tdl_error *err) {
    static const char unpack[] = ": unpack it first", take[] = ": take its text out first",
                      recode[] = ": iconv -f utf-16 -t utf-8 makes it readable";
    static const struct {
        char bytes[MAGIC_SIZE_MAX + 2];
        size_t size;
        const char *what, *how;
    } magics[] = {{"\x1F\x8B", 2, "compressed (gzip)", unpack},
                  {"\xFD\x37zXZ", 5, "compressed (xz)", unpack},
                  {"\x28\xB5\x2F\xFD", 4, "compressed (zstd)", unpack},
                  {"BZh", 3, "compressed (bzip2)", unpack},
                  {"PK\x03\x04", 4, "compressed (zip), as .docx, .xlsx, .odt and .epub are", take},
                  {"%PDF-", 5, "a PDF", take},
                  {"\xD0\xCF\x11\xE0", 4, "an Office document", take},
                  {"{\\rtf", 5, "RTF", take},
                  {"PAR1", 4, "a Parquet file", ": make JSONL of it first"},
                  {"ARROW1", 6, "an Arrow file", ": make JSONL of it first"},
                  {"SQLite format 3", 15, "an SQLite database", ": make JSONL of it first"},
                  {"GGUF", 4, "a model (GGUF)", ""},
                  {"TDLTOKEN", 8, "a token file not named .bin", ""},
                  {"\x93NUMPY", 6, "a NumPy array", ""},
                  {"\x89PNG", 4, "an image", ""},
                  {"\xFF\xD8\xFF", 3, "an image", ""},
                  {"\x7F"
                   "ELF",
                   4, "a program", ""},
                  {"\xFF\xFE", 2, "UTF-16", recode},
                  {"\xFE\xFF", 2, "UTF-16", recode}};
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
        if (sample.size < magics[i].size || memcmp(sample.ptr, magics[i].bytes, magics[i].size) != 0) continue;
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "data: '%s': is %s, expected text in UTF-8%s", path, magics[i].what,
                        magics[i].how);
    }
    return TDL_OK;
}

// NUL bytes stand between documents, so they are no sign of a binary file unless nearly every second byte is one.
static tdl_status refuse_binary(tdl_text sample, const char *path, tdl_error *err) {
    size_t n_zeros[2] = {0}, n_controls = 0, n_invalid = 0, n_whole = sample.size - sample.size % 4;
    for (size_t i = 0; i < sample.size; i++) {
        unsigned char c = (unsigned char)sample.ptr[i];
        n_zeros[i % 2] += c == 0;
        n_controls += c == 0x7F || (c && c < 0x20 && !strchr("\t\n\v\f\r\x1A\x1B\b", c));
    }
    for (size_t i = 0, n; i < n_whole; i += n)
        n_invalid += tdl_utf8_decode(sample.ptr + i, sample.size - i, &n) == TDL_UTF8_INVALID;
    size_t half = sample.size / 2, more = n_zeros[0] > n_zeros[1] ? n_zeros[0] : n_zeros[1];
    if (half > 8 && more > half / 2 && n_zeros[0] + n_zeros[1] - more < half / 8)
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED,
                        "data: '%s': looks like UTF-16, expected text in UTF-8: iconv -f utf-16%s -t utf-8 makes it "
                        "readable",
                        path, n_zeros[0] > n_zeros[1] ? "be" : "le");
    if (n_controls > 4 && n_controls > sample.size / CONTROLS_SHARE)
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED,
                        "data: '%s': is a binary file, expected text in UTF-8: of its first %zu bytes %zu are control "
                        "characters",
                        path, sample.size, n_controls);
    if (n_invalid > 4 && n_invalid > sample.size / INVALID_SHARE)
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED,
                        "data: '%s': is in another encoding, expected text in UTF-8: of its first %zu bytes %zu are no "
                        "UTF-8; iconv -f latin1 -t utf-8 makes it readable where it is Latin-1",
                        path, sample.size, n_invalid);
    return TDL_OK;
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// A .json file has one array of records, or is JSONL under another name.
static tdl_status find_json(tdl_text sample, tdl_data_source *source, tdl_error *err) {
    size_t at = sample.size > 3 && memcmp(sample.ptr, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    while (at < sample.size && is_blank(sample.ptr[at])) at++;
    char first = at < sample.size ? sample.ptr[at] : '\0';
    if (first == '{') source->format = TDL_DATA_JSONL;
    if (first == '{' || first == '[') return TDL_OK;
    return tdl_fail(err, TDL_ERROR_FORMAT, "data: '%s': expected an array of records, or a record a line",
                    source->path);
}

// Whether the first line is a JSON object, or an array begins with one.
static bool begins_as_record(tdl_text sample) {
    size_t at = 0;
    while (at < sample.size && (is_blank(sample.ptr[at]) || sample.ptr[at] == '[')) at++;
    if (at == sample.size || sample.ptr[at] != '{') return false;
    size_t end = tdl_data_element_end(sample, at);
    const char *line = memchr(sample.ptr + at, '\n', sample.size - at);
    if (line && (size_t)(line - sample.ptr) < end) end = (size_t)(line - sample.ptr);
    json_t *root = NULL;
    bool is_json = tdl_json_parse(sample.ptr + at, end - at, "", &root, NULL) == TDL_OK && json_is_object(root);
    json_decref(root);
    return is_json;
}
