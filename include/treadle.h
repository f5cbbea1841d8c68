/* SPDX-License-Identifier: MIT
 * treadle.h - run and train transformer language models from plain C.
 *
 *     tdl_error err = {0};
 *     tdl_model *model = NULL;
 *     tdl_session *session = NULL;
 *     if (tdl_model_open(&(tdl_model_desc){.size = sizeof(tdl_model_desc), .path = "model.gguf"}, &model, &err) == TDL_OK &&
 *         tdl_session_create(model, &(tdl_session_desc){.size = sizeof(tdl_session_desc)}, &session, &err) == TDL_OK &&
 *         tdl_session_push_text(session, "Once upon a time", 16, NULL, &err) == TDL_OK) {
 *         int32_t token;
 *         tdl_status status;
 *         while ((status = tdl_session_next(session, &token, &err)) >= 0 && status != TDL_DONE) {
 *             tdl_text text = tdl_session_take_text(session);
 *             fwrite(text.ptr, 1, text.size, stdout);
 *         }
 *     }
 *     if (err.code) fprintf(stderr, "%s\n", err.message);
 *     tdl_session_destroy(session);
 *     tdl_model_close(model);
 *
 * Rules that hold everywhere:
 *   - Description and result structs begin with `size`, set by the caller to sizeof the struct; a field that is zero means its
 *     default. They grow at the end: a smaller size (an older header) is accepted, and a larger one whose unknown bytes are zero;
 *     unknown bytes that are not zero are ARGUMENT. Of a result, `size` bytes are written. What has no `size` never grows:
 *     tdl_error, tdl_text, tdl_allocator, tdl_reader; in the experimental part tdl_device_info, tdl_trace_event and
 *     tdl_train_data_info may, as all there.
 *   - Functions that can fail return a tdl_status: negative is an error, and `err` (caller-owned, may be NULL) then says
 *     what, where, which value and what was expected. A failed call changes nothing it does not say it changes.
 *   - open/close own a file or a device, create/destroy an object. close and destroy accept NULL.
 *   - A pointer argument is borrowed for the call unless its comment says otherwise; `out` arguments are set on success only.
 *     NULL where something is expected is ARGUMENT; a function that returns no status then returns NULL, 0, -1 or an empty text.
 *   - Text is UTF-8 with an explicit size in bytes and need not end in NUL; paths and names are NUL-terminated.
 *   - A tdl_model, tdl_tokenizer and tdl_device may be used from several threads; a batch and its sessions from one at a time.
 *
 * What it does not do: it never aborts or exits, reads no environment variable, keeps no global state, prints nothing,
 * starts no thread but those of a device, and downloads nothing.
 */
#ifndef TREADLE_H
#define TREADLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TDL_VERSION_MAJOR 0
#define TDL_VERSION_MINOR 2
#define TDL_VERSION_PATCH 0

#if defined(__GNUC__)
#define TDL_API __attribute__((visibility("default")))
#else
#define TDL_API
#endif

/* ---- status and error ---------------------------------------------------------------------------------------------- */

typedef enum tdl_status {
    TDL_OK = 0,
    TDL_DONE = 1,    /* the sequence has ended; nothing more will come without new input */
    TDL_PENDING = 2, /* work is under way or was done, but there is no result yet: call again */
    TDL_WAITING = 3, /* nothing can go on until other sessions free cache pages */

    TDL_ERROR_ARGUMENT = -1,     /* the caller passed a value that is out of range or contradicts another */
    TDL_ERROR_MEMORY = -2,       /* an allocation failed */
    TDL_ERROR_IO = -3,           /* a file cannot be opened, read or written */
    TDL_ERROR_FORMAT = -4,       /* a file's contents are damaged or contradict themselves */
    TDL_ERROR_UNSUPPORTED = -5,  /* well-formed, but treadle has no such architecture, type or feature */
    TDL_ERROR_LIMIT = -6,        /* beyond a named limit, or the caller's buffer is too small */
    TDL_ERROR_CONTEXT_FULL = -7, /* the sequence does not fit the context: rewind, or create a longer session */
    TDL_ERROR_CANCELLED = -8,    /* the caller's progress function asked to stop */
    TDL_ERROR_DEVICE = -9,       /* a device refused or failed */
    TDL_ERROR_DEVICE_LOST = -10, /* a device is gone; sessions can be rebuilt on another from their tokens */
    TDL_ERROR_NOT_FINITE = -11,  /* a result is NaN or infinite: the message says which, and where that began */
} tdl_status;

typedef struct tdl_error {
    tdl_status code;
    char message[508]; /* NUL-terminated; empty where code is not an error */
} tdl_error;

/* The status's name in lower case: "ok", "context_full". Static text. */
TDL_API const char *tdl_status_name(tdl_status status);

/* "0.2.0". Static text. */
TDL_API const char *tdl_version(void);

/* In a float field of a description struct, whose 0 means the default: the value zero. Other negative values are ARGUMENT, but
 * where the field's comment says that any number will do. */
#define TDL_ZERO (-1.0f)

/* ---- memory -------------------------------------------------------------------------------------------------------- */

/* Every allocation of the library's own goes through one of these. `alloc` returns memory of `size` bytes aligned to
 * `align` (a power of two), or NULL; `free` takes NULL. Both may be called from any thread. */
typedef struct tdl_allocator {
    void *(*alloc)(void *user, size_t size, size_t align);
    void (*free)(void *user, void *ptr);
    void *user;
} tdl_allocator;

