#compdef treadle
# SPDX-License-Identifier: MIT
# zsh completion for treadle: commands, options and their choices as the program's own --help lists them, then files.
_treadle() {
    local program=$words[1] command=$words[2] before=$words[CURRENT-1]
    local -aU found
    if ((CURRENT == 2)) || [[ $command == help ]]; then
        found=($($program help 2>/dev/null | sed -nE '/^Commands:/,/^$/s/^  ([a-z]+) .*/\1/p'))
    elif [[ $before == --device ]]; then
        found=(cpu webgpu)
    elif [[ $words[CURRENT] == -* ]]; then
        found=($($program $command --help 2>/dev/null | sed -nE 's/^ +(-[a-z0-9-]+)(, (--[a-z0-9-]+))?( .*)?$/\1 \3/p'))
    elif [[ $before == -* ]]; then
        found=($($program $command --help 2>/dev/null |
            sed -nE "s/^ +(-[a-z0-9-]+, )?$before(, --[a-z0-9-]+)? ([a-z0-9_-]+(\|[a-z0-9_-]+)+)( .*)?$/\3/p" | tr '|' ' '))
    fi
    if ((${#found})); then
        compadd -- $found
    else
        _files
    fi
}
_treadle "$@"
