#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""File names are unique in the repository, so that a name alone says which file is meant.

Left out: test data and fuzz seeds (their names are other projects' or hashes), and the names that tools ask for.
"""

from collections import defaultdict

import repo

DATA = ("test/data/", "fuzz/seeds/", "models/")
FIXED = {"README.md", "CMakeLists.txt", "ORIGIN.md", "Makefile", ".gitignore"}


def main():
    by_name = defaultdict(list)
    for path in repo.files():
        if path.name not in FIXED and not str(path).startswith(DATA):
            by_name[path.name].append(str(path))
    errors = [f"{name}: {', '.join(paths)}" for name, paths in sorted(by_name.items()) if len(paths) > 1]
    repo.finish("names", errors, f"{len(by_name)} names, all different")


main()
