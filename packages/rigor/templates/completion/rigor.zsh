#compdef rigor
# Completion of rigor for zsh: save it as _rigor in a directory of fpath.
_rigor() {
  local line word
  local -a described
  for line in "${(@f)$(rigor __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    case "$line" in
      :file) _files; return ;;
      :directory) _files -/; return ;;
      '') ;;
      *)
        word="${line%%$'\t'*}"
        described+=("${word//:/\\:}:${line#*$'\t'}")
        ;;
    esac
  done
  _describe 'rigor' described
}
if [ "$funcstack[1]" = "_rigor" ]; then
  _rigor "$@"
else
  compdef _rigor rigor
fi
