// SPDX-License-Identifier: MIT
// error.h - how a function says what went wrong.
//
//     if (n_dims > TDL_DIMS_MAX)
//         return tdl_fail(err, TDL_ERROR_FORMAT, "gguf: tensor '%s': %u dimensions, at most %d", name, n_dims, TDL_DIMS_MAX);
//
// A message says what, where, which value and what was expected. `err` may be NULL everywhere.
#ifndef TDL_BASE_ERROR_H
#define TDL_BASE_ERROR_H

#include "treadle.h"

// Sets *err (where it is not NULL) and returns `code`. The message is cut to fit, at a UTF-8 character's boundary;
// bytes of it that are not valid UTF-8 become '?'.
tdl_status tdl_fail(tdl_error *err, tdl_status code, const char *format, ...) __attribute__((format(printf, 3, 4)));

// Puts "prefix: " before the message of an error that is already set; for callers that know the place better.
tdl_status tdl_fail_at(tdl_error *err, tdl_status code, const char *prefix);

#endif
