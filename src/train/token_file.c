// SPDX-License-Identifier: MIT
// token_file.c - see token_file.h.
//
// The footer, in bytes: 0 "TDLTOKEN", 8 u32 version, 12 u32 bytes of a token, 16 u32 n_vocab, 20 u32 whether there are
// counted bits, 24 u64 n_tokens, 32 u64 n_documents, 40 u64 n_targets, 48 u64 key of the tokenizer, 56 u64 key of the
// sources, 64 u64 checksum of all before the footer, 72 u64 whether there are records, 80 u64 [5] tdl_data_counts, 120 u64
// checksum of the footer's bytes before. It stands at the end because a file is written in one go. Where sections lie follows from the numbers.
// Checksums are XXH64.
#include "train/token_file.h"

#include "base/checked.h"
#include "base/checksum.h"
#include "base/error.h"
#include "base/file.h"
#include "base/limits.h"

#include <assert.h>
#include <string.h>

enum {
    HEAD_SIZE = 64,
    SECTION_ALIGN = 64,
    BLOCK_SIZE = 1 << 16, // bytes that are written at once
    FOOTER_CHECKSUM = 64, // where the contents' checksum stands
    FOOTER_CHECKED = 120, // where the footer's own does, and what it is of
    U16_VOCAB_MAX = 1 << 16
};

static const char magic[8] = {'T', 'D', 'L', 'T', 'O', 'K', 'E', 'N'};

typedef struct footer {
    char magic[8];
    uint32_t version, token_size, n_vocab, has_counted;
    uint64_t n_tokens, n_documents, n_targets;
    tdl_token_file_key key;
    uint64_t checksum;
    uint64_t has_records;
    tdl_data_counts counts;
    uint64_t own_checksum;
} footer; // as in the file
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are used as they lie in the file");
_Static_assert(sizeof(footer) == TDL_TOKEN_FILE_FOOTER_SIZE, "the footer has no padding");
_Static_assert(offsetof(footer, checksum) == FOOTER_CHECKSUM, "as documented");
_Static_assert(offsetof(footer, own_checksum) == FOOTER_CHECKED, "as documented");

// Where the sections lie.
typedef struct layout {
    size_t counted, documents, footer;
} layout;

static bool layout_of(const footer *f, layout *out);
static tdl_status check_footer(const footer *f, tdl_error *err);
static tdl_status check_contents(const tdl_token_file *file, tdl_error *err);
static uint64_t count_targets(const tdl_token_file *file);

tdl_status tdl_token_file_parse(const void *bytes, size_t size, tdl_token_file *out, tdl_error *err) {
    const uint8_t *data = bytes;
    footer f;
    layout at;
    assert((uintptr_t)bytes % sizeof(uint64_t) == 0);
    if (size < HEAD_SIZE + TDL_TOKEN_FILE_FOOTER_SIZE || memcmp(data, magic, sizeof magic) != 0) {
        return tdl_fail(err, TDL_ERROR_FORMAT, "token file: %zu bytes that do not begin as a token file", size);
    }
    const uint8_t *end = data + size - TDL_TOKEN_FILE_FOOTER_SIZE;
    memcpy(&f, end, sizeof f);
    if (memcmp(f.magic, magic, sizeof magic) != 0 || f.own_checksum != tdl_xxh64_of(end, FOOTER_CHECKED)) {
        return tdl_fail(err, TDL_ERROR_FORMAT, "token file: its end is damaged or missing");
    }
    tdl_status status = check_footer(&f, err);
    if (status != TDL_OK) return status;
    if (!layout_of(&f, &at) || at.footer != size - TDL_TOKEN_FILE_FOOTER_SIZE) {
        return tdl_fail(err, TDL_ERROR_FORMAT, "token file: %zu bytes do not hold %llu tokens of %llu documents", size,
                        (unsigned long long)f.n_tokens, (unsigned long long)f.n_documents);
    }
    if (f.checksum != tdl_xxh64_of(data, at.footer)) {
        return tdl_fail(err, TDL_ERROR_FORMAT, "token file: its contents do not match their checksum");
    }
    const void *tokens = data + HEAD_SIZE, *documents = data + at.documents;
    tdl_token_file file = {.key = f.key,
                           .tokens_u16 = f.token_size == 2 ? tokens : NULL,
                           .tokens_u32 = f.token_size == 4 ? tokens : NULL,
                           .counted = f.has_counted ? data + at.counted : NULL,
                           .documents = documents,
                           .n_tokens = f.n_tokens,
                           .n_documents = f.n_documents,
                           .n_targets = f.n_targets,
                           .checksum = f.checksum,
                           .n_vocab = f.n_vocab,
                           .has_records = f.has_records,
                           .counts = f.counts};
    status = check_contents(&file, err);
    if (status == TDL_OK) *out = file;
    return status;
}

