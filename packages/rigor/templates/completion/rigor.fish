# Completion of rigor for fish: save it as ~/.config/fish/completions/rigor.fish
function __rigor_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l lines (rigor __complete $words[2..-1] 2>/dev/null)
    switch "$lines[1]"
        case :file
            __fish_complete_path (commandline -ct)
        case :directory
            __fish_complete_directories (commandline -ct)
        case '*'
            printf '%s\n' $lines
    end
end
complete -c rigor -f -a '(__rigor_complete)'
