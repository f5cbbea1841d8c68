// SPDX-License-Identifier: MIT
// gguf_open.h - opens a GGUF model: one file or all parts of a split one, bytes in memory, or a reader's callbacks.
#ifndef TDL_FORMAT_GGUF_OPEN_H
#define TDL_FORMAT_GGUF_OPEN_H

#include "format/weights.h"

// desc has exactly one of path, bytes and reader.
// Errors: ARGUMENT (a part of a split model that is not the first), MEMORY, IO, FORMAT, UNSUPPORTED, LIMIT, and what a
// reader returns.
tdl_status tdl_gguf_open(const tdl_weights_desc *desc, tdl_weights **out, tdl_error *err);

#endif