static tdl_status check_footer(const footer *f, tdl_error *err) {
    if (f->version != TDL_TOKEN_FILE_VERSION) {
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "token file: version %u, expected %d", f->version,
                        TDL_TOKEN_FILE_VERSION);
    }
    if (f->n_vocab == 0 || f->n_vocab > TDL_VOCAB_MAX) {
        return tdl_fail(err, TDL_ERROR_FORMAT, "token file: a vocabulary of %u, expected 1 to %d", f->n_vocab,
                        TDL_VOCAB_MAX);
    }
    if (f->token_size != (f->n_vocab <= U16_VOCAB_MAX ? 2 : 4) || f->has_counted > 1) {
        return tdl_fail(err, TDL_ERROR_FORMAT, "token file: %u bytes a token, counted %u: not with %u tokens",
                        f->token_size, f->has_counted, f->n_vocab);
    }
    if (f->has_records > 1) {
        return tdl_fail(err, TDL_ERROR_FORMAT, "token file: the flag for records is %llu, expected 0 or 1",
                        (unsigned long long)f->has_records);
    }
    if (f->n_tokens == 0 || f->n_documents == 0) {
        return tdl_fail(err, TDL_ERROR_FORMAT, "token file: no tokens");
    }
    return TDL_OK;
}

static bool layout_of(const footer *f, layout *out) {
    size_t size, n;
    if (!tdl_mul_size(f->n_tokens, f->token_size, &size) || !tdl_add_size(size, HEAD_SIZE, &size)) return false;
    if (!tdl_align_size(size, SECTION_ALIGN, &out->counted)) return false;
    size = out->counted;
    if (f->has_counted && !tdl_add_size(size, f->n_tokens / 8 + (f->n_tokens % 8 != 0), &size)) return false;
    if (!tdl_align_size(size, SECTION_ALIGN, &out->documents)) return false;
    if (!tdl_add_size(f->n_documents, 1, &n) || !tdl_mul_size(n, sizeof(uint64_t), &n)) return false;
    return tdl_add_size(out->documents, n, &size) && tdl_align_size(size, SECTION_ALIGN, &out->footer);
}

static tdl_status check_contents(const tdl_token_file *file, tdl_error *err) {
    for (uint64_t i = 0; i < file->n_documents; i++) {
        if (file->documents[i] < file->documents[i + 1] && (i > 0 || file->documents[i] == 0)) continue;
        return tdl_fail(err, TDL_ERROR_FORMAT, "token file: document %llu begins at token %llu, the next one at %llu",
                        (unsigned long long)i, (unsigned long long)file->documents[i],
                        (unsigned long long)file->documents[i + 1]);
    }
    if (file->documents[file->n_documents] != file->n_tokens) {
        return tdl_fail(err, TDL_ERROR_FORMAT, "token file: its documents end at token %llu of %llu",
                        (unsigned long long)file->documents[file->n_documents], (unsigned long long)file->n_tokens);
    }
    uint32_t max = 0;
    for (uint64_t i = 0; file->tokens_u16 && i < file->n_tokens; i++) {
        if (file->tokens_u16[i] > max) max = file->tokens_u16[i];
    }
    for (uint64_t i = 0; file->tokens_u32 && i < file->n_tokens; i++) {
        if (file->tokens_u32[i] > max) max = file->tokens_u32[i];
    }
    if (max >= file->n_vocab) {
        return tdl_fail(err, TDL_ERROR_FORMAT, "token file: has token %u, its vocabulary has %u", max, file->n_vocab);
    }
    uint64_t n_targets = count_targets(file);
    if (n_targets != file->n_targets) {
        return tdl_fail(err, TDL_ERROR_FORMAT, "token file: %llu counted targets, its footer says %llu",
                        (unsigned long long)n_targets, (unsigned long long)file->n_targets);
    }
    return TDL_OK;
}

