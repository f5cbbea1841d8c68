// SPDX-License-Identifier: MIT
// test_checksum.c - XXH64 and CRC-32C against the PyPI packages xxhash 4.1.0 and crc32c 2.9, whole and in pieces.
//
// Byte i of the data is (i * i + 7 i) mod 251.
#include "base/checksum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { DATA_SIZE = 1000 };

static uint8_t data[DATA_SIZE];

static int fill(void **state) {
    (void)state;
    for (unsigned i = 0; i < DATA_SIZE; i++) data[i] = (uint8_t)((i * i + 7 * i) % 251);
    return 0;
}

static const struct {
    size_t size;
    uint64_t plain, seeded; // seeds 0 and 2654435761
} sums[] = {
    {0, 0xef46db3751d8e999, 0xac75fda2929b17ef},   {1, 0xe934a84adb052768, 0x5014607643a9b4c3},
    {3, 0xbb3a592908a981a8, 0x225a549f1f732ccb},   {4, 0x798a8b758de10b9c, 0x45a11f51b4af778a},
    {7, 0xc524fe6186d68234, 0xcafc06f3ff101345},   {8, 0x628b254fd17d4862, 0xf1d633e861c6201e},
    {12, 0x43665c447d22a2a, 0xee3f96598bfab158},   {31, 0x7d36fafd7e8f54d5, 0xd88e2acb9024b567},
    {32, 0x8ca809248427ab85, 0x81193d60e6a7b88f},  {33, 0x701316fef6f836d3, 0x7ddfd832f88edc79},
    {63, 0xabdc7bc152c8c7f4, 0xc86ce7b733a84ee},   {64, 0x134758ba0f580486, 0x885a84075bcf375a},
    {100, 0x3553324796eea83a, 0x8868cf46eb131ca3}, {1000, 0xe83f2963bc234754, 0xef0ba6e04ba3b628},
};

static void test_xxh64(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++) {
        assert_true(tdl_xxh64_of(data, sums[i].size) == sums[i].plain);
        for (size_t piece = 1; piece <= 70; piece++) {
            tdl_xxh64 hash;
            tdl_xxh64_init(&hash, 2654435761u);
            for (size_t at = 0; at < sums[i].size; at += piece)
                tdl_xxh64_add(&hash, data + at, sums[i].size - at < piece ? sums[i].size - at : piece);
            assert_true(tdl_xxh64_sum(&hash) == sums[i].seeded);
        }
    }
}

static void test_crc32c(void **state) {
    (void)state;
    assert_int_equal(tdl_crc32c("123456789", 9), 0xe3069283);
    assert_int_equal(tdl_crc32c(data, 0), 0);
    assert_int_equal(tdl_crc32c(data, 31), 0xe0475baa);
    assert_int_equal(tdl_crc32c(data, DATA_SIZE), 0x95817381);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_xxh64), cmocka_unit_test(test_crc32c)};
    return cmocka_run_group_tests(tests, fill, NULL);
}
