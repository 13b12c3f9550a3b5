# What every job needs. Names that begin with travis_ may be used in .travis.yml; those with headrace_ are this script's own.

headrace_result=0  # of the phase script: 0 = passed, 1 = failed
headrace_phase=setup
headrace_running=  # set while a command of the job runs
headrace_shown=    # that command, as people see it
headrace_fold=     # the fold around it, empty = none
headrace_options=  # what the job's commands have set of -e -u -v -x; the lines between them run without
headrace_timers=0  # how many there were
headrace_tmp=      # for temporary files, removed at the end
headrace_exiting=  # set once exit was called, by a command of the job or by this script

# ---- Marks in the log: folds and times ----

# travis_fold start|end NAME
travis_fold() {
  printf 'travis_fold:%s:%s\r\033[0K' "$1" "$2"
}

travis_nanoseconds() {
  printf '%s000\n' "${EPOCHREALTIME//[!0-9]/}"
}

# headrace_timer_start ID; the caller keeps the ID and the time.
headrace_timer_start() {
  printf 'travis_time:start:%s\r\033[0K' "$1"
}

# headrace_timer_finish ID START
headrace_timer_finish() {
  local finish=${EPOCHREALTIME//[!0-9]/}000
  printf 'travis_time:end:%s:start=%s,finish=%s,duration=%s\r\033[0K' "$1" "$2" "$finish" "$((finish - $2))"
}

# travis_time_start, travis_time_finish: a time of your own around some lines.
travis_time_start() {
  headrace_timers=$((headrace_timers + 1))
  printf -v TRAVIS_TIMER_ID '%04x%04x' "$((headrace_timers & 0xffff))" "$RANDOM"
  TRAVIS_TIMER_START_TIME=$(travis_nanoseconds)
  headrace_timer_start "$TRAVIS_TIMER_ID"
}

travis_time_finish() {
  local result=$?
  headrace_timer_finish "${TRAVIS_TIMER_ID:-00000000}" "${TRAVIS_TIMER_START_TIME:-0}"
  return "$result"
}

# ---- Words to people ----

headrace_say() { printf '\033[33;1m%s\033[0m\n' "$1"; }

# headrace_exited CODE: the line that people search logs for.
headrace_exited() {
  local colour=32
  [[ $1 == 0 ]] || colour=31
  printf '\n\033[%s;1mThe command "%s" exited with %s.\033[0m\n' "$colour" "$headrace_shown" "$1"
}

# headrace_setup_failed CODE: the sentence about a command whose failure ends the job.
headrace_setup_failed() {
  printf '\n\033[31;1mThe command "%s" failed with exit code %s in the phase %s. The job stops here: errored.\033[0m\n' "$headrace_shown" "$1" "$headrace_phase"
}

# headrace_stop REASON: ends the job as errored.
headrace_stop() {
  printf '\n\033[31;1m%s\033[0m\n' "$1"
  exit 2
}

# headrace_fail REASON: the phase script has failed without a command.
headrace_fail() {
  printf '\n\033[31;1m%s\033[0m\n' "$1"
  headrace_result=1
  TRAVIS_TEST_RESULT=1
}

# ---- Commands of the job ----
#
# Each is three lines: headrace_start, the eval (not inside a function, so that declare, set and return mean what they say),
# headrace_end.

# headrace_start FOLD COMMAND [SHOWN]
headrace_start() {
  TRAVIS_CMD=$2
  headrace_shown=${3:-$2}
  headrace_fold=$1
  [[ -z $headrace_fold ]] || travis_fold start "$headrace_fold"
  headrace_timers=$((headrace_timers + 1))
  printf -v headrace_timer '%04x%04x' "$((headrace_timers & 0xffff))" "$RANDOM"
  headrace_timer_began=${EPOCHREALTIME//[!0-9]/}000
  headrace_timer_start "$headrace_timer"
  printf '$ %s\n' "$headrace_shown"
  headrace_running=1
  [[ -z $headrace_options ]] || set "-$headrace_options"
}

# headrace_end CODE
headrace_end() {
  { headrace_options=${-//[!euvx]/}; set +euvx; } 2>/dev/null
  headrace_running=
  headrace_close
  case $headrace_phase in
    script)
      [[ $1 == 0 ]] || headrace_result=1
      TRAVIS_TEST_RESULT=$headrace_result
      headrace_exited "$1"
      ;;
    before_cache | after_*)
      [[ $1 == 0 ]] || printf 'The command "%s" exited with %s. The phase %s does not change the result.\n' "$headrace_shown" "$1" "$headrace_phase"
      ;;
    *)
      [[ $1 == 0 ]] || {
        headrace_setup_failed "$1"
        exit 2
      }
      ;;
  esac
}

# Ends the time and the fold of a command.
headrace_close() {
  headrace_timer_finish "$headrace_timer" "$headrace_timer_began"
  [[ -z $headrace_fold ]] || travis_fold end "$headrace_fold"
}

# exit notes that it was called: a shell can also end by "set -e", "set -u" or a signal.
exit() {
  local code=${1:-$?}
  headrace_exiting=1
  builtin exit "$code"
}

# headrace_broke_off CODE: "set -e" or "set -u" has ended the shell within a command. The phase says what that means.
headrace_broke_off() {
  case $headrace_phase in
    script)
      headrace_exited "$1"
      headrace_result=1
      ;;
    before_cache | after_*) headrace_exited "$1" ;;
    *)
      headrace_setup_failed "$1"
      headrace_result=2
      ;;
  esac
}

