// SPDX-License-Identifier: MIT
// sanitizer.h - what build a test runs in, 0 or 1: SANITIZED, where memory and address space are a sanitizer's;
// THREAD_SANITIZED, where every access to memory takes ten times as long.
#ifndef TDL_TEST_SANITIZER_H
#define TDL_TEST_SANITIZER_H

#ifndef __has_feature // gcc's way
#define __has_feature(name) 0
#endif

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define THREAD_SANITIZED 1
#else
#define THREAD_SANITIZED 0
#endif

#if THREAD_SANITIZED || defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer) || \
    __has_feature(memory_sanitizer)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#endif