/* Borrowed text; not NUL-terminated. */
typedef struct tdl_text {
    const char *ptr;
    size_t size; /* bytes */
} tdl_text;

/* ---- device -------------------------------------------------------------------------------------------------------- */

typedef struct tdl_device tdl_device;

typedef struct tdl_device_desc {
    size_t size;
    /* "cpu" (the default) or "webgpu"; "webgpu:1": the second adapter; "webgpu:1:min": that one, held to the limits that
     * every WebGPU adapter has; "null": for tests of programs, slow, asynchronous, strict about its caller. */
    const char *name;
    int32_t n_threads; /* CPU threads, at most 256; default: one per CPU that affinity and a container's quota allow */
    const char
        *isa_max; /* CPU: use at most "plain", "avx2", "avx512", "avx512_bf16" or "neon"; default: the best there is */
    const tdl_allocator *allocator; /* borrowed until close; default: the C library's */
    const char *library;            /* WebGPU: the shared library that implements webgpu.h; default: the usual names */
} tdl_device_desc;

/* Errors: ARGUMENT (unknown name or isa, threads out of range), MEMORY, DEVICE. */
TDL_API tdl_status tdl_device_open(const tdl_device_desc *desc, tdl_device **out, tdl_error *err);
/* Models on this device must be closed before. */
TDL_API void tdl_device_close(tdl_device *device);
/* What the device is, for people: "cpu: avx512, 2 threads". Borrowed from the device. */
TDL_API const char *tdl_device_summary(const tdl_device *device);

/* ---- model --------------------------------------------------------------------------------------------------------- */

typedef struct tdl_model tdl_model;
typedef struct tdl_tokenizer tdl_tokenizer;

typedef enum tdl_precision {
    TDL_PRECISION_AUTO = 0, /* what is fastest within the published bounds: activations may be rounded */
    TDL_PRECISION_F32 = 1,  /* F32 activations and cache, weights dequantized */
} tdl_precision;

/* Random access to a model file that is not on a disk. Reads exactly `size` bytes at `offset`, or fails. */
typedef struct tdl_reader {
    tdl_status (*read)(void *user, uint64_t offset, void *dst, size_t size);
    void *user;
    uint64_t size; /* bytes in the file */
} tdl_reader;

/* One of path, bytes and reader says where the model is. */
typedef struct tdl_model_desc {
    size_t size;
    const char *path;  /* a GGUF file, the first part of a split one, a .safetensors file beside its config.json,
                                 or a Hugging Face directory */
    const void *bytes; /* a GGUF file in memory; borrowed until close */
    size_t bytes_size;
    const tdl_reader *reader; /* a GGUF file behind callbacks; used during open only */
    tdl_device *device;       /* borrowed until close; default: a CPU device of the model's own */
    tdl_precision precision;
    /* The same tokens give the same bits whatever the batch, its neighbours and the prompt's chunks. A CPU always does that. A
     * GPU does it only where this is set, at the cost of slower prompts and, with long contexts, slower tokens: else rounding
     * depends on the step's size, and only runs that batch alike give the same tokens. */
    bool invariant;
    bool (*progress)(void *user, double fraction); /* called during open; returning false cancels it */
    void *progress_user;
    const tdl_allocator *allocator; /* borrowed until close */
    bool lazy; /* open checks what the model is; its weights get to the device with the first batch or session */
    /* A LoRA adapter as PEFT writes it, or the directory of a tdl_trainer that has one: added to the model's matrices when it is
     * opened. Those become the model's own in memory, F16 where they were not F32, and F32 with that precision. */
    const char *lora;
} tdl_model_desc;

/* Opens a model, checks it and prepares its weights for the device. Files are read, never mapped: one that becomes shorter or
 * changes is an IO error, during open and later, and not a signal. What the device works with is in memory when open returns; of
 * a lazy model, when its first batch or session is there. Later reads are rare: a batch that wants a weight in another layout,
 * an export. For them the model keeps its files open, a descriptor each, until close; a file that was removed, or replaced by
 * another of its name, can still be read.
 * Errors: ARGUMENT, MEMORY, IO, FORMAT, UNSUPPORTED, LIMIT, CANCELLED, DEVICE. */
TDL_API tdl_status tdl_model_open(const tdl_model_desc *desc, tdl_model **out, tdl_error *err);
/* Sessions and batches of this model must be destroyed before. */
TDL_API void tdl_model_close(tdl_model *model);

typedef struct tdl_model_info {
    size_t size;
    const char *name;   /* as the file says; "" where it does not. Borrowed from the model, like arch and dtype */
    const char *arch;   /* the row of the architecture table: "llama" */
    const char *dtype;  /* the commonest type among the matrices: "Q8_0" */
    const char *device; /* tdl_device_summary of the model's device */
    uint64_t n_params;
    uint64_t weights_size; /* bytes of all tensors in the file */
    int32_t n_vocab, n_ctx_train, n_embd, n_layers, n_heads, n_kv_heads, head_dim, n_ff;
    bool has_chat_template; /* the file says how a conversation is written as text; treadle does not read it yet */
    int32_t n_lora;         /* matrices that tdl_model_desc.lora changed */
    uint64_t lora_size;     /* bytes that they take */
    const char *lora_dtype; /* the first one's type; NULL where there is none */
} tdl_model_info;

/* What is to be said of a model that opened all the same: a key of its configuration that nothing reads, or a tensor that
 * nothing uses. `i` below tdl_model_n_warnings; borrowed from the model; NULL past the end. */