# What bash does last, however it ends; leaves the exit code in headrace_code. A command of the job that called exit has
# chosen it itself.
headrace_last() {
  local code=$? IFS=$'\n' job
  trap - EXIT
  { set +euvx; } 2>/dev/null
  if [[ -n $headrace_running ]]; then
    headrace_close
    if [[ -n $headrace_exiting ]]; then
      headrace_exited "$code"
    elif [[ $code != 0 ]]; then
      headrace_broke_off "$code"
      code=$headrace_result
    fi
  fi
  for job in $(jobs -p); do kill "$job"; done 2>/dev/null
  [[ -z $headrace_tmp ]] || rm -rf -- "$headrace_tmp"
  # Neither exit nor a failure: a signal, of which the worker speaks.
  [[ $code == 0 && -z $headrace_exiting ]] || printf '\nDone. Your build exited with %s.\n' "$code"
  headrace_code=$code
}

# ---- For use in .travis.yml ----

# travis_retry COMMAND...: up to three times, until it passes.
travis_retry() {
  local travis_retry_shown=$* travis_retry_try=1 travis_retry_result
  [[ ${1:-} != eval ]] || travis_retry_shown=$headrace_shown
  while true; do
    "$@" && return 0
    travis_retry_result=$?
    ((travis_retry_try < 3)) || break
    travis_retry_try=$((travis_retry_try + 1))
    printf '\n\033[31;1mThe command "%s" failed with exit code %s. Trying again, %s of 3.\033[0m\n\n' "$travis_retry_shown" "$travis_retry_result" "$travis_retry_try" >&2
    sleep 1
  done
  printf '\n\033[31;1mThe command "%s" failed 3 times.\033[0m\n\n' "$travis_retry_shown" >&2
  return "$travis_retry_result"
}

