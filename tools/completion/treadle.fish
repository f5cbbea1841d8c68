# fish completion for treadle: commands, then the command's options, which its own --help lists, then files.
function __treadle_options
    set -l words (commandline -opc)
    $words[1] $words[2] --help 2>/dev/null | string replace -rf '^ +(-[a-z0-9-]+)(?:, (--[a-z0-9-]+))?(?: .*)?$' '$1 $2' |
        string split -n ' ' | sort -u
end

set -l commands run chat info plan tokenize detokenize logits perplexity eval bench devices version help
complete -c treadle -n "not __fish_seen_subcommand_from $commands" -f -a "$commands"
complete -c treadle -n '__fish_seen_subcommand_from help' -f -a "$commands"
complete -c treadle -n "__fish_seen_subcommand_from $commands; and string match -q -- '-*' (commandline -ct)" -f -a '(__treadle_options)'
complete -c treadle -l precision -x -a 'auto f32'
complete -c treadle -l device -x -a 'cpu webgpu'