TDL_API size_t tdl_model_n_warnings(const tdl_model *model);
TDL_API const char *tdl_model_warning(const tdl_model *model, size_t i);

/* Fills what `info->size` has room for; nothing where that is no size of a version of the struct. */
TDL_API void tdl_model_get_info(const tdl_model *model, tdl_model_info *info);

/* Borrowed from the model; NULL where the file carries no tokenizer. */
TDL_API const tdl_tokenizer *tdl_model_tokenizer(const tdl_model *model);

/* ---- tokenizer ----------------------------------------------------------------------------------------------------- */

/* Opens only the tokenizer of a model (GGUF, tokenizer.json or a directory): no weights needed. desc->device,
 * precision and progress are not used. Errors: ARGUMENT, MEMORY, IO, FORMAT, UNSUPPORTED, LIMIT. */
TDL_API tdl_status tdl_tokenizer_open(const tdl_model_desc *desc, tdl_tokenizer **out, tdl_error *err);
TDL_API void tdl_tokenizer_close(tdl_tokenizer *tokenizer);

typedef enum tdl_bos {
    TDL_BOS_DEFAULT = 0, /* as the model says; of a text to go on from, not where it begins with the token itself */
    TDL_BOS_NEVER = 1,
    TDL_BOS_ALWAYS = 2,
} tdl_bos;

typedef struct tdl_encode_desc {
    size_t size;
    tdl_bos bos;
    bool parse_special; /* text such as "<|im_end|>" becomes the special token it names; default: it is plain text */
    bool whole; /* the text is all there is: encoded as Hugging Face's tokenizers do, with the end-of-sequence token
                           where the model wants one (add_eos_token, a post-processor). Default: it is a text to go on from,
                           which no such token ends */
} tdl_encode_desc;

/* Text to ids. `*n_ids` is set to how many there are, also where `ids_max` is too small (error LIMIT; with ids NULL and
 * ids_max 0 too). Invalid UTF-8 is encoded byte by byte where the scheme can, else as unknown tokens. desc may be NULL.
 * Errors: ARGUMENT, MEMORY, LIMIT. */
TDL_API tdl_status tdl_tokenizer_encode(const tdl_tokenizer *tokenizer, const char *text, size_t text_size,
                                        const tdl_encode_desc *desc, int32_t *ids, size_t ids_max, size_t *n_ids,
                                        tdl_error *err);

/* A part of a text, whose origin decides whether it may name special tokens: the markers of a chat template may, what a user
 * wrote may not. */
typedef struct tdl_segment {
    const char *text;
    size_t text_size;
    bool parse_special;
} tdl_segment;

/* As tdl_tokenizer_encode, of a text that comes in segments: the ids are those of all of it, and a special token is found
 * only where all of its text lies in one segment with parse_special. desc->parse_special is not used. Special tokens that a
 * tokenizer looks for in normalized text only are found where there is one segment.
 * Errors: ARGUMENT, MEMORY, LIMIT. */
TDL_API tdl_status tdl_tokenizer_encode_segments(const tdl_tokenizer *tokenizer, const tdl_segment *segments,
                                                 size_t n_segments, const tdl_encode_desc *desc, int32_t *ids,
                                                 size_t ids_max, size_t *n_ids, tdl_error *err);

typedef struct tdl_decode_desc {
    size_t size;
    bool skip_special; /* special tokens give no text; default: their own text */
} tdl_decode_desc;

/* Ids to text, sized like encode. The bytes may be invalid UTF-8 where the ids are. Errors: ARGUMENT (id), LIMIT. */
TDL_API tdl_status tdl_tokenizer_decode(const tdl_tokenizer *tokenizer, const int32_t *ids, size_t n_ids,
                                        const tdl_decode_desc *desc, char *text, size_t text_max, size_t *text_size,
                                        tdl_error *err);

TDL_API int32_t tdl_tokenizer_n_vocab(const tdl_tokenizer *tokenizer);
/* -1 where the model has none. */
TDL_API int32_t tdl_tokenizer_bos(const tdl_tokenizer *tokenizer);
TDL_API int32_t tdl_tokenizer_eos(const tdl_tokenizer *tokenizer);
/* Whether `id` ends a generation (end of sequence, end of turn, end of message). */
TDL_API bool tdl_tokenizer_is_end(const tdl_tokenizer *tokenizer, int32_t id);
/* The id of the special or ordinary token spelled exactly so, or -1. */
TDL_API int32_t tdl_tokenizer_find(const tdl_tokenizer *tokenizer, const char *text, size_t text_size);
/* The token's own text; empty for an id out of range. Borrowed from the tokenizer. */
TDL_API tdl_text tdl_tokenizer_token(const tdl_tokenizer *tokenizer, int32_t id);

/* ---- session ------------------------------------------------------------------------------------------------------- */

typedef struct tdl_batch tdl_batch;
typedef struct tdl_session tdl_session;

/* The order: penalties, top_k, top_p and min_p on the softmax at temperature 1, then temperature, then the draw. A logit of
 * -infinity is a token that never comes. */
typedef struct tdl_sampler_desc {
    size_t size;       /* 0, or sizeof(tdl_sampler_desc): the struct lies within others */
    float temperature; /* default 0: greedy, the first of the largest logits */
    int32_t top_k;     /* keep the k most probable; default: all */
    float top_p;       /* keep the smallest set with at least this probability; default 1: all; TDL_ZERO: one token */
    float min_p;       /* keep those with at least min_p times the largest probability; default 0 */
    float repetition_penalty; /* divides positive and multiplies negative logits of recent tokens; default 1; above 0 */
    float presence_penalty;   /* subtracted once from each recent token's logit; default 0; any finite number */
    float frequency_penalty;  /* subtracted as often as the token occurred; default 0; any finite number */
    int32_t penalty_last_n;   /* how many recent tokens the penalties see; default 64; -1: all */
    uint64_t seed;            /* the same seed, prompt and model give the same text */
    uint64_t reserved[8];     /* 0: room for fields to come, so that structs that hold this one keep their layout */
} tdl_sampler_desc;