# travis_wait [MINUTES] COMMAND...: for a command that is silent for long. Says every minute that it still runs, stops it
# after so many minutes (20), and shows its output at the end.
travis_wait() {
  local travis_wait_minutes=20
  if [[ ${1:-} =~ ^[0-9]+$ ]]; then
    travis_wait_minutes=$((10#$1))
    shift
  fi
  local travis_wait_log travis_wait_end travis_wait_pid travis_wait_result
  travis_wait_log=$(mktemp) || return 1
  # The command's exit code is what there is to read, so that read is the wait and the clock in one.
  exec {travis_wait_end}< <(
    set +e
    "$@" >|"$travis_wait_log" 2>&1
    echo "$?"
  )
  travis_wait_pid=$!
  headrace_await "$travis_wait_end" "$travis_wait_pid" "$travis_wait_minutes" "$*"
  travis_wait_result=$headrace_awaited
  exec {travis_wait_end}<&-
  printf '\nThe command "%s" exited with %s. Its output:\n\n' "$*" "$travis_wait_result"
  cat "$travis_wait_log"
  rm -f -- "$travis_wait_log"
  return "$travis_wait_result"
}

# headrace_await FD PID MINUTES SHOWN: waits for an exit code from FD, in turns of headrace_minute (60) seconds, and leaves
# it in headrace_awaited; 124 = stopped after so long.
headrace_await() {
  local minute=0 code
  while true; do
    code=0
    headrace_awaited=137
    read -r -t "${headrace_minute:-60}" -u "$1" headrace_awaited || code=$?
    ((code > 128)) || break
    minute=$((minute + 1))
    if ((minute >= $3)); then
      printf '\033[31;1mThe command "%s" was stopped after %s minutes.\033[0m\n' "$4" "$3"
      headrace_kill_tree "$2"
      headrace_awaited=124
      break
    fi
    printf 'Still running (%s of %s minutes): %s\n' "$minute" "$3" "$4"
  done
  [[ -n $headrace_awaited ]] || headrace_awaited=137
}

# headrace_kill_tree PID: the process and those it started.
headrace_kill_tree() {
  local list children='' child
  for list in "/proc/$1/task"/*/children; do
    [[ ! -r $list ]] || children+=" $(<"$list")"
  done
  kill -KILL "$1" 2>/dev/null
  local IFS=' '
  for child in $children; do headrace_kill_tree "$child"; done
}

# travis_terminate CODE: ends the job at once; background processes do not hold it up.
travis_terminate() {
  exit "${1:-0}"
}

# travis_assert [CODE] [PHASE]: ends the job as errored unless the code is 0.
travis_assert() {
  local result=${1:-$?} headrace_phase=${2:-$headrace_phase}
  [[ $result != 0 ]] || return 0
  headrace_setup_failed "$result"
  travis_terminate 2
}

# travis_cmd COMMAND [--echo] [--display TEXT] [--timing] [--retry] [--secure] [--assert]
travis_cmd() {
  local travis_cmd_line=$1 travis_cmd_shown=$1 travis_cmd_flags=' ' travis_cmd_result
  shift
  while (($#)); do
    case $1 in
      --display)
        travis_cmd_shown=${2:-}
        shift
        ;;
      *) travis_cmd_flags+="$1 " ;;
    esac
    shift
  done
  [[ $travis_cmd_flags != *' --timing '* ]] || travis_time_start
  [[ $travis_cmd_flags != *' --echo '* ]] || printf '$ %s\n' "$travis_cmd_shown"
  case $travis_cmd_flags in
    *' --retry '*) travis_retry eval "$travis_cmd_line" ;;
    *' --secure '*) eval "$travis_cmd_line" 2>/dev/null ;;
    *) eval "$travis_cmd_line" ;;
  esac
  travis_cmd_result=$?
  if [[ $travis_cmd_flags == *' --timing '* ]]; then travis_time_finish; fi
  [[ $travis_cmd_flags != *' --assert '* ]] || travis_assert "$travis_cmd_result"
  return "$travis_cmd_result"
}

# ---- Set-up ----

# headrace_env NAME=WORD [secret]: a variable of .travis.yml; the word is bash, as it stands there.
headrace_env() {
  if [[ ${2:-} == secret ]]; then
    printf '$ export %s=[secure]\n' "${1%%=*}"
  else
    printf '$ export %s\n' "$1"
  fi
  eval "export $1"
}

# headrace_setting NAME VALUE [secret]: a variable of the repository's settings; the value is taken as it is.
headrace_setting() {
  if [[ ${3:-} == secret ]]; then
    printf '$ export %s=[secure]\n' "$1"
  else
    printf '$ export %s=%s\n' "$1" "${2@Q}"
  fi
  export "$1=$2"
}

headrace_has() { type -t "$1" >/dev/null; }

# headrace_at_least COMMAND VERSION: the command is here and not older.
headrace_at_least() {
  headrace_has "$1" && [[ $("$1" --version 2>&1) =~ [0-9]+(\.[0-9]+)* ]] &&
    printf '%s\n%s\n' "$2" "${BASH_REMATCH[0]}" | sort -V -C
}

# headrace_enter DIRECTORY: makes it and goes there.
headrace_enter() {
  mkdir -p -- "$1" && cd -- "$1" && return 0
  headrace_stop "The directory $1 cannot be made."
}

# headrace_gopath IMPORT_PATH: moves the checkout to where Go before modules looks for it, and leaves a link.
headrace_gopath() {
  local from=$TRAVIS_BUILD_DIR
  export TRAVIS_BUILD_DIR=$GOPATH/src/$1
  mkdir -p -- "${TRAVIS_BUILD_DIR%/*}" && mv -T -- "$from" "$TRAVIS_BUILD_DIR" && ln -s -- "$TRAVIS_BUILD_DIR" "$from" &&
    cd -- "$TRAVIS_BUILD_DIR" && return 0
  headrace_stop "The checkout cannot be moved to $TRAVIS_BUILD_DIR."
}

# headrace_announce COMMAND [ARGUMENT...]: which version the machine has.
headrace_announce() {
  if headrace_has "$1"; then
    printf '$ %s\n' "$*"
    "$@" || true
  else
    headrace_say "$1 is not on this machine."
  fi
}

# headrace_ssh_key KEY: git fetches with this private key, and with no other; the file goes with the job's temporary ones.
headrace_ssh_key() {
  local file=$headrace_tmp/ssh/key
  (umask 077 && mkdir -- "${file%/*}" && printf '%s' "$1" >"$file") || headrace_stop 'There is no room for the SSH key.'
  # What hosts show the first time is believed, unless ~/.ssh/known_hosts says otherwise.
  printf -v GIT_SSH_COMMAND 'ssh -i %q -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=accept-new' "$file"
  export GIT_SSH_COMMAND
  printf 'git fetches with the SSH key of the repository.\n'
}

# headrace_clone URL DIRECTORY BRANCH [OPTION...]: a branch (or tag) that is gone is left out: its commit may be in another.
headrace_clone() {
  local url=$1 directory=$2 branch=$3 result
  shift 3
  git clone "$@" ${branch:+"--branch=$branch"} -- "$url" "$directory" && return 0
  result=$?
  [[ -n $branch ]] || return "$result"
  git ls-remote --exit-code -- "$url" "refs/heads/$branch" "refs/tags/$branch" >/dev/null 2>&1
  [[ $? == 2 ]] || return "$result"
  headrace_say "The repository has no $branch any more. Cloning without it."
  git clone "$@" -- "$url" "$directory"
}

# headrace_need_commit SHA [--depth=N]: a shallow clone may not reach back to the commit: fetch it by its name, or else
# everything.
headrace_need_commit() {
  git cat-file -e "$1^{commit}" 2>/dev/null && return 0
  printf 'The clone does not hold the commit %s. Fetching it.\n' "$1"
  git fetch --quiet ${2:+"$2"} origin "$1" && git cat-file -e "$1^{commit}" 2>/dev/null && return 0
  printf 'The server does not give a single commit. Fetching the whole history.\n'
  local whole=()
  [[ $(git rev-parse --is-shallow-repository) != true ]] || whole=(--unshallow)
  git fetch --quiet --tags "${whole[@]}" origin '+refs/heads/*:refs/remotes/origin/*' || return
  git cat-file -e "$1^{commit}" 2>/dev/null && return 0
  printf 'The repository has no commit %s any more.\n' "$1"
  return 1
}

trap 'headrace_last; builtin exit "$headrace_code"' EXIT
exec </dev/null
headrace_tmp=$(mktemp -d) || headrace_stop 'There is no room for temporary files.'
cd -- "${HOME:-}" || headrace_stop 'HOME is not a directory that can be used.'
