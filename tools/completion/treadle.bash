# SPDX-License-Identifier: MIT
# bash completion for treadle: commands, options and their choices as the program's own --help lists them, then files.
_treadle() {
    local program=${COMP_WORDS[0]} command=${COMP_WORDS[1]} word=${COMP_WORDS[COMP_CWORD]} words=
    local before=${COMP_WORDS[COMP_CWORD - 1]}
    if [ "$COMP_CWORD" = 1 ] || [ "$command" = help ]; then
        words=$("$program" help 2>/dev/null | sed -nE '/^Commands:/,/^$/s/^  ([a-z]+) .*/\1/p')
    elif [ "$before" = --device ]; then
        words="cpu webgpu"
    elif [[ $word == -* ]]; then
        words=$("$program" "$command" --help 2>/dev/null | sed -nE 's/^ +(-[a-z0-9-]+)(, (--[a-z0-9-]+))?( .*)?$/\1 \3/p')
    elif [[ $before == -* ]]; then
        words=$("$program" "$command" --help 2>/dev/null |
            sed -nE "s/^ +(-[a-z0-9-]+, )?$before(, --[a-z0-9-]+)? ([a-z0-9_-]+(\|[a-z0-9_-]+)+)( .*)?$/\3/p" | tr '|' ' ')
    fi
    if [ -n "$words" ]; then
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word" | sort -u)
    else
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
}
complete -F _treadle treadle
