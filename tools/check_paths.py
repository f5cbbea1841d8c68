#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every path that the documents name exists.

Looked at: text in backquotes that has a slash or a known ending, and the targets of relative links. A pattern with a
star must match something. A word in angle brackets (`src/ops/<op>/`) stands for any name. What make builds is left out.
"""

import fnmatch
import re

import repo

DOCUMENTS = ["README.md", "CONTRIBUTING.md", "docs/TOUR.md", "docs/DESIGN.md", "docs/SPEED.md", "docs/DATA.md"]
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
PATH = re.compile(r"^[\w.<>*-]+(/[\w.<>*-]+)*/?$")
ENDINGS = (".c", ".h", ".def", ".inc", ".md", ".sh", ".py", ".cmake", ".txt", ".json", ".gguf")
ROOTS = ("", "src/")  # DESIGN.md names folders below src/ without it
BUILT = ("build/", "../")


def candidates(text):
    """(line number, path) of everything that looks like a path of ours."""
    fenced = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("```"):
            fenced = not fenced
        if fenced:
            continue
        for match in CODE.finditer(line):
            word = match.group(1)
            if PATH.match(word) and ("/" in word or word.endswith(ENDINGS)):
                yield number, word
        for match in LINK.finditer(line):
            if "://" not in match.group(1):
                yield number, match.group(1)


def exists(document, word, names):
    if word.startswith(BUILT):
        return True
    pattern = re.sub(r"<[^>]*>", "*", word).rstrip("/")
    if any(next(repo.ROOT.glob(root + pattern), None) for root in ROOTS):
        return True
    if "/" not in word and fnmatch.filter(names, pattern):
        return True  # a file name alone: names are unique
    return next((repo.ROOT / document).parent.glob(pattern), None) is not None


def main():
    errors = []
    count = 0
    names = {path.name for path in repo.files()}
    for document in DOCUMENTS:
        for number, word in candidates(repo.read(document)):
            count += 1
            if not exists(document, word, names):
                errors.append(f"{document}:{number}: {word} does not exist")
    repo.finish("paths", errors, f"{count} paths in {len(DOCUMENTS)} documents exist")


main()