typedef struct tdl_session_desc {
    size_t size;
    tdl_batch *batch;  /* borrowed until destroy; default: a batch of the session's own */
    int32_t n_ctx;     /* positions; default: the model's, or where that is fewer, all that the batch's cache holds */
    int32_t n_batch;   /* tokens computed in one step at most (own batch only); default 512 */
    int32_t n_predict; /* DONE after so many new tokens since the last push; default: no limit */
    tdl_sampler_desc sampler;
    const char *const *stops; /* [n_stops] stop strings, copied: DONE when one appears; it is not part of the text */
    size_t n_stops;
    bool ignore_eos; /* go on past end-of-generation tokens */
} tdl_session_desc;

/* One sequence's timeline: tokens, their cache, a sampler. Errors: ARGUMENT, MEMORY, LIMIT, DEVICE. */
TDL_API tdl_status tdl_session_create(tdl_model *model, const tdl_session_desc *desc, tdl_session **out,
                                      tdl_error *err);
TDL_API void tdl_session_destroy(tdl_session *session);

/* Appends tokens to the timeline; they are computed by the next steps. Nothing is appended on an error.
 * Errors: ARGUMENT (an id out of range), CONTEXT_FULL, MEMORY. */
TDL_API tdl_status tdl_session_push(tdl_session *session, const int32_t *ids, size_t n_ids, tdl_error *err);
/* Encodes text and pushes it. desc may be NULL. The beginning-of-sequence token is added only to an empty timeline. */
TDL_API tdl_status tdl_session_push_text(tdl_session *session, const char *text, size_t text_size,
                                         const tdl_encode_desc *desc, tdl_error *err);

/* Makes the timeline equal `ids`: keeps the common prefix's cache, drops the rest, appends what is new. At least the
 * last token is computed again, so that logits follow. Errors as tdl_session_push. */
TDL_API tdl_status tdl_session_sync(tdl_session *session, const int32_t *ids, size_t n_ids, tdl_error *err);

/* Shortens the timeline to its first n_tokens. Errors: ARGUMENT (longer than it is). */
TDL_API tdl_status tdl_session_rewind(tdl_session *session, size_t n_tokens, tdl_error *err);

/* Advances by at most one step. OK: `*token` was sampled and appended to the timeline. PENDING: a chunk of the prompt
 * was computed, or a batch that the session shares has to step first. WAITING: the batch's cache has no free page, and this
 * session needs one: one of the batch's sessions must be rewound or destroyed first (with a batch of its own: never). DONE: the sequence ended, by an
 * end-of-generation token (appended), a stop string or n_predict. Errors: ARGUMENT (nothing pushed), CONTEXT_FULL
 * (the message has both numbers; the timeline stays valid), NOT_FINITE, DEVICE, DEVICE_LOST, MEMORY.
 * NOT_FINITE: a logit is NaN or +infinity, or all are -infinity. The message names the position, and where it can be found the
 * op, the tensor and the position that the first such number came from; for that, the call waits and computes positions again.
 * The timeline stays as it is, and until it is changed the call says the same. Other sessions of the batch are not concerned. */
TDL_API tdl_status tdl_session_next(tdl_session *session, int32_t *token, tdl_error *err);

/* Why a sequence ended. */
typedef enum tdl_finish {
    TDL_FINISH_NONE = 0,   /* it has not, or new input came since */
    TDL_FINISH_END = 1,    /* an end-of-generation token */
    TDL_FINISH_STOP = 2,   /* a stop string */
    TDL_FINISH_LENGTH = 3, /* n_predict new tokens; a full context is an error, CONTEXT_FULL, and no end */
} tdl_finish;

/* Known with the last token, before tdl_session_next says DONE. */
TDL_API tdl_finish tdl_session_finish(const tdl_session *session);
/* "end", "stop", "length", "none". Static text. */
TDL_API const char *tdl_finish_name(tdl_finish finish);

/* The text that became certain since the last call: whole UTF-8 characters, nothing that may still turn out to be part of
 * a stop string; after DONE all of the rest. Borrowed until the next call on the session. */
TDL_API tdl_text tdl_session_take_text(tdl_session *session);

/* The timeline. Borrowed until the next call on the session. */
TDL_API const int32_t *tdl_session_tokens(const tdl_session *session, size_t *n_tokens);

/* Positions the session can hold. */
TDL_API int32_t tdl_session_n_ctx(const tdl_session *session);

/* The logits after the last computed token: [n_vocab], borrowed until the next call; NULL before the first step, after a rewind
 * or a sync until the next step, and where they are not finite (tdl_session_next says NOT_FINITE). A GPU that samples by
 * itself hands over no logits: there the first call computes them again, waits, and gives NULL where that fails; from then on
 * the session is sampled for on the host. Call it before the first step to have logits from the first token on. */
TDL_API const float *tdl_session_logits(const tdl_session *session);

/* Pushes and computes `ids` now and writes the logits of each of them: logits [n_ids, n_vocab] (out). Samples nothing.
 * Only for a session with a batch of its own. Errors as push and next; the timeline then is as it was, and what `logits` holds
 * is not said. */
