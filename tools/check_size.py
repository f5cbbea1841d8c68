#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The size budget: lines a file, lines a function, lines a folder (tools/size_budget.txt).

A function begins in the first column with a name before a "(" and ends at "}" in the first column, which is how
clang-format lays functions out. Files and functions above the soft limits are listed with
--report; above the hard limits they are errors, unless size_budget.txt exempts them with a reason.
"""

import re
import sys

import repo

FILE_SOFT, FILE_HARD = 800, 1500
FUNCTION_SOFT, FUNCTION_HARD = 60, 100
BUDGET = "tools/size_budget.txt"
FUNCTION_START = re.compile(r"^(?!typedef)[A-Za-z_][^=]*\w\(")
FUNCTION_NAME = re.compile(r"([A-Za-z_]\w*)\s*\(")


def functions(text):
    """(name, first line, number of lines) of each function."""
    lines = text.split("\n")
    start = None
    for number, line in enumerate(lines, 1):
        if start is None and FUNCTION_START.match(line):
            start = number
        if start is None:
            continue
        if line.endswith(";") and "{" not in "".join(lines[start - 1 : number]):
            start = None  # a declaration
        elif line.startswith("}") or (start == number and line.endswith("}")):
            match = FUNCTION_NAME.search(lines[start - 1])
            yield match.group(1), start, number - start + 1
            start = None


def read_budget():
    """Folder -> most lines, and the set of exempted files and file:function names."""
    folders, exempt = {}, set()
    errors = []
    for number, line in enumerate(repo.read(BUDGET).splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        words = line.split(None, 2)
        if words[0] == "folder" and len(words) == 3 and words[2].isdigit():
            folders[words[1]] = int(words[2])
        elif words[0] == "exempt" and len(words) == 3:
            exempt.add(words[1])
        else:
            errors.append(f"{BUDGET}:{number}: expected 'folder PATH LINES' or 'exempt PATH[:FUNCTION] REASON'")
    return folders, exempt, errors


def main():
    folders, exempt, errors = read_budget()
    report = "--report" in sys.argv
    used = dict.fromkeys(folders, 0)
    unused = set(exempt)
    longest_file, longest_function = (0, ""), (0, "")
    for path in repo.files(".c", ".h", ".def", ".inc", ".sh", ".py", ".cmake"):
        text = repo.read(path)
        n_lines = text.count("\n") - ("SPDX-License-Identifier" in text[:200])
        longest_file = max(longest_file, (n_lines, str(path)))
        best = max((folder for folder in folders if str(path).startswith(folder + "/")), key=len, default=None)
        if best is not None:
            used[best] += n_lines
        elif len(path.parts) > 1:
            errors.append(f"{path}: its folder has no line in {BUDGET}")
        if n_lines > FILE_HARD and str(path) not in exempt:
            errors.append(f"{path}: {n_lines} lines, at most {FILE_HARD}")
        elif n_lines > FILE_SOFT and report:
            print(f"{path}: {n_lines} lines, better at most {FILE_SOFT}")
        unused.discard(str(path))
        if path.suffix not in (".c", ".h"):
            continue
        for name, line, size in functions(repo.strip_c(text)):
            longest_function = max(longest_function, (size, f"{path}:{line}: {name}"))
            key = f"{path}:{name}"
            if key in exempt:
                unused.discard(key)
            elif size > FUNCTION_HARD:
                errors.append(f"{path}:{line}: {name}: {size} lines, at most {FUNCTION_HARD}")
            elif size > FUNCTION_SOFT and report:
                print(f"{path}:{line}: {name}: {size} lines, better at most {FUNCTION_SOFT}")
    for folder, lines in sorted(used.items()):
        if lines > folders[folder]:
            errors.append(f"{folder}: {lines} lines, its budget is {folders[folder]} ({BUDGET})")
        elif report:
            print(f"{folder}: {lines} lines of {folders[folder]}")
    errors += [f"{BUDGET}: {name} is exempted but does not exist" for name in sorted(unused)]
    note = f"longest file {longest_file[0]} ({longest_file[1]}), longest function {longest_function[0]} ({longest_function[1]})"
    repo.finish("size", errors, note)


main()
