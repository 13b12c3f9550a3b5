
# ---- The cache: what a job keeps for those after it ----
#
# Nothing here makes a job fail, and no address is shown or stands in an argument: who has it can change the cache. What runs
# for long runs beside the shell (headrace_cache_run), so that it can be stopped.

headrace_cache_dirs=() # as they stand in the archive: ./ is HOME, others are absolute

# headrace_cache_add [--] PATH...: what to keep; from the checkout where a path is not absolute.
headrace_cache_add() {
  local path clean
  [[ $1 != -- ]] || shift
  for path in "$@"; do
    [[ $path != '~' && $path != '~/'* ]] || path=$HOME${path#\~}
    [[ $path == /* ]] || path=$TRAVIS_BUILD_DIR/$path
    clean=$(realpath -m -s -- "$path" 2>/dev/null) || clean=${path%/}
    if [[ -z $clean || $clean == / ]]; then
      printf 'cache: the whole machine is not kept.\n'
      continue
    fi
    case $clean in
      "$HOME") clean=. ;;
      "$HOME"/*) clean=./${clean#"$HOME"/} ;;
    esac
    headrace_cache_dirs+=("$clean")
  done
}

# npm ci throws node_modules away, and keeps what it downloads in HOME. $1 is set where the job asks for a cache of npm.
headrace_cache_npm() {
  [[ ! -f yarn.lock && -f package.json ]] || return 0
  if [[ -f package-lock.json || -f npm-shrinkwrap.json ]]; then
    headrace_cache_add "$HOME/.npm"
  elif [[ -n $1 ]]; then
    headrace_cache_add node_modules
  fi
}

# Leaves in headrace_cache_dirs those that are there now, and the shell in HOME.
headrace_cache_find() {
  local IFS=$' \t\n' path all
  set +f
  builtin cd -- "$TRAVIS_BUILD_DIR" && headrace_cache_paths && builtin cd -- "$HOME" || return
  all=("${headrace_cache_dirs[@]}")
  headrace_cache_dirs=()
  for path in "${all[@]}"; do
    [[ ! -e $path ]] || headrace_cache_dirs+=("$path")
  done
}

# A word for all that is in the directories: names, sizes, times.
headrace_cache_state() {
  {
    printf '%s\n' "${headrace_cache_dirs[@]}"
    if find . -maxdepth 0 -printf '' 2>/dev/null; then
      find "${headrace_cache_dirs[@]}" \( -type d -printf '%p %m\n' \) -o -printf '%p %s %T@ %m %l\n' | LC_ALL=C sort
    else
      ls -lnAR "${headrace_cache_dirs[@]}"
    fi
  } 2>/dev/null | cksum
}

headrace_cache_checksum() {
  if headrace_has sha256sum; then
    sha256sum <"$1"
  elif headrace_has shasum; then
    shasum -a 256 <"$1"
  elif headrace_has openssl; then
    openssl dgst -sha256 -r <"$1"
  fi
}

# headrace_cache_curl URL PIN ARGUMENT...: a certificate that the node has made itself is known by its key.
headrace_cache_curl() {
  local url=$1 pin=$2 result options
  shift 2
  options=(-q -s -f -K - --connect-timeout 20 --max-time "$headrace_cache_timeout" -w '%{http_code}')
  printf 'url = "%s"\n' "$url" | command curl "${options[@]}" "$@"
  result=$?
  [[ $result == 60 && -n $pin ]] || return "$result"
  printf 'url = "%s"\ninsecure\npinnedpubkey = "%s"\n' "$url" "$pin" | command curl "${options[@]}" "$@"
}

headrace_cache_size() {
  if (($1 < 1048576)); then
    printf '%d KiB' "$((($1 + 1023) / 1024))"
  else
    printf '%d.%d MiB' "$(($1 / 1048576))" "$(($1 % 1048576 * 10 / 1048576))"
  fi
}

headrace_cache_age() {
  case $(($1 < 120 ? 0 : $1 < 7200 ? 1 : $1 < 172800 ? 2 : 3)) in
    0) printf '%d seconds' "$1" ;;
    1) printf '%d minutes' "$(($1 / 60))" ;;
    2) printf '%d hours' "$(($1 / 3600))" ;;
    *) printf '%d days' "$(($1 / 86400))" ;;
  esac
}

# headrace_cache_run FUNCTION SHOWN: stops it when its time is over. Its exit code is in headrace_awaited.
headrace_cache_run() {
  local out end
  if ! headrace_has curl || ! headrace_has tar; then
    printf 'The image of this job has no curl or no tar; the job goes on without a cache.\n'
    return 0
  fi
  exec {out}>&1
  exec {end}< <(
    set +e
    "$1" >&"$out" 2>&1
    echo "$?"
  )
  headrace_await "$end" "$!" "$(((headrace_cache_timeout + 59) / 60))" "$2"
  exec {end}<&- {out}>&-
}

# The fetched bytes are in $file once they are all here and whole. What broke off goes on where it was.
headrace_cache_download() {
  local try code result
  for try in 1 2 3; do
    code=$(headrace_cache_curl "$headrace_cache_from" "$headrace_cache_from_pin" -C - -o "$file" -D "$headers")
    result=$? code=${code: -3} # of the second of two tries
    case $result:$code in
      0:*) return 0 ;;
      *:404)
        printf 'There is no cache yet: not of %s.\n' "$headrace_cache_branches"
        return 1
        ;;
      *:401 | *:403) break ;;
      33:* | *:416) rm -f -- "$file" ;;
    esac
    ((try == 3)) || sleep 1
  done
  printf 'The cache cannot be fetched (curl ended with %s, the platform said %s). The job goes on without it.\n' "$result" "${code:-nothing}"
  return 1
}

headrace_cache_fetch() {
  local file=$headrace_tmp/cache.fetched headers=$headrace_tmp/cache.headers name value branch='' age=0 sum='' got
  headrace_cache_download || { rm -f -- "$file"; return 0; }
  while IFS=': ' read -r name value; do
    value=${value%$'\r'}
    case ${name,,} in
      x-headrace-sha256) sum=$value ;;
      x-headrace-branch) printf -v branch '%b' "${value//%/\\x}" ;;
      x-headrace-age) age=${value//[!0-9]/} ;;
    esac
  done <"$headers"
  got=$(headrace_cache_checksum "$file")
  if [[ -n $got && ${got%% *} != "$sum" ]]; then
    printf 'The cache that came is not what was stored: its checksum is another. The job goes on without it.\n'
  elif ! tar -C "$HOME" -xoPf "$file"; then
    printf 'The cache cannot be unpacked wholly. The job goes on with what there is of it.\n'
  else
    printf 'Fetched the cache of %s: %s, stored %s ago.\n' "$branch" "$(headrace_cache_size "$(wc -c <"$file")")" "$(headrace_cache_age "${age:-0}")"
    rm -f -- "$file"
    headrace_cache_find && headrace_cache_state >|"$headrace_tmp/cache.state"
  fi
  rm -f -- "$file"
}

# headrace_cache_pack FILE: tar says 1 where a file has changed meanwhile.
headrace_cache_pack() {
  local codes pack=(gzip -3)
  if headrace_has zstd; then pack=(zstd -q -3); fi
  tar -cPf - "${headrace_cache_dirs[@]}" | "${pack[@]}" >|"$1"
  codes=("${PIPESTATUS[@]}")
  ((codes[0] <= 1 && codes[1] == 0))
}

headrace_cache_upload() {
  local sum=$2 try code result
  for try in 1 2 3; do
    code=$(headrace_cache_curl "$headrace_cache_to" "$headrace_cache_to_pin" -o /dev/null -H "X-Headrace-Sha256: $sum" -T "$1")
    result=$? code=${code: -3} # of the second of two tries
    case $result:$code in
      0:*) return 0 ;;
      *:413)
        printf 'The cache is larger than the platform takes.\n'
        return 1
        ;;
      *:401 | *:403) break ;;
    esac
    ((try == 3)) || sleep 1
  done
  printf 'The cache cannot be stored (curl ended with %s, the platform said %s). That does not change the result.\n' "$result" "${code:-nothing}"
  return 1
}

headrace_cache_store() {
  local file=$headrace_tmp/cache.packed size sum
  headrace_cache_find || return 0
  if ((${#headrace_cache_dirs[@]} == 0)); then
    printf 'There is nothing to keep: none of the directories is there.\n'
    return 0
  fi
  if [[ -f $headrace_tmp/cache.state && $(headrace_cache_state) == "$(<"$headrace_tmp/cache.state")" ]]; then
    printf 'Nothing has changed since the cache was fetched. It stays as it is.\n'
    return 0
  fi
  if ! headrace_cache_pack "$file"; then
    printf 'The cache cannot be packed. That does not change the result.\n'
  else
    size=$(wc -c <"$file") sum=$(headrace_cache_checksum "$file")
    if ((size > headrace_cache_most)); then
      printf 'The cache has %s, and the platform takes %s. It is not stored.\n' "$(headrace_cache_size "$size")" "$(headrace_cache_size "$headrace_cache_most")"
    elif headrace_cache_upload "$file" "${sum%% *}"; then
      printf 'Stored the cache: %s.\n' "$(headrace_cache_size "$size")"
    fi
  fi
  rm -f -- "$file"
}