TDL_API tdl_status tdl_session_eval(tdl_session *session, const int32_t *ids, size_t n_ids, float *logits,
                                    tdl_error *err);

/* ---- batch --------------------------------------------------------------------------------------------------------- */

typedef struct tdl_batch_desc {
    size_t size;
    int32_t n_sessions_max; /* default 1 */
    int32_t n_tokens_max;   /* tokens computed in one step, over all sessions; default 512 */
    int64_t
        n_cache_tokens; /* positions the cache holds, over all sessions; default n_sessions_max times the model's n_ctx */
    int32_t n_ctx_max; /* positions of its longest session; default the model's n_ctx */
} tdl_batch_desc;

/* Sessions that advance together. Errors: ARGUMENT, MEMORY, LIMIT, DEVICE. */
TDL_API tdl_status tdl_batch_create(tdl_model *model, const tdl_batch_desc *desc, tdl_batch **out, tdl_error *err);
/* Its sessions must be destroyed before. */
TDL_API void tdl_batch_destroy(tdl_batch *batch);
/* One step for every session that has something to compute. OK: a step was done; ask each session with tdl_session_next.
 * PENDING: a step is under way on the device and has not ended: call again. DONE: no session has anything to compute; ask each.
 * WAITING: some have, but all of these wait for pages of the cache: nothing goes on until one of the batch's sessions is
 * rewound or destroyed. (Those whose tdl_session_next says OK or DONE are not stopped by that.) Errors: MEMORY, DEVICE, DEVICE_LOST;
 * nothing is lost, and the call may be made again. Logits that are not finite are an error of their session's alone. */
TDL_API tdl_status tdl_batch_step(tdl_batch *batch, tdl_error *err);

/* ---- experimental: may change in any release ------------------------------------------------------------------------ */

#ifdef TDL_EXPERIMENTAL
/* What a step runs, one line per op. `*text` is NUL-terminated, owned by the caller, freed with tdl_text_free. */
TDL_API tdl_status tdl_model_plan_text(tdl_model *model, const tdl_batch_desc *desc, char **text, tdl_error *err);
TDL_API void tdl_text_free(tdl_model *model, char *text);

/* Bytes on the model's device. `size` is set by the caller. */
typedef struct tdl_model_memory {
    size_t size;
    uint64_t weights_size; /* in the layouts that the device computes with */
    uint64_t cache_size;   /* of n_cache_tokens positions */
    uint64_t step_size;    /* what a step of n_tokens_max tokens computes in */
} tdl_model_memory;

/* What a batch of this description would take; desc may be NULL. Nothing is allocated for it. Errors: ARGUMENT, MEMORY, LIMIT. */
TDL_API tdl_status tdl_model_get_memory(const tdl_model *model, const tdl_batch_desc *desc, tdl_model_memory *out,
                                        tdl_error *err);

/* Tokens of the timeline that are computed. PENDING with this number unchanged: a step is under way on the device. */
TDL_API int32_t tdl_session_n_computed(const tdl_session *session);

/* A session of `model` that goes on where `session` stands: its tokens, its sampler (random numbers too), its stop strings, the
 * text not taken yet. The model is the same one, opened on another device: for when a device is lost. `session` stays as it
 * is. batch: borrowed until destroy; NULL: one of the new session's own.
 * Errors: as tdl_session_create; ARGUMENT (another vocabulary). */
TDL_API tdl_status tdl_session_move(const tdl_session *session, tdl_model *model, tdl_batch *batch, tdl_session **out,
                                    tdl_error *err);

/* What this process may use of the machine. `size` is set by the caller. */
typedef struct tdl_host_info {
    size_t size;
    int32_t n_cpus;        /* that its affinity lets it run on */
    int32_t n_threads;     /* the default number of threads: n_cpus, or cpu_quota rounded down where that is less */
    double cpu_quota;      /* CPUs' worth of time that its control groups give it (a container's limit); 0: no limit */
    uint64_t memory_size;  /* bytes of the machine */
    uint64_t memory_limit; /* bytes that its control groups give it; 0: no limit */
    uint64_t memory_available; /* bytes that can still be taken without swapping */
} tdl_host_info;

/* Numbers that the system does not tell are 0. Errors: ARGUMENT. */
TDL_API tdl_status tdl_host_get_info(tdl_host_info *info, tdl_error *err);

/* A device that tdl_device_open can open here. */
typedef struct tdl_device_info {
    char name[16];                              /* "webgpu:0" */
    char summary[112];                          /* for people: "llvmpipe (LLVM 15.0.6, 256 bits), Vulkan, CPU" */
    char features[64];                          /* of those that kernels can use: "f16 subgroups dot4" */
    uint64_t buffer_size_max, binding_size_max; /* bytes; 0: no limit of its own */
    uint32_t workgroup_memory;                  /* bytes; 0: no such thing */
    uint32_t workgroup_size_max;                /* invocations */
} tdl_device_info;

/* An op as it ran in a step. */
typedef struct tdl_trace_event {
    char name[48];            /* of the value it made: "3.ffn_gate" */
    const char *op, *kernel;  /* "matmul", "matmul_q8". Static text */
    int64_t step;             /* from 0, since the trace was switched on */
    int32_t index;            /* of the op in the step's plan */
    int32_t lane;             /* CPU: the thread that had a part in it, from 0; else 0 */
    int64_t begin_ns, end_ns; /* since the trace was switched on */
} tdl_trace_event;

