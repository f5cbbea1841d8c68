#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Calls that do not belong in the library, beside those that src/base/banned.h makes compile errors.

The library prints nothing, starts no program, and gets memory only through its allocator (src/base/alloc.c). The program prints
through src/cli/console.c, which filters what a terminal would obey, and makes JSON through src/cli/json_out.c, which is
always valid.
"""

import re

import repo

# What is called -> where it may be.
BANNED = {
    r"printf|fprintf|vprintf|vfprintf|puts|fputs|putchar|putc|fputc|perror|psignal": [],
    r"malloc|calloc|realloc|reallocarray|aligned_alloc|posix_memalign|memalign|free|strdup|strndup|asprintf": [
        "src/base/alloc.c",
    ],
    r"system|popen|fork|execl|execv|execvp": [],
    r"abort|exit|getenv|signal|sigaction|raise|setlocale|longjmp|setjmp": [],
    r"rand|random|time|sleep|usleep": [],
    r"strtof|strtod|strtol|strtoul|strtoll|strtoull": ["src/base/"],
}

# The same for the program.
PROGRAM_BANNED = {
    r"printf|vprintf|puts|putchar|perror": [],
    r"json_pack|json_real|json_string|json_stringn|json_dumps": ["src/cli/json_out.c"],
}


def main():
    errors = []
    paths = [path for path in repo.files(".c", ".h") if path.parts[0] == "src" and path.parts[1] != "server"]
    for path in paths:
        if path.name == "banned.h":
            continue
        in_program = path.parts[1] == "cli"
        text = repo.strip_c(repo.read(path))
        for names, allowed in (PROGRAM_BANNED if in_program else BANNED).items():
            if any(str(path).startswith(prefix) for prefix in allowed):
                continue
            for match in re.finditer(rf"(?<![\w.>])({names})\s*\(", text):
                line = text.count("\n", 0, match.start()) + 1
                errors.append(f"{path}:{line}: {match.group(1)}() is not for the {'program' if in_program else 'library'}")
    repo.finish("banned", errors, f"{len(paths)} files call nothing banned")


main()
