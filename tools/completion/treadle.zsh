#compdef treadle
# zsh completion for treadle: commands, then the command's options, which its own --help lists, then files.
_treadle() {
    local program=$words[1] command=$words[2]
    if ((CURRENT == 2)) || [[ $command == help ]]; then
        compadd run chat info plan tokenize detokenize logits perplexity eval bench devices version help
    elif [[ $words[CURRENT-1] == --precision ]]; then
        compadd auto f32
    elif [[ $words[CURRENT-1] == --device ]]; then
        compadd cpu webgpu
    elif [[ $words[CURRENT] == -* ]]; then
        local -aU options
        options=($($program $command --help 2>/dev/null | sed -nE 's/^ +(-[a-z0-9-]+)(, (--[a-z0-9-]+))?( .*)?$/\1 \3/p'))
        compadd -- $options
    else
        _files
    fi
}
_treadle "$@"