/* Notes from now on when every op of every step begins and ends; on false: no longer. A trace that is switched on begins
 * anew. Off, it costs nothing; on, a GPU runs each op in a pass of its own, and its first op of a step is taken to begin when
 * the step was submitted. To be called while no step is under way. Errors: UNSUPPORTED (the device has no clock), MEMORY. */
TDL_API tdl_status tdl_device_trace(tdl_device *device, bool on, tdl_error *err);
/* What was noted, by step, then op, then lane: events [*n_events], borrowed until the next step, tdl_device_trace or
 * close. Errors: MEMORY (there was none for all of it). */
TDL_API tdl_status tdl_device_trace_events(const tdl_device *device, const tdl_trace_event **events, size_t *n_events,
                                           tdl_error *err);

/* Of all kinds: infos [infos_max], *n_infos of them, which may be more than infos_max. An error where a kind of device
 * could not be asked (no WebGPU library, for one); the others are listed all the same. desc: allocator and library;
 * may be NULL. Errors: ARGUMENT, MEMORY, DEVICE. */
TDL_API tdl_status tdl_device_list(const tdl_device_desc *desc, tdl_device_info *infos, size_t infos_max,
                                   size_t *n_infos, tdl_error *err);

/* ---- training (experimental) ---------------------------------------------------------------------------------------- */

typedef struct tdl_trainer tdl_trainer;

typedef enum tdl_schedule {
    TDL_SCHEDULE_COSINE = 0, /* after the warm-up half a cosine down to lr_min */
    TDL_SCHEDULE_CONSTANT,
    TDL_SCHEDULE_LINEAR, /* a straight line down to lr_min */
    TDL_SCHEDULE_WSD,    /* warm-up, stable, then n_decay_steps of a straight line down to lr_min */
} tdl_schedule;

/* What is trained, on what, how long. Where the weights come from: model_path; or config_path and tokenizer_path, for
 * random weights as the family's paper draws them; or shape, for random weights of a llama of that size. */
typedef struct tdl_trainer_desc {
    size_t size;
    const char *model_path;         /* as tdl_model_desc.path */
    const char *config_path;        /* Hugging Face's config.json */
    const char *tokenizer_path;     /* a tokenizer.json, or a GGUF file whose byte-level BPE tokenizer is taken */
    tdl_device *device;             /* borrowed until destroy; default: a CPU device of the trainer's own */
    const tdl_allocator *allocator; /* borrowed until destroy */
    tdl_precision
        precision; /* default auto: products in F16 or BF16 where the device has them; weights and moments are F32 always */

    const char *dir; /* tokenized data, checkpoints, log; made where absent, locked while the trainer lives */
    /* Go on from the checkpoint in dir, where there is one; default: a dir that has one is an error. Fields that are 0 are then
     * the checkpoint's. Another model, other data, adapters, frozen tensors, batch, seq, seed, schedule or precision are
     * ARGUMENT: it would be another run. Other rates, lengths and intervals are taken and named in tdl_trainer_info.notes. */
    bool resume;
    bool (*progress)(void *user, double fraction); /* called while data is tokenized; returning false cancels create */
    void *progress_user;

    const char *const *
        data; /* [n_data] text files (documents end at NUL bytes), or records in .jsonl and .json files: "text", "prompt"
                  and "completion", chat "messages" ...: docs/DATA.md. Records are kept whole where n_seq allows it */
    size_t n_data;
    const char *const
        *val_data; /* [n_val_data] of the same kinds: the loss on them is measured every n_val_every steps */
    size_t n_val_data;

    /* Steps: default 1000; with model_path as many as n_epochs' default takes, where those are fewer. Sequences in a step: default 8,
     * with model_path fewer where an epoch has few windows. Tokens of a sequence: default 512, or the model's context where that is
     * shorter; of records no more than the longest one needs. */
    int32_t n_steps, n_batch, n_seq;
    int32_t n_micro_batch; /* sequences computed at once, n_batch must be a multiple of it; default n_batch */
    /* Of floats 0 is the default and TDL_ZERO is zero. */
    float lr;     /* peak; default 1e-3, with model_path 1e-4, of adapters 1e-3 and less for a model wider than 576 */
    float lr_min; /* lowest; default lr / 10 */
    tdl_schedule schedule;
    int32_t n_warmup_steps;  /* of a straight line up from 0; default n_steps / 50, with model_path at least
                                n_steps / 10 up to 10; -1: none */
    int32_t n_decay_steps;   /* wsd; default n_steps / 5 */
    float beta1, beta2, eps; /* AdamW (Loshchilov, Hutter 2019); default 0.9, 0.95, 1e-8 */
    float weight_decay;      /* of matrices; default 0.1 */
    float clip_norm;         /* the gradient's norm at most; default 1; TDL_ZERO: not clipped */
    float dropout;           /* of the embedding and of what each block adds, whatever config.json says */
    float attention_dropout; /* of attention's weights, the same */
    uint64_t seed;           /* of weights, order of the data, dropout */

    const char *const
        *freeze; /* [n_freeze] patterns of tensor names, such as "token_embd.*", that stay as they are; with
                                  adapters: that get none */
    size_t n_freeze;
    int32_t lora_rank; /* above 0: the model stays as it is, and matrices get adapters (LoRA, Hu et al. 2021) */
    float lora_alpha;  /* adapters are scaled by lora_alpha / lora_rank; default 2 lora_rank */
    const char *const *lora_targets; /* [n_lora_targets] patterns of matrices; default: all in the blocks */
    size_t n_lora_targets;

    int32_t n_val_every;        /* steps; default 100, with model_path an epoch where that is shorter */
    int32_t n_val_batches;      /* micro-batches measured at most; default all */
    int32_t n_checkpoint_every; /* steps; default 500; the last step always */
    int32_t
        n_patience; /* DONE after so many evaluations in a row without a better validation loss; default 0: never. One
                           that counted no token is neither better nor worse */
    bool recompute; /* compute a layer's activations again in its backward pass instead of keeping them all */

    /* "tiny" or "small": dir gets the config.json of a llama of that size and, where tokenizer_path is NULL, a tokenizer.json
     * trained on data; a run that is resumed finds them there. n_steps, n_batch, n_seq and lr have defaults that suit it. */
    const char *shape;
    int32_t n_vocab; /* of that tokenizer; default: the shape's */

    /* In place of n_steps: how often each window is seen. Default with model_path: 3, or as many as it takes for 200 windows and 72 steps, at
     * most 20; where these are more than 1000 steps, n_steps counts. */
    int32_t n_epochs;
    /* Of records, without val_data: this part of them, at least one, is not trained on, and the loss on it is measured. Which ones
     * follows from the seed. Default with model_path 0.05 where there are 100 or more, else none. Fewer than 32 that are held out
     * only tell: the weights in the end are the last ones, unless n_patience is given. */
    float val_split;
    /* At each evaluation, every n_val_every steps, and after the last step: what the model as it is then makes of this text, by the
     * most probable tokens. Where the data is conversations the text is a user's message. It changes nothing of the run. */
    const char *sample;
} tdl_trainer_desc;

