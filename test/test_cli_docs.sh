#!/usr/bin/env bash
# The program's documents say what the program says: --help names every command, bash completion offers each command's
# options, the committed man page is what tools/man_page.py makes of the help today, and man shows it without complaint.
#   test_cli_docs.sh PROGRAM REPO
set -euo pipefail
program=$1 repo=$2
failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "cli_docs: $*" >&2
    failed=1
}

# The options in the left column of a help text, one a line.
listed_options() { grep -E '^ +-' | sed -E 's/^ +//; s/  .*//' | grep -oE '(^|, )--?[a-z0-9-]+' | tr -d ' ,' | sort -u; }

# shellcheck source=tools/completion/treadle.bash
source "$repo/tools/completion/treadle.bash"
compopt() { :; } # bash has it only while it completes

COMP_WORDS=("$program" "") COMP_CWORD=1
_treadle
commands=("${COMPREPLY[@]}")
"$program" --help >"$work/help" || fail "--help failed"
for command in "${commands[@]}"; do
    grep -qw -- "$command" "$work/help" || fail "--help does not name the command $command"
    [ "$command" = help ] && continue
    "$program" "$command" --help >"$work/text" || fail "$command --help failed"
    listed_options <"$work/text" >"$work/listed" || true
    COMP_WORDS=("$program" "$command" -) COMP_CWORD=2
    _treadle
    printf '%s\n' "${COMPREPLY[@]}" | grep . | sort -u >"$work/offered" || true
    cmp -s "$work/listed" "$work/offered" || fail "$command: completion offers $(tr '\n' ' ' <"$work/offered")"
done

python3 "$repo/tools/man_page.py" "$program" >"$work/treadle.1"
diff -u "$repo/docs/treadle.1" "$work/treadle.1" || fail "docs/treadle.1 is not what --help says now: make docs"
if command -v man >/dev/null; then
    LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=100 man --warnings -l "$work/treadle.1" 2>"$work/warnings" >"$work/shown"
    [ -s "$work/warnings" ] && fail "man: $(cat "$work/warnings")"
    grep -q 'EXIT STATUS' "$work/shown" || fail "man shows no section EXIT STATUS"
fi
[ "$failed" = 0 ] && echo "cli_docs: ${#commands[@]} commands agree"
exit "$failed"
