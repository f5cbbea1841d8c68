// SPDX-License-Identifier: MIT
// desc.c - see desc.h.
#include "base/desc.h"

#include "base/error.h"
#include "base/limits.h"

#include <string.h>

// Sizes are multiples of the first field's, so that a smaller struct ends between two fields and not inside of a pointer.
static tdl_status check_size(const char *who, const char *what, size_t size, size_t known, tdl_error *err) {
    if (size >= sizeof size && size % sizeof size == 0 && size <= TDL_DESC_SIZE_MAX) return TDL_OK;
    return tdl_fail(err, TDL_ERROR_ARGUMENT, "%s: %s size is %zu, expected sizeof the struct, which is %zu here", who,
                    what, size, known);
}

tdl_status tdl_desc_copy(const char *who, const void *desc, void *copy, size_t known, tdl_error *err) {
    size_t size = known;
    if (desc) memcpy(&size, desc, sizeof size);
    tdl_status status = check_size(who, "desc", size, known, err);
    if (status != TDL_OK) return status;
    for (size_t i = known; i < size; i++)
        if (((const unsigned char *)desc)[i])
            return tdl_fail(err, TDL_ERROR_ARGUMENT,
                            "%s: desc size is %zu and its byte %zu is not zero, but this library knows %zu bytes of "
                            "the struct: the program sets a field of a later version",
                            who, size, i, known);
    memset(copy, 0, known);
    if (desc) memcpy(copy, desc, size < known ? size : known);
    memcpy(copy, &known, sizeof known);
    return TDL_OK;
}

tdl_status tdl_result_check(const char *who, const void *result, size_t known, tdl_error *err) {
    size_t size;
    if (!result) return tdl_fail(err, TDL_ERROR_ARGUMENT, "%s: the struct to fill must not be NULL", who);
    memcpy(&size, result, sizeof size);
    return check_size(who, "result", size, known, err);
}

tdl_status tdl_result_copy(const char *who, void *result, const void *all, size_t known, tdl_error *err) {
    tdl_status status = tdl_result_check(who, result, known, err);
    if (status != TDL_OK) return status;
    size_t size;
    memcpy(&size, result, sizeof size);
    if (size > known) memset((char *)result + known, 0, size - known);
    size_t n = size < known ? size : known;
    memcpy((char *)result + sizeof size, (const char *)all + sizeof size, n - sizeof size);
    return TDL_OK;
}

tdl_status tdl_allocator_check(const char *who, const tdl_allocator *mem, tdl_error *err) {
    if (!mem || (mem->alloc && mem->free)) return TDL_OK;
    return tdl_fail(err, TDL_ERROR_ARGUMENT, "%s: the allocator's %s is NULL", who, mem->alloc ? "free" : "alloc");
}
