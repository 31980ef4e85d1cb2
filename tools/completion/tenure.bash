# bash completion for tenure(1). Installed as share/bash-completion/completions/tenure.

_tenure_processes() {
  tenure ps 2> /dev/null | awk 'NR > 1 { print $1; print $2 }'
}

_tenure_tenants() { # <pid or name>
  tenure ls "$1" --flat 2> /dev/null | awk 'NR > 1 && NR <= 2000 { print $1 }'
}

# The arguments of the command that are no options, and how many stand before the cursor.
_tenure_words() {
  words_before=()
  local i
  for ((i = 2; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      -*) ;;
      *) words_before+=("${COMP_WORDS[i]}") ;;
    esac
  done
}

_tenure() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local command=${COMP_WORDS[1]} options words_before
  local commands='run ps ls stat top set reclaim trim events explain doctor export record profile heap leaks rules options classes'
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W "$commands --help --version" -- "$current")
    return
  fi
  case $previous in
    --sort)
      mapfile -t COMPREPLY < <(compgen -W 'name usage full peak failed events stall' -- "$current")
      return ;;
    --policy)
      mapfile -t COMPREPLY < <(compgen -W 'fail-large fail-all observe event abort' -- "$current")
      return ;;
    --kind)
      mapfile -t COMPREPLY < <(compgen -W 'low high max overdraw abort failed created offline report served' -- "$current")
      return ;;
    --helper | --mapped)
      mapfile -t COMPREPLY < <(compgen -W 'auto on off' -- "$current")
      return ;;
    --format)
      mapfile -t COMPREPLY < <(compgen -W 'openmetrics prometheus' -- "$current")
      return ;;
    -o | --output | --replay | --lib | --rules)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return ;;
  esac
  case $command in
    run)
      options='--max --high --policy --mapped --name --live --no-live --hardened --decay-ms --huge-pages
        --rss-limit --cgroup --helper --stats --fallback --rules --lib --help' ;;
    ps) options='--json --help' ;;
    ls) options='--sort --depth --flat --json --help' ;;
    stat | doctor) options='--json --help' ;;
    top) options='--sort --interval --once --replay --speed --help' ;;
    set) options='--dry-run --json --help' ;;
    reclaim | trim | explain) options='--timeout --json --help' ;;
    events) options='--follow --kind --reports --json --help' ;;
    export) options='--listen --output --format --tenants --help' ;;
    record) options='--output --interval --for --help' ;;
    profile | heap | rules)
      case $command:${COMP_WORDS[2]} in
        profile:start) options='--mean --timeout --help' ;;
        profile:stop) options='--timeout --help' ;;
        profile:convert | heap:diff) options='--output --format --tenant --help' ;;
        rules:test) options='--process --command --thread --library --symbol --listen --peer --peer-uid
          --peer-process --help' ;;
        profile:*) options='--seconds --mean --timeout --output --format --tenant --help' ;;
        *) options='--help' ;;
      esac ;;
    leaks) options='--timeout --help' ;;
    options) options='--json --markdown --help' ;;
    classes) options='--slab-kib --json --help' ;;
    *) return ;;
  esac
  if [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
    return
  fi
  _tenure_words
  case $command:${#words_before[@]} in
    profile:0)
      mapfile -t COMPREPLY < <(compgen -W "convert start stop $(_tenure_processes)" -- "$current") ;;
    profile:1)
      if [[ ${COMP_WORDS[2]} == convert ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
      else
        mapfile -t COMPREPLY < <(compgen -W "$(_tenure_processes)" -- "$current")
      fi ;;
    leaks:0) mapfile -t COMPREPLY < <(compgen -W "$(_tenure_processes)" -f -- "$current") ;;
    heap:0) mapfile -t COMPREPLY < <(compgen -W 'diff' -- "$current") ;;
    rules:0) mapfile -t COMPREPLY < <(compgen -W 'check test load' -- "$current") ;;
    profile:* | heap:* | leaks:* | rules:*) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    run:*) mapfile -t COMPREPLY < <(compgen -c -- "$current") ;;
    ls:0 | stat:0 | set:0 | reclaim:0 | trim:0 | events:0 | explain:0 | doctor:0 | top:* | export:* | record:*)
      mapfile -t COMPREPLY < <(compgen -W "$(_tenure_processes)" -- "$current") ;;
    ls:1 | stat:1 | set:1 | reclaim:1 | events:1 | explain:1)
      mapfile -t COMPREPLY < <(compgen -W "$(_tenure_tenants "${words_before[0]}")" -- "$current") ;;
    set:*)
      compopt -o nospace
      mapfile -t COMPREPLY < <(compgen -W 'max= high= low= min= reserve= policy=fail-large policy=fail-all
        policy=observe policy=event policy=abort' -- "$current") ;;
  esac
}

complete -F _tenure tenure
