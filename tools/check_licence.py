#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every source file names its licence in its first line, or in its second below one that a system reads ("#!", "#compdef").

--fix puts the line there. Data, and what programs write, has none: LICENSE holds for all of the repository.
"""

import re
import sys
from pathlib import Path

import repo

COMMENTS = {"//": (".c", ".h", ".wgsl", ".inc", ".def"),
            "#": (".py", ".sh", ".cmake", ".bash", ".fish", ".zsh", ".pc.in", ".cmake.in", "Makefile", "CMakeLists.txt", "run")}
PREFIX = re.compile(r"#!|#compdef")
NOT_SOURCE = ("test/data/", "fuzz/seeds/", "models/", "abi/", "docs/", "include/treadle.h")  # the header's own begins its comment


def line_of(path):
    """What the file must have, or None where it is no source."""
    if str(path).startswith(NOT_SOURCE):
        return None
    for comment, ends in COMMENTS.items():
        if str(path).endswith(ends):
            return f"{comment} SPDX-License-Identifier: MIT"
    return None


def main():
    fix, errors = "--fix" in sys.argv[1:], []
    for path in repo.files():
        expected = line_of(path)
        lines = repo.read(path).split("\n") if expected else []
        at = 1 if lines and PREFIX.match(lines[0]) else 0
        if not expected or lines[at : at + 1] == [expected]:
            continue
        if fix:
            (repo.ROOT / path).write_text("\n".join(lines[:at] + [expected] + lines[at:]), encoding="utf-8")
        else:
            errors.append(f"{path}: line {at + 1} is not '{expected}' (tools/check_licence.py --fix)")
    if "SPDX-License-Identifier: MIT" not in repo.read(Path("include/treadle.h")).split("*/")[0]:
        errors.append("include/treadle.h: its first comment does not name the licence")
    repo.finish("licence", errors, "every source file names it")


main()
