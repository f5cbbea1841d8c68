// SPDX-License-Identifier: MIT
// version.c - the library's version as text.
#include "treadle.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

const char *tdl_version(void) {
    return TEXT(TDL_VERSION_MAJOR) "." TEXT(TDL_VERSION_MINOR) "." TEXT(TDL_VERSION_PATCH);
}
