# bash completion for treadle: commands, then the command's options, which its own --help lists, then files.
_treadle() {
    local program=${COMP_WORDS[0]} command=${COMP_WORDS[1]} word=${COMP_WORDS[COMP_CWORD]} words=
    if [ "$COMP_CWORD" = 1 ] || [ "$command" = help ]; then
        words="run chat info plan tokenize detokenize logits perplexity eval bench devices version help"
    elif [ "${COMP_WORDS[COMP_CWORD - 1]}" = --precision ]; then
        words="auto f32"
    elif [ "${COMP_WORDS[COMP_CWORD - 1]}" = --device ]; then
        words="cpu webgpu"
    elif [[ $word == -* ]]; then
        words=$("$program" "$command" --help 2>/dev/null | sed -nE 's/^ +(-[a-z0-9-]+)(, (--[a-z0-9-]+))?( .*)?$/\1 \3/p')
    fi
    if [ -n "$words" ]; then
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word" | sort -u)
    else
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
}
complete -F _treadle treadle