static uint64_t count_targets(const tdl_token_file *file) {
    if (!file->counted) return file->n_tokens - file->n_documents;
    uint64_t n = 0;
    for (uint64_t i = 0; i < file->n_tokens / 8; i++) n += (uint64_t)__builtin_popcount(file->counted[i]);
    for (uint64_t i = file->n_tokens / 8 * 8; i < file->n_tokens; i++) n += tdl_token_file_counted(file, i);
    for (uint64_t i = 0; i < file->n_documents; i++) n -= tdl_token_file_counted(file, file->documents[i]);
    return n;
}

uint64_t tdl_token_file_document(const tdl_token_file *file, uint64_t i) {
    uint64_t low = 0, high = file->n_documents; // documents[low] <= i < documents[high]
    while (high - low > 1) {
        uint64_t mid = low + (high - low) / 2;
        if (file->documents[mid] <= i) low = mid;
        else high = mid;
    }
    return low;
}

void tdl_token_file_seal(void *bytes, size_t size) {
    assert(size >= TDL_TOKEN_FILE_FOOTER_SIZE);
    uint8_t *end = (uint8_t *)bytes + size - TDL_TOKEN_FILE_FOOTER_SIZE;
    uint64_t sum = tdl_xxh64_of(bytes, size - TDL_TOKEN_FILE_FOOTER_SIZE);
    memcpy(end + FOOTER_CHECKSUM, &sum, sizeof sum);
    sum = tdl_xxh64_of(end, FOOTER_CHECKED);
    memcpy(end + FOOTER_CHECKED, &sum, sizeof sum);
}

// ---- writer

struct tdl_token_writer {
    const tdl_allocator *mem;
    tdl_file_writer *file;
    footer f;
    tdl_xxh64 checksum;
    tdl_vec documents; // uint64_t
    tdl_vec bits;      // uint8_t [ceil(n_tokens / 8)] once has_counted
    uint8_t *block;    // [BLOCK_SIZE], what is not written yet
    size_t n_block;
};

static tdl_status writer_put(tdl_token_writer *writer, const void *bytes, size_t size, tdl_error *err);
static tdl_status writer_pad(tdl_token_writer *writer, tdl_error *err);
static tdl_status writer_flush(tdl_token_writer *writer, tdl_error *err);
static tdl_status put_ids(tdl_token_writer *writer, const int32_t *ids, size_t n, tdl_error *err);
static bool put_bits(tdl_token_writer *writer, const uint8_t *counted, size_t n);
static tdl_status no_memory(tdl_error *err);

tdl_status tdl_token_writer_open(const tdl_allocator *mem, const char *path, int32_t n_vocab, tdl_token_file_key key,
                                 tdl_token_writer **out, tdl_error *err) {
    assert(n_vocab > 0 && n_vocab <= TDL_VOCAB_MAX);
    static const uint8_t zeros[HEAD_SIZE - sizeof magic] = {0};
    tdl_token_writer *writer = tdl_alloc(mem, 1, sizeof *writer);
    if (!writer) return no_memory(err);
    *writer = (tdl_token_writer){.mem = mem,
                                 .f = {.version = TDL_TOKEN_FILE_VERSION,
                                       .token_size = n_vocab <= U16_VOCAB_MAX ? 2 : 4,
                                       .n_vocab = (uint32_t)n_vocab,
                                       .key = key},
                                 .documents = tdl_vec_make(mem, sizeof(uint64_t)),
                                 .bits = tdl_vec_make(mem, sizeof(uint8_t))};
    memcpy(writer->f.magic, magic, sizeof magic);
    tdl_xxh64_init(&writer->checksum, 0);
    writer->block = tdl_alloc(mem, BLOCK_SIZE, 1);
    tdl_status status = writer->block ? tdl_file_writer_open(mem, path, &writer->file, err) : no_memory(err);
    if (status == TDL_OK) status = writer_put(writer, magic, sizeof magic, err);
    if (status == TDL_OK) status = writer_put(writer, zeros, sizeof zeros, err);
    if (status == TDL_OK) *out = writer;
    else tdl_token_writer_abort(writer);
    return status;
}

