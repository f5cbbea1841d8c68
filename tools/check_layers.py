#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who may include whom (docs/DESIGN.md).

    base <- tensor <- { format, token, ops } <- backend <- graph <- model <- { run, train } <- treadle.h <- { cli, server }

A file may include headers of its own folder and of any layer below. Folders of one layer do not include each other.
Three rules go beyond that: only kernel files (*_cpu.c) in ops/ may include a backend's header, themselves or through a
header of ops/; the programs above treadle.h see that header and their own; a third-party header stands in one place
each, so that the library behind it can be replaced there.
"""

import re

import repo

LAYERS = [["base"], ["tensor"], ["format", "token", "ops"], ["backend"], ["graph"], ["model"], ["run", "train"]]
PROGRAMS = {"cli", "server"}
PROGRAM_HEADERS = {"base/json.h"}  # one reader of JSON for all: Jansson is the programs' too
LEVEL = {folder: level for level, folders in enumerate(LAYERS) for folder in folders}

# Header -> the paths (prefixes) that may include it.
THIRD_PARTY = {
    "jansson.h": ["src/base/json.", "src/cli/"],
    "pcre2.h": ["src/token/"],
    "utf8proc.h": ["src/base/utf8", "src/token/"],
    "histedit.h": ["src/cli/line_input."],
    "webgpu.h": ["src/backend/webgpu/"],
    "wgpu.h": ["src/backend/webgpu/"],
}

# Headers that the build makes, and who may include them.
GENERATED = {"wgsl.h": "_webgpu.c"}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def includes(path):
    """(line, whether in quotes, name) of each include of a file; a quoted name is relative to src/."""
    text = repo.strip_c(repo.read(path), keep_strings=True)
    for match in INCLUDE.finditer(text):
        line, quoted, name = text.count("\n", 0, match.start()) + 1, match.group(1) == '"', match.group(2)
        if quoted and "/" not in name and (repo.ROOT / path.parent / name).is_file():
            name = str((path.parent / name).relative_to("src"))
        yield line, quoted, name


def kernel_headers(paths):
    """The headers of ops/ that include a backend's, themselves or through another."""
    headers = {str(path.relative_to("src")): path for path in paths if path.parts[1] == "ops" and path.suffix == ".h"}
    found, grew = set(), True
    while grew:
        more = {
            name
            for name, path in headers.items()
            if any(quoted and (other.startswith("backend/") or other in found) for _, quoted, other in includes(path))
        }
        grew = more != found
        found = more
    return found


def check_include(path, quoted, name, kernel_only):
    """What is wrong with one include, or None."""
    own = path.parts[1]
    if not quoted:
        allowed = THIRD_PARTY.get(name)
        if allowed is not None and not any(str(path).startswith(prefix) for prefix in allowed):
            return f"<{name}> may be included only by {', '.join(allowed)}"
        return None
    if name == "treadle.h":
        return None
    if name in GENERATED:
        return None if str(path).endswith(GENERATED[name]) else f'"{name}" is for files *{GENERATED[name]}'
    if not (repo.ROOT / "src" / name).is_file():
        return f'"{name}" is no file below src/ (includes are written relative to src/)'
    if own == "ops" and (name.startswith("backend/") or name in kernel_only):
        is_kernel = path.stem.endswith("_cpu") or str(path.relative_to("src")) in kernel_only
        return None if is_kernel else f'"{name}": a backend\'s header, for kernel files (*_cpu.c) only'
    other = name.split("/")[0]
    if own == other:
        return None
    if own in PROGRAMS and name in PROGRAM_HEADERS:
        return None
    if own in PROGRAMS or other in PROGRAMS:
        return f'"{name}": {own}/ sees treadle.h and its own headers only'
    if other not in LEVEL or own not in LEVEL:
        return f'"{name}": {other if other not in LEVEL else own}/ stands in no layer'
    if LEVEL[other] < LEVEL[own]:
        return None
    return f'"{name}": {own}/ may not include {other}/'


def main():
    paths = [path for path in repo.files(".c", ".h", ".def", ".inc") if path.parts[0] == "src"]
    kernel_only = kernel_headers(paths)
    errors = []
    for path in paths:
        for line, quoted, name in includes(path):
            error = check_include(path, quoted, name, kernel_only)
            if error:
                errors.append(f"{path}:{line}: {error}")
    repo.finish("layers", errors, f"{len(paths)} files keep to their layer")


main()
