#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""No code that is commented out, and no `#if 0`: what is not used is in the history.

A comment is code where a whole line of it reads as a statement: it ends with a semicolon or a brace and has an
assignment, a call or a keyword of C before it. Examples are written with four spaces or more after the slashes, as the
heads of files have them.
"""

import re

import repo

COMMENT = re.compile(r"^\s*(?://|/\*)( {0,3})(?! )(.*?)(?:\*/)?\s*$")
STATEMENT = re.compile(
    r"""^(?:
        (?:return|goto|break|continue|let|var)\b[^.]*;          # a jump; a declaration of WGSL
      | [A-Za-z_][\w.\[\]]*(?:->[\w.\[\]]+)*\s*[-+*/|&^%]?=[^=].*;   # an assignment
      | (?:const\s+)?[a-z_]\w*\s+\*?[a-z_]\w*\s*(?:=[^=].*)?;   # a declaration of C
      | [A-Za-z_]\w*\([^()]*(?:\([^()]*\)[^()]*)*\)\s*;         # a call
      | (?:if|for|while|switch)\s*\(.*\)\s*\{                   # the head of a block
      | \}(?:\s*else\b.*)?                                      # its end
      | \#\s*(?:if|ifdef|ifndef|else|endif|include|define)\b.*  # the preprocessor
    )$""",
    re.VERBOSE,
)
DISABLED = re.compile(r"^\s*#\s*if\s+0\b")


def commented_code(line):
    match = COMMENT.match(line)
    return bool(match and STATEMENT.match(match.group(2).strip()))


def self_test():
    """The rule itself: what it must find, and what it must not."""
    for line in ("// x = y;", "//x += y[3];", "    // return 3;", "// f(a, g(b));", "/* p->n = 2; */", "// if (x) {",
                 "// }", "// #include <x.h>", "// let n = 3u;", "// int n = 0;"):  # fmt: skip
        assert commented_code(line), line
    for line in ("// out[t] = table[ids[t]]", "//     x = y;", "// what is not used;", "// see f(x).", "int x; // n;",
                 "// a, b; c", "// the rest: see below;", "*at = 3;"):  # fmt: skip
        assert not commented_code(line), line


def main():
    self_test()
    errors = []
    paths = repo.files(".c", ".h", ".def", ".inc", ".wgsl")
    for path in paths:
        for number, line in enumerate(repo.read(path).splitlines(), 1):
            if commented_code(line):
                errors.append(f"{path}:{number}: code in a comment: {line.strip()}")
            elif DISABLED.match(line):
                errors.append(f"{path}:{number}: code that is switched off: {line.strip()}")
    repo.finish("comments", errors, f"{len(paths)} files have no code in comments")


main()
