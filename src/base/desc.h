// SPDX-License-Identifier: MIT
// desc.h - structs of the public header that begin with `size`, so that they can grow without breaking a program.
//
//     tdl_session_desc d;
//     tdl_status status = tdl_desc_copy("session", desc, &d, sizeof d, err);      // desc NULL: all defaults
//     ...
//     return tdl_result_copy("model", info, &all, sizeof all, NULL);
//
// A program built with an older header passes a smaller size: the fields that it does not know have their defaults, and are not
// written. One built with a newer header passes a larger size: the fields that this library does not know must be zero, their
// default, and are written as zero.
// Who adds a field: at the end, and no earlier than the struct's old sizeof. Padding at the old end may hold anything.
#ifndef TDL_BASE_DESC_H
#define TDL_BASE_DESC_H

#include "treadle.h"

// The caller's desc as this library knows it: copy [known] (out), copy's `size` is then `known`. Errors: ARGUMENT (a size that no
// version of the struct has; a field that this library does not know is not zero).
tdl_status tdl_desc_copy(const char *who, const void *desc, void *copy, size_t known, tdl_error *err);

// Fills the caller's result, whose `size` says how large it is, from all [known]; `size` stays. Errors: ARGUMENT (result is NULL, or
// a size that no version has); nothing is written then.
tdl_status tdl_result_copy(const char *who, void *result, const void *all, size_t known, tdl_error *err);

// Whether it could be filled: for who does something else first.
tdl_status tdl_result_check(const char *who, const void *result, size_t known, tdl_error *err);

// mem may be NULL: the default. Errors: ARGUMENT (a callback is NULL).
tdl_status tdl_allocator_check(const char *who, const tdl_allocator *mem, tdl_error *err);

#endif