tdl_status tdl_token_writer_add(tdl_token_writer *writer, const tdl_token_run *run, tdl_error *err) {
    const uint8_t *counted = run->counted.data;
    size_t n = run->ids.n;
    const tdl_data_counts *more = &run->counts;
    writer->f.has_records |= run->has_records;
    writer->f.counts.n_records += more->n_records;
    writer->f.counts.n_empty += more->n_empty;
    writer->f.counts.n_masked += more->n_masked;
    writer->f.counts.n_empty_answers += more->n_empty_answers;
    writer->f.counts.n_bad_utf8 += more->n_bad_utf8;
    if (n == 0) return TDL_OK;
    uint64_t n_before = writer->f.n_tokens;
    for (size_t i = 0; i < run->starts.n; i++) {
        size_t start = *tdl_vec_at(&run->starts, size_t, i);
        uint64_t document = n_before + start;
        if (!tdl_vec_push(&writer->documents, &document, 1)) return no_memory(err);
        if (counted[start]) writer->f.n_targets--; // is added below with all others
    }
    for (size_t i = 0; i < n; i++) writer->f.n_targets += counted[i];
    if (!put_bits(writer, counted, n)) return no_memory(err);
    writer->f.n_tokens += n;
    return put_ids(writer, run->ids.data, n, err);
}

uint64_t tdl_token_writer_n_tokens(const tdl_token_writer *writer) { return writer->f.n_tokens; }
uint64_t tdl_token_writer_n_targets(const tdl_token_writer *writer) { return writer->f.n_targets; }

tdl_status tdl_token_writer_commit(tdl_token_writer *writer, tdl_error *err) {
    footer *f = &writer->f;
    f->n_documents = writer->documents.n;
    assert(f->n_documents > 0 && *tdl_vec_at(&writer->documents, uint64_t, 0) == 0);
    tdl_status status = writer_pad(writer, err);
    if (status == TDL_OK && f->has_counted) {
        status = writer_put(writer, writer->bits.data, writer->bits.n, err);
        if (status == TDL_OK) status = writer_pad(writer, err);
    }
    if (status == TDL_OK)
        status = writer_put(writer, writer->documents.data, writer->documents.n * sizeof(uint64_t), err);
    if (status == TDL_OK) status = writer_put(writer, &f->n_tokens, sizeof f->n_tokens, err);
    if (status == TDL_OK) status = writer_pad(writer, err);
    if (status == TDL_OK) status = writer_flush(writer, err);
    f->checksum = tdl_xxh64_sum(&writer->checksum);
    f->own_checksum = tdl_xxh64_of(f, FOOTER_CHECKED);
    if (status == TDL_OK) status = tdl_file_writer_write(writer->file, f, sizeof *f, err);
    if (status == TDL_OK) {
        status = tdl_file_writer_commit(writer->file, err);
        writer->file = NULL;
    }
    tdl_token_writer_abort(writer);
    return status;
}

void tdl_token_writer_abort(tdl_token_writer *writer) {
    if (!writer) return;
    tdl_file_writer_abort(writer->file);
    tdl_vec_deinit(&writer->documents);
    tdl_vec_deinit(&writer->bits);
    tdl_free(writer->mem, writer->block);
    tdl_free(writer->mem, writer);
}

