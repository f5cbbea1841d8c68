#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The program's documents say what the program says, no less and no more: the completions of bash, zsh and fish offer exactly the
# commands of `treadle help`, each command's options, and an option's choices; the committed man page is what
# tools/man_page.py makes of the help today, names each command and option, and man shows it without complaint.
#   test_cli_docs.sh PROGRAM REPO
# shellcheck disable=SC2317 # check_shell calls functions by a name that it makes
set -euo pipefail
program=$1 repo=$2
failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C.UTF-8 HOME=$work

fail() {
    echo "cli_docs: $*" >&2
    failed=1
}
same_words() { # what, file of expected words, file of got words: one a line, sorted
    cmp -s "$2" "$3" || fail "$1: $(comm -3 "$2" "$3" | tr '\t\n' '+ ') (+: offered, but not in the help)"
}

# ---- what the help says: work/commands, and for each of them work/options.COMMAND

"$program" --help >"$work/help" || fail "--help failed"
sed -nE '/^Commands:/,/^$/s/^  ([a-z]+) .*/\1/p' "$work/help" | sort >"$work/commands"
for command in run chat info train finetune doctor version help; do
    grep -qx "$command" "$work/commands" || fail "--help does not list $command"
done
while read -r command; do
    [ "$command" = help ] && continue
    "$program" "$command" --help >"$work/text.$command" || fail "$command --help failed"
    # The left column: "  -n, --predict N   ..."
    { grep -E '^ +-' "$work/text.$command" || true; } | sed -E 's/^ +//; s/  .*//' | { grep -oE '(^|, )--?[a-z0-9-]+' || true; } |
        tr -d ' ,' | sort -u >"$work/options.$command"
done <"$work/commands"

# ---- completions: each prints what it offers for the words it is given, one a line

# shellcheck source=tools/completion/treadle.bash
source "$repo/tools/completion/treadle.bash"
compopt() { :; } # bash has it only while it completes
complete_bash() {
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    COMPREPLY=()
    _treadle
    printf '%s\n' "${COMPREPLY[@]}"
}
complete_zsh() {
    cat >"$work/complete.zsh" <<'ZSH'
compadd() { shift; print -rl -- "$@" }
_files() { }
script=$1; shift
words=("$@") CURRENT=$#
source $script
ZSH
    zsh -f "$work/complete.zsh" "$repo/tools/completion/treadle.zsh" "$@"
}
complete_fish() {
    local line="treadle"
    shift
    line+=$(printf ' %s' "$@")
    PATH=$(dirname "$program"):$PATH fish --no-config -c "source $repo/tools/completion/treadle.fish; complete -C '$line'"
}

check_shell() { # name
    local complete=complete_$1 command
    "$complete" "$program" "" | { grep . || true; } | cut -f1 | sort -u >"$work/got"
    same_words "$1: commands" "$work/commands" "$work/got"
    while read -r command; do
        [ "$command" = help ] && continue
        # Those that an option of one dash and one of two begin with.
        { "$complete" "$program" "$command" -; "$complete" "$program" "$command" --; } | { grep '^-' || true; } | cut -f1 |
            sort -u >"$work/got"
        same_words "$1: $command" "$work/options.$command" "$work/got"
    done <"$work/commands"
    "$complete" "$program" eval --task "" | cut -f1 | sort -u >"$work/got"
    same_words "$1: eval --task" <(printf '%s\n' choices last-word loss) "$work/got"
    "$complete" "$program" bench -o "" | cut -f1 | sort -u >"$work/got"
    same_words "$1: bench -o" <(sed -nE 's/^ +-o, --output ([a-z|]+).*/\1/p' "$work/text.bench" | tr '|' '\n' | sort) "$work/got"
}

check_shell bash
for shell in zsh fish; do
    if command -v "$shell" >/dev/null; then check_shell "$shell"; else echo "cli_docs: skipped: no $shell"; fi
done

# ---- the man page

python3 "$repo/tools/man_page.py" "$program" >"$work/treadle.1"
diff -u "$repo/docs/treadle.1" "$work/treadle.1" || fail "docs/treadle.1 is not what --help says now: make docs"
sed -nE 's/^\.SS //p' "$work/treadle.1" | sort >"$work/got"
same_words "man page: commands" <(grep -vx help "$work/commands") "$work/got"
sed -nE 's/^\.B ((\\-)+[a-z0-9].*)$/\1/p' "$work/treadle.1" | sed 's/\\-/-/g' | grep -oE '(^|, )--?[a-z0-9-]+' | tr -d ' ,' |
    sort -u >"$work/got"
same_words "man page: options" <(cat "$work"/options.* | sort -u) "$work/got"
if command -v man >/dev/null; then
    MANROFFSEQ='' MANWIDTH=100 man --warnings -l "$work/treadle.1" 2>"$work/warnings" >"$work/shown"
    [ -s "$work/warnings" ] && fail "man: $(cat "$work/warnings")"
    grep -q 'EXIT STATUS' "$work/shown" || fail "man shows no section EXIT STATUS"
fi
[ "$failed" = 0 ] && echo "cli_docs: $(wc -l <"$work/commands") commands agree"
exit "$failed"