/* Opens or draws the weights, tokenizes the data, makes the plans. On an error dir is as it was before: the files and
 * directories that were made are removed.
 * Errors: ARGUMENT, MEMORY, IO, FORMAT, UNSUPPORTED, LIMIT, CANCELLED, DEVICE. */
TDL_API tdl_status tdl_trainer_create(const tdl_trainer_desc *desc, tdl_trainer **out, tdl_error *err);
TDL_API void tdl_trainer_destroy(tdl_trainer *trainer);

typedef struct tdl_train_step {
    size_t size;
    int32_t step;    /* 1 is the first */
    float loss;      /* mean over the counted tokens of the step, before its update; NaN where there were none */
    float val_loss;  /* after it; NaN where it was not measured, or counted no token */
    float grad_norm; /* before clipping */
    float lr;
    float tokens_per_s;    /* of the step's gradients and update */
    int32_t n_tokens;      /* of the step */
    int64_t n_counted;     /* of them, targets that the loss counts */
    int64_t n_val_counted; /* of the evaluation; -1: not measured */
    const char *sample;    /* UTF-8; borrowed until the next call; NULL where there is none */
} tdl_train_step;

/* Advances by a piece of a step. OK: a step is done, and out describes it; its line is in the log before its checkpoint is on
 * the disk. PENDING: call again; when nothing changed a device is at work. DONE: all steps are done, or the validation loss has
 * not improved for n_patience evaluations; the weights are those with the best validation loss, where there is one. NOT_FINITE: the
 * loss or a gradient is not finite: the message names the step and the op and tensor where that began; nothing was updated, and
 * a checkpoint written now is of the step before. Other errors: DEVICE, DEVICE_LOST, IO (log or checkpoint; the trainer can go
 * on), MEMORY. */
TDL_API tdl_status tdl_trainer_step(tdl_trainer *trainer, tdl_train_step *out, tdl_error *err);

/* The three that follow are for between steps, and advance by a piece, like tdl_trainer_step: OK: it is on the disk. PENDING:
 * call the same function again; until then no other of the trainer, but for destroy, which gives it up. */

/* Writes a checkpoint now. Errors: ARGUMENT (within a step), IO, MEMORY, DEVICE, NOT_FINITE (a weight: the checkpoint before
 * stays). */
TDL_API tdl_status tdl_trainer_checkpoint(tdl_trainer *trainer, tdl_error *err);
/* Writes the model as it is now: a path that ends in .gguf, or a directory for Hugging Face's files. Adapters are merged.
 * Matrices have the type the model's had where that was F32, F16 or BF16, else F16. A GGUF file's general.name is that of the
 * model's own file, else "novel" for novel.gguf and for novel/model.gguf. path: of the call that begins it.
 * Errors: ARGUMENT (within a step), IO, MEMORY, DEVICE, UNSUPPORTED. */
TDL_API tdl_status tdl_trainer_save(tdl_trainer *trainer, const char *path, tdl_error *err);
/* Writes the adapters alone, as a directory that PEFT reads. Errors: ARGUMENT (there are none), IO, MEMORY, DEVICE. */
TDL_API tdl_status tdl_trainer_save_adapters(tdl_trainer *trainer, const char *dir, tdl_error *err);

/* What became of data files. Records are what JSON files hold, and the documents of text files. */
typedef struct tdl_train_data_info {
    uint64_t n_tokens;        /* 0: there is no such data */
    uint64_t n_records;       /* read; of them were left out: */
    uint64_t n_empty;         /*   without text */
    uint64_t n_masked;        /*   without anything that is learned: no answer, or answers of weight 0 */
    uint64_t n_dropped;       /*   without anything that is learned among their first n_seq tokens */
    uint64_t n_cut;           /* records longer than n_seq, whose ends were left out */
    uint64_t n_tokens_cut;    /* tokens of those ends */
    uint64_t n_split;         /* texts longer than n_seq, in several pieces */
    uint64_t n_empty_answers; /* answers without text: the model learns to end at once */
    uint64_t n_bad_utf8;      /* texts with bytes that are no UTF-8 */
    uint64_t n_longest;       /* tokens of the longest record; 0 where windows are cut from texts */
    uint64_t n_windows;       /* of n_seq tokens, in an epoch */
} tdl_train_data_info;

