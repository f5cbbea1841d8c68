# SPDX-License-Identifier: MIT
"""What the check scripts share: the repository's files, C source without comments, and how a check reports."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def files(*suffixes):
    """Paths relative to the root of the project's own files, as git tracks them or would; only those suffixes."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    paths = sorted({Path(line) for line in output.splitlines()})
    return [path for path in paths if (not suffixes or path.suffix in suffixes) and (ROOT / path).is_file()]


def read(path):
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


def strip_c(text, keep_strings=False):
    """C text with comments (and the contents of literals) blanked out; every line keeps its number."""
    token = re.compile(r"""//(?:\\\n|[^\n])*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.DOTALL)

    def blank(match):
        found = match.group(0)
        if found[0] in "\"'":
            return found if keep_strings else found[0] * 2
        return "\n" * found.count("\n") or " "

    return token.sub(blank, text)


def finish(name, errors, note=""):
    """Prints what was found and ends the process: 1 if there was anything."""
    for error in errors:
        print(f"{name}: {error}", file=sys.stderr)
    if not errors and note:
        print(f"{name}: {note}")
    sys.exit(1 if errors else 0)
