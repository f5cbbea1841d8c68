// SPDX-License-Identifier: MIT
// test_safetensors_slow.c - the limit on tensors in a safetensors file, just below and just above.
//
// A million tensors are 69 MB of JSON; everything else is in test_safetensors.c.
#include "base/limits.h"
#include "base/str.h"
#include "format/safetensors.h"
#include "support/test_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_tensor_limit(void **state) {
    (void)state;
    static const char zeros[TDL_TENSORS_MAX + 1];
    const tdl_allocator *mem = tdl_allocator_or_default(NULL);
    for (int over = 0; over <= 1; over++) {
        int n = TDL_TENSORS_MAX + over;
        tdl_str bytes = tdl_str_make(mem);
        tdl_safetensors file;
        tdl_error err = {0};
        tdl_str_append(&bytes, zeros, 8);
        for (int i = 0; i < n; i++) // in the file, each lies before the one listed before it
            tdl_str_format(&bytes, "%c\"%x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%d,%d]}", i ? ',' : '{',
                           (unsigned)i, n - 1 - i, n - i);
        tdl_str_append(&bytes, "}", 1);
        memcpy(bytes.ptr, &(uint64_t){bytes.size - 8}, 8);
        tdl_str_append(&bytes, zeros, (size_t)n);
        assert_false(bytes.failed);
        tdl_status status = tdl_safetensors_parse(
            mem, &(tdl_safetensors_source){(const uint8_t *)bytes.ptr, bytes.size, bytes.size}, &file, &err);
        if (over) {
            assert_error(status, TDL_ERROR_LIMIT, &err, "more than 1048576 tensors");
        } else {
            if (status) fail_msg("%s", err.message);
            assert_int_equal(file.tensors.n, n);
            tdl_safetensors_deinit(&file);
        }
        tdl_str_deinit(&bytes);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tensor_limit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
