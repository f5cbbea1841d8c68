// SPDX-License-Identifier: MIT
// test_utf8.c - every character both ways, every kind of bad byte, and every way to cut a character.
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool is_character(uint32_t c) { return c <= 0x10FFFF && !(c >= 0xD800 && c <= 0xDFFF); }

static void test_every_character(void **state) {
    (void)state;
    for (uint32_t c = 0; c < 0x110010; c++) {
        char bytes[4];
        size_t n_encoded = tdl_utf8_encode(c, bytes), n;
        if (!is_character(c)) {
            assert_int_equal(n_encoded, 0);
            continue;
        }
        assert_int_equal(n_encoded, c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4);
        assert_int_equal(tdl_utf8_decode(bytes, n_encoded, &n), c);
        assert_int_equal(n, n_encoded);
        assert_true(tdl_utf8_valid(bytes, n));
        assert_int_equal(tdl_utf8_complete(bytes, n), n);
        for (size_t cut = 1; cut < n; cut++) { // what is missing may still come
            size_t n_bad;
            assert_int_equal(tdl_utf8_decode(bytes, cut, &n_bad), TDL_UTF8_INVALID);
            assert_int_equal(n_bad, 1);
            assert_int_equal(tdl_utf8_complete(bytes, cut), 0);
        }
    }
    assert_int_equal(tdl_utf8_encode(TDL_UTF8_INVALID, (char[4]){0}), 0);
}

// All sequences of three bytes, and of four with a fourth of each kind, against a decoder by plain arithmetic.
static uint32_t decode_plainly(const uint8_t *s, size_t size) {
    static const uint32_t mins[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;
    if (n == 0 || n > size) return TDL_UTF8_INVALID;
    uint32_t c = n == 1 ? s[0] : s[0] & ((1u << (7 - n)) - 1);
    for (size_t i = 1; i < n; i++) {
        if (s[i] >> 6 != 2) return TDL_UTF8_INVALID;
        c = c * 64 + s[i] % 64;
    }
    return c < mins[n] || !is_character(c) ? TDL_UTF8_INVALID : c;
}

static void test_every_beginning(void **state) {
    (void)state;
    static const uint8_t fourths[] = {0x00, 0x7F, 0x80, 0xBF, 0xC0, 0xFF};
    for (uint32_t i = 0; i < 1 << 24; i++) {
        uint8_t s[4] = {(uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i, fourths[i % 6]};
        if (s[0] < 0x80 && (s[1] || s[2])) continue;
        size_t n;
        uint32_t c = tdl_utf8_decode((const char *)s, sizeof s, &n), expected = decode_plainly(s, sizeof s);
        if (c != expected || (c == TDL_UTF8_INVALID && n != 1)) fail_msg("%02x %02x %02x %02x", s[0], s[1], s[2], s[3]);
    }
}

static void test_valid(void **state) {
    (void)state;
    assert_true(tdl_utf8_valid(NULL, 0));
    assert_true(tdl_utf8_valid("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\0z", 12));
    static const char *const bad[] = {
        "\x80",         "\xC0\x80",         "\xC1\xBF",         "\xE0\x9F\xBF", "\xF0\x8F\xBF\xBF",
        "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFE",         "\xFF",
        "\xC3",         "\xE2\x82",         "\xF0\x9F\x98",     "\xC3(",        "\xE2(\xAC",
        "\xE2\x82(",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[16] = "ok";
        strcat(text, bad[i]);
        assert_false(tdl_utf8_valid(text, strlen(text)));
    }
}

// The definition itself: the longest end that is the beginning of a character. Over all short texts of telling bytes.
static bool can_be_completed(const uint8_t *s, size_t n) {
    static const uint8_t ends[] = {0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF};
    for (size_t total = n + 1; total <= 4; total++) {
        for (int e = 0; e < 6; e++) {
            uint8_t whole[4] = {0x80, 0x80, 0x80, 0x80};
            memcpy(whole, s, n);
            whole[n] = ends[e];
            size_t used;
            if (tdl_utf8_decode((const char *)whole, total, &used) != TDL_UTF8_INVALID && used == total) return true;
        }
    }
    return false;
}

static void test_complete(void **state) {
    (void)state;
    static const uint8_t telling[] = {'a',  0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2, 0xDF,
                                      0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5, 0xFF};
    enum { N = sizeof telling };
    for (int i = 0; i < N * N * N * N; i++) {
        uint8_t s[4] = {telling[i % N], telling[i / N % N], telling[i / N / N % N], telling[i / N / N / N]};
        size_t expected = 4;
        for (size_t n = 1; n <= 3; n++) {
            if (can_be_completed(s + 4 - n, n)) expected = 4 - n;
        }
        if (tdl_utf8_complete((const char *)s, 4) != expected) fail_msg("%02x %02x %02x %02x", s[0], s[1], s[2], s[3]);
    }
    assert_int_equal(tdl_utf8_complete(NULL, 0), 0);
    assert_int_equal(tdl_utf8_complete("abc\xE2\x82", 5), 3);
    assert_int_equal(tdl_utf8_complete("\xE2\x82\xAC\xF0\x9F\x98", 6), 3);
    assert_int_equal(tdl_utf8_complete("\x80\x80\x80\x80\x80", 5), 5); // can never become a character
    assert_int_equal(tdl_utf8_complete("\xED\xA0", 2), 2);             // a surrogate: neither
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_character),
        cmocka_unit_test(test_every_beginning),
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
