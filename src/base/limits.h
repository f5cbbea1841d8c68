// SPDX-License-Identifier: MIT
// limits.h - every limit on what comes from outside, in one place. Each is tested just below and just above.
#ifndef TDL_BASE_LIMITS_H
#define TDL_BASE_LIMITS_H

#define TDL_DIMS_MAX 4                         // dimensions of a tensor
#define TDL_TENSOR_NAME_SIZE_MAX 255           // bytes, without the NUL
#define TDL_TENSORS_MAX (1 << 20)              // tensors in a file
#define TDL_META_KEYS_MAX (1 << 16)            // metadata keys in a file
#define TDL_META_KEY_SIZE_MAX 65535            // bytes of a metadata key
#define TDL_META_STRING_SIZE_MAX (64 << 20)    // bytes of a metadata string
#define TDL_META_ARRAY_MAX (16 << 20)          // elements of a metadata array
#define TDL_SHARDS_MAX 65535                   // files of a split model
#define TDL_SAFETENSORS_HEADER_MAX (100 << 20) // bytes, as the format's own reader has it
#define TDL_FILE_COPY_MAX (64 << 20)           // bytes of a file that is copied, where a larger one is mapped
#define TDL_JSON_SIZE_MAX (256 << 20)          // bytes of a JSON text
#define TDL_CONFIG_DEPTH_MAX 16                // objects within objects of a configuration
#define TDL_CONFIG_KEY_SIZE_MAX 1023           // bytes of a configuration's dotted key
#define TDL_WARNINGS_MAX 64                    // warnings kept of a model
#define TDL_VOCAB_MAX (1 << 22)                // tokens
#define TDL_TOKEN_SIZE_MAX 65535               // bytes of a token
#define TDL_MERGES_MAX (1 << 24)               // merges of a vocabulary
#define TDL_ADDED_TOKEN_SIZE_MAX 1024          // bytes of a token that is looked for in the text
#define TDL_BPE_PIECE_SIZE_MAX \
    (TDL_TOKEN_SIZE_MAX / 2)                // bytes of a piece that BPE learns from: spelled, two each at most
#define TDL_BPE_WORDS_SIZE_MAX (16 << 20)   // bytes of all distinct pieces that BPE learns from
#define TDL_BPE_SPECIALS_MAX 1024           // special tokens of a trained tokenizer
#define TDL_TEXT_SIZE_MAX (1 << 30)         // bytes of a text to encode
#define TDL_SEGMENTS_MAX (1 << 20)          // segments of such a text
#define TDL_TOKEN_STEPS_MAX 256             // normalizers of a tokenizer, and pre-tokenizers
#define TDL_NORMALIZED_GROWTH_MAX 32        // times its size that a tokenizer's steps may make a text,
#define TDL_NORMALIZED_EXTRA_MAX (64 << 10) // and bytes beyond that
#define TDL_LAYERS_MAX 1024
#define TDL_EMBD_MAX (1 << 20)
#define TDL_HEADS_MAX 4096
#define TDL_EXPERTS_MAX 4096 // of a layer
#define TDL_HEAD_DIM_MAX 1024
#define TDL_CTX_MAX (1 << 26)         // positions
#define TDL_STEP_TOKENS_MAX (1 << 16) // tokens in a step
#define TDL_SESSIONS_MAX 65536        // sessions in a batch
#define TDL_THREADS_MAX 256
#define TDL_DESC_SIZE_MAX 4096              // bytes of a description or result struct
#define TDL_STOPS_MAX 64                    // stop strings of a session
#define TDL_STOP_SIZE_MAX 1024              // bytes of a stop string
#define TDL_DATA_FILES_MAX 65536            // files of training data
#define TDL_DATA_RECORD_SIZE_MAX (64 << 20) // bytes of a line of JSONL
#define TDL_DATA_SEPARATOR_SIZE_MAX 256     // bytes of the text between documents
#define TDL_DATA_MESSAGES_MAX 65536         // messages of a conversation
#define TDL_BATCH_TOKENS_MAX (1 << 22)      // tokens of a training batch
#define TDL_CGROUP_PATH_MAX 1024            // bytes of a control group's path, with its NUL
#define TDL_CGROUP_LINE_MAX 4096            // bytes of a line about control groups; longer ones are left out
#define TDL_CGROUP_LINES_MAX 65536          // lines of such a file that are read

#endif
