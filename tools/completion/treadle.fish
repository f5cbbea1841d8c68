# SPDX-License-Identifier: MIT
# fish completion for treadle: commands, options and their choices as the program's own --help lists them, then files.
function __treadle_commands
    set -l words (commandline -opc)
    $words[1] help 2>/dev/null | string match -rg '^  ([a-z]+) +[^ ].*'
end

function __treadle_options
    set -l words (commandline -opc)
    $words[1] $words[2] --help 2>/dev/null | string replace -rf '^ +(-[a-z0-9-]+)(?:, (--[a-z0-9-]+))?(?: .*)?$' '$1 $2' |
        string split -n ' ' | sort -u
end

# The choices of the option before the cursor; none where it has no list of them.
function __treadle_choices
    set -l words (commandline -opc)
    set -l before $words[-1]
    string match -q -- '-*' $before; or return
    if test "$before" = --device
        printf '%s\n' cpu webgpu
        return
    end
    $words[1] $words[2] --help 2>/dev/null |
        string match -rg -- "^ +(?:-[a-z0-9-]+, )?$before(?:, --[a-z0-9-]+)? ([a-z0-9_-]+(?:\|[a-z0-9_-]+)+)(?: .*)?\$" | string split '|'
end

function __treadle_count
    test (count (commandline -opc)) -eq $argv[1]
end

complete -c treadle -n '__treadle_count 1' -f -a '(__treadle_commands)'
complete -c treadle -n '__treadle_count 2; and __fish_seen_subcommand_from help' -f -a '(__treadle_commands)'
complete -c treadle -n "not __treadle_count 1; and string match -q -- '-*' (commandline -ct)" -f -a '(__treadle_options)'
complete -c treadle -n 'count (__treadle_choices) >/dev/null' -f -a '(__treadle_choices)'
