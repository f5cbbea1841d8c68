// SPDX-License-Identifier: MIT
// control_names.h - the texts of well-known control tokens: what a token is whose file does not say, or says it wrongly.
#ifndef TDL_TOKEN_CONTROL_NAMES_H
#define TDL_TOKEN_CONTROL_NAMES_H

#include "base/str.h"

typedef enum tdl_control_name {
    TDL_CONTROL_NAME_NONE = 0,
    TDL_CONTROL_NAME_TYPED, // ends a generation where its file has it as a control token: its text may be ordinary text too
    TDL_CONTROL_NAME_END,  // ends a generation: of a turn, a message, a sequence
    TDL_CONTROL_NAME_FILL, // marks where code is filled in
    TDL_CONTROL_NAME_FILE, // the same, and ends a generation, since another file begins there
} tdl_control_name;

tdl_control_name tdl_control_name_of(tdl_text token);

static inline bool tdl_control_name_ends(tdl_control_name name) {
    return name == TDL_CONTROL_NAME_TYPED || name == TDL_CONTROL_NAME_END || name == TDL_CONTROL_NAME_FILE;
}

#endif