typedef struct tdl_trainer_info {
    size_t size;
    const char *arch; /* borrowed from the trainer, like device */
    const char *device;
    uint64_t n_params;      /* of the model */
    uint64_t n_trained;     /* of them, or of the adapters */
    uint64_t n_data_tokens; /* in data */
    int32_t n_steps, n_done;
    int32_t n_batch, n_seq, n_micro_batch;
    int32_t best_step; /* with the lowest validation loss; 0: none was kept */
    float best_val_loss;
    /* Bytes on the device. */
    uint64_t weights_size, gradients_size, moments_size, activations_size;
    tdl_train_data_info data, val_data;
    /* What a person should know before the run: records that were cut or left out, settings that differ from the
     * checkpoint's. A line each, NUL-terminated; "" where there is nothing. Borrowed from the trainer. */
    const char *notes;
} tdl_trainer_info;

/* The documents of a data file as a trainer reads them, one after another: for evaluation. */
typedef struct tdl_data tdl_data;

typedef struct tdl_data_desc {
    size_t size;
    const tdl_tokenizer *tokenizer; /* borrowed until close */
    const char *path;               /* as tdl_trainer_desc.data, but no token file */
    const void *bytes;              /* in place of path: records, a line each or one array; borrowed until close */
    size_t bytes_size;
    const tdl_allocator *allocator; /* borrowed until close */
} tdl_data_desc;

typedef struct tdl_data_document {
    size_t size;
    const int32_t *ids;     /* [n_ids] borrowed until the next call */
    const uint8_t *counted; /* [n_ids] 1: the loss counts it, unless it is the first */
    size_t n_ids;
    bool is_record; /* kept whole; a document of a text file is cut wherever a window ends */
} tdl_data_document;

/* Errors: ARGUMENT, IO, FORMAT, UNSUPPORTED (what is neither text nor records), MEMORY. */
TDL_API tdl_status tdl_data_open(const tdl_data_desc *desc, tdl_data **out, tdl_error *err);
/* The next document in which something is counted. DONE: there is none. Errors: FORMAT, UNSUPPORTED, LIMIT, IO, MEMORY. */
TDL_API tdl_status tdl_data_next(tdl_data *data, tdl_data_document *out, tdl_error *err);
/* Of what was read so far: n_tokens, n_records, n_empty, n_masked, n_empty_answers, n_bad_utf8, n_longest. */
TDL_API void tdl_data_get_info(const tdl_data *data, tdl_train_data_info *info);
TDL_API void tdl_data_close(tdl_data *data);

TDL_API void tdl_trainer_get_info(const tdl_trainer *trainer, tdl_trainer_info *info);
/* What a step runs, one line an op; NUL-terminated, owned by the caller, freed with tdl_trainer_text_free. */
TDL_API tdl_status tdl_trainer_plan_text(tdl_trainer *trainer, char **text, tdl_error *err);
TDL_API void tdl_trainer_text_free(tdl_trainer *trainer, char *text);

/* What a byte-level BPE tokenizer is trained on (Sennrich et al. 2016), and how large it gets. */
typedef struct tdl_tokenizer_train_desc {
    size_t size;
    const char *const *data; /* [n_data] files, as tdl_trainer_desc.data: the same text, documents and templates */
    size_t n_data;
    int32_t n_vocab;   /* tokens, with 256 bytes and the special tokens; default 4096 */
    int32_t count_min; /* a pair of tokens that occurs less often is not merged; default 2 */
    const char *pre;   /* how text is cut before merging, by GGUF's name: "gpt-2" (default), "llama-bpe", "qwen2" */
    const char *const *specials; /* [n_specials] special tokens besides "<|endoftext|>", which has id 0 */
    size_t n_specials;
    bool (*progress)(void *user, double fraction); /* returning false cancels; no file is written then */
    void *progress_user;
    const tdl_allocator *allocator;
} tdl_tokenizer_train_desc;

typedef struct tdl_tokenizer_train_info {
    size_t size;
    int32_t n_vocab; /* fewer than were asked for where no further pair occurs count_min times */
    int32_t n_merges;
    uint64_t n_bytes;         /* of text */
    uint64_t n_bytes_invalid; /* of them: no valid UTF-8, left out */
    uint64_t n_pieces;        /* of the pre-tokenizer */
    uint64_t
        n_pieces_lost; /* of them: left out, longer than 32767 bytes, or rare where there are over 16 MiB of different ones */
    uint64_t n_distinct; /* different pieces that were counted */
} tdl_tokenizer_train_info;

/* Writes a tokenizer.json to `path`. The same data gives the same file. info may be NULL.
 * Errors: ARGUMENT (n_vocab below 256 and the special tokens), IO, FORMAT (no text, or a file of which more than a tenth is no
 * UTF-8), UNSUPPORTED (pre, a compressed file), LIMIT, MEMORY, CANCELLED. */
TDL_API tdl_status tdl_tokenizer_train(const tdl_tokenizer_train_desc *desc, const char *path,
                                       tdl_tokenizer_train_info *info, tdl_error *err);
#endif

#ifdef __cplusplus
}
#endif
#endif
