# Completion of rigor for bash: eval "$(rigor completion bash)"
_rigor() {
  local IFS=$'\n' line
  local current="${COMP_WORDS[COMP_CWORD]}"
  COMPREPLY=()
  while IFS= read -r line; do
    case "$line" in
      :file) compopt -o default 2>/dev/null; return ;;
      :directory) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- "$current")); return ;;
      *) COMPREPLY+=("${line%%$'\t'*}") ;;
    esac
  done < <(rigor __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _rigor rigor
