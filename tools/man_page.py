#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the man page: docs/treadle.1.in with the synopsis and the options as the program's --help prints them.

    man_page.py PROGRAM > docs/treadle.1          (make docs)

So the page cannot say other than the program; test/test_cli_docs.sh compares the committed page with a new one. A group
of options that several commands share is explained once, at the first.
"""

import re
import subprocess
import sys

import repo

OPTION = re.compile(r"^ +(-\S.*?)(?: {2,}(\S.*))?$")
TITLE = re.compile(r"^(\S.*):$")


def roff(text):
    """Text as roff shows it unchanged."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text


def parse_help(text):
    """(usage, about paragraphs, [(title, [(option, explanation)])]) of a command's --help."""
    usage, _, rest = text.partition("\n")
    about, groups = [[]], []
    lines = rest.split("\n")
    for line, following in zip(lines, lines[1:] + [""]):
        title, option = TITLE.match(line), OPTION.match(line)
        if title and OPTION.match(following):
            groups.append((title.group(1), []))
        elif groups and option:
            groups[-1][1].append((option.group(1), option.group(2) or ""))
        elif groups and line.strip():
            name, explanation = groups[-1][1][-1]
            groups[-1][1][-1] = (name, f"{explanation} {line.strip()}".strip())
        elif not groups and line.strip():
            about[-1].append(line.strip())
        elif not groups:
            about.append([])
    return usage.removeprefix("usage: ").strip(), [paragraph for paragraph in about if paragraph], groups


def write_command(command, about, groups, explained):
    """The roff lines of one command."""
    yield f".SS {command}"
    for number, lines in enumerate(about):
        if number:
            yield ".PP"
        yield from map(roff, lines)
    for title, options in groups:
        key = (title, tuple(options))
        if key in explained:
            yield ".PP"
            yield roff(f"{title}: as for ") + f"\n.BR {explained[key]} ."
            continue
        explained[key] = command
        yield ".PP"
        yield roff(f"{title}:")
        for option, explanation in options:
            yield ".TP"
            yield f".B {roff(option)}"
            yield roff(explanation)


def commands(program):
    """The commands that the program's help lists, but for help itself."""
    text = subprocess.run([program, "help"], check=True, capture_output=True, text=True).stdout
    listed = re.findall(r"^  ([a-z]+) ", text.partition("\nCommands:\n")[2].partition("\n\n")[0], re.MULTILINE)
    return [command for command in listed if command != "help"]


def main():
    program = sys.argv[1]
    synopsis, sections, explained = [], [], {}
    for command in commands(program):
        text = subprocess.run([program, command, "--help"], check=True, capture_output=True, text=True).stdout
        usage, about, groups = parse_help(text)
        synopsis.append(f".B {roff(usage)}")
        sections += write_command(command, about, groups, explained)
    page = repo.read("docs/treadle.1.in")
    page = page[page.index("\n") + 1 :]
    page = page.replace("@SYNOPSIS@", "\n.br\n".join(synopsis)).replace("@COMMANDS@", "\n".join(sections))
    print('.\\" Written by tools/man_page.py from docs/treadle.1.in and --help; do not edit.')
    print(page, end="")


main()