static tdl_status put_ids(tdl_token_writer *writer, const int32_t *ids, size_t n, tdl_error *err) {
    enum { IDS_AT_ONCE = 1024 };
    uint16_t narrow[IDS_AT_ONCE];
    uint32_t wide[IDS_AT_ONCE];
    size_t token_size = writer->f.token_size, n_vocab = writer->f.n_vocab;
    for (size_t pos = 0, n_now; pos < n; pos += n_now) {
        n_now = n - pos < IDS_AT_ONCE ? n - pos : IDS_AT_ONCE;
        for (size_t i = 0; i < n_now; i++) {
            int32_t id = ids[pos + i];
            if (id < 0 || (size_t)id >= n_vocab) {
                return tdl_fail(
                    err, TDL_ERROR_ARGUMENT,
                    "data: the tokenizer gives token %d, the model's vocabulary has %zu: it is another model's", id,
                    n_vocab);
            }
            narrow[i] = (uint16_t)id;
            wide[i] = (uint32_t)id;
        }
        const void *bytes = token_size == sizeof *narrow ? (const void *)narrow : wide;
        tdl_status status = writer_put(writer, bytes, n_now * token_size, err);
        if (status != TDL_OK) return status;
    }
    return TDL_OK;
}

// The bits of n more tokens; those of all before, too, when the first comes that is not counted.
static bool put_bits(tdl_token_writer *writer, const uint8_t *counted, size_t n) {
    size_t n_before = writer->f.n_tokens, n_bytes = (n_before + n + 7) / 8;
    if (!writer->f.has_counted && !memchr(counted, 0, n)) return true;
    size_t n_room = n_bytes > writer->bits.n_max && n_bytes < 2 * writer->bits.n ? 2 * writer->bits.n : n_bytes;
    if (!tdl_vec_reserve(&writer->bits, n_room)) return false;
    uint8_t *bits = writer->bits.data;
    memset(bits + writer->bits.n, 0, n_bytes - writer->bits.n);
    writer->bits.n = n_bytes;
    if (!writer->f.has_counted) {
        memset(bits, 0xFF, n_before / 8);
        if (n_before % 8) bits[n_before / 8] = (uint8_t)((1 << n_before % 8) - 1);
        writer->f.has_counted = 1;
    }
    for (size_t i = 0; i < n; i++) {
        size_t at = n_before + i;
        bits[at / 8] = (uint8_t)(bits[at / 8] | (counted[i] ? 1 << at % 8 : 0));
    }
    return true;
}

// Everything but the footer goes through here.
static tdl_status writer_put(tdl_token_writer *writer, const void *bytes, size_t size, tdl_error *err) {
    const uint8_t *rest = bytes;
    while (size > 0) {
        size_t n = BLOCK_SIZE - writer->n_block < size ? BLOCK_SIZE - writer->n_block : size;
        memcpy(writer->block + writer->n_block, rest, n);
        writer->n_block += n;
        rest += n;
        size -= n;
        tdl_status status = writer->n_block == BLOCK_SIZE ? writer_flush(writer, err) : TDL_OK;
        if (status != TDL_OK) return status;
    }
    return TDL_OK;
}

// Sections begin at multiples of SECTION_ALIGN, and blocks do too.
static tdl_status writer_pad(tdl_token_writer *writer, tdl_error *err) {
    static const uint8_t zeros[SECTION_ALIGN] = {0};
    size_t over = writer->n_block % SECTION_ALIGN;
    return over ? writer_put(writer, zeros, SECTION_ALIGN - over, err) : TDL_OK;
}

static tdl_status writer_flush(tdl_token_writer *writer, tdl_error *err) {
    if (writer->n_block == 0) return TDL_OK;
    tdl_xxh64_add(&writer->checksum, writer->block, writer->n_block);
    tdl_status status = tdl_file_writer_write(writer->file, writer->block, writer->n_block, err);
    writer->n_block = 0;
    return status;
}

static tdl_status no_memory(tdl_error *err) {
    return tdl_fail(err, TDL_ERROR_MEMORY, "data: no memory to write a token file");
}
