// SPDX-License-Identifier: MIT
// banned.h - functions that do not compile in the library.
//
// The build puts this header in front of every source file of the library. Three kinds are banned: those that write or
// read text without a size, those that end the process or read its environment (a library decides neither), and those
// that keep hidden global state. The standard headers that declare them come first, since poisoning a name forbids
// even its declaration. tools/check_banned.py looks for the rest: printing, allocation past the allocator, and names too
// common to poison (system, random).
#ifndef TDL_BASE_BANNED_H
#define TDL_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// No size of the destination, or no error for the input.
#pragma GCC poison strcpy strcat stpcpy sprintf vsprintf gets scanf sscanf fscanf
#pragma GCC poison atoi atol atoll atof

// The host program's decisions.
#pragma GCC poison abort exit _exit _Exit quick_exit atexit getenv secure_getenv setenv putenv

// Hidden state shared by threads.
#pragma GCC poison strtok srand srandom drand48 asctime ctime gmtime localtime

#endif
