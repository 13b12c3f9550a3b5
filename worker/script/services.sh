
# ---- Services ----

# headrace_answers PORT: something takes connections there.
headrace_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# headrace_service NAME UNIT PORT: what cannot be started is said, and the job goes on: not every job of a matrix needs it.
headrace_service() {
  local name=$1 unit=$2 port=$3 tries=60
  if [[ " ${HEADRACE_SERVICES:-} " == *" $name "* ]]; then
    printf '%s runs beside this job, at 127.0.0.1:%s.\n' "$name" "$port"
  elif headrace_answers "$port"; then
    printf '%s runs already.\n' "$name"
  elif [[ -d /run/systemd/system ]] && systemctl cat "$unit" >/dev/null 2>&1; then
    headrace_root systemctl start "$unit" || return 0
  elif [[ -x /etc/init.d/$unit ]]; then
    headrace_root "/etc/init.d/$unit" start || return 0
  else
    headrace_say "services: $name is not in the image of this job, and the worker starts none beside it. Its tests will not find it."
    return 0
  fi
  while ! headrace_answers "$port"; do
    if ((--tries == 0)); then
      headrace_say "services: $name does not answer on port $port after 30 seconds. The job goes on."
      return 0
    fi
    sleep 0.5
  done
}

# headrace_xvfb: a screen for browsers that need one.
headrace_xvfb() {
  export DISPLAY=:99.0
  if ! headrace_has Xvfb; then
    headrace_say 'services: xvfb is not in the image of this job. Install it with addons: apt: packages: xvfb, or use headless browsers.'
    return 0
  fi
  Xvfb :99 -screen 0 1280x1024x24 >/dev/null 2>&1 &
  local tries=60
  while ! [[ -S /tmp/.X11-unix/X99 ]] && ((--tries)); do sleep 0.5; done
}

headrace_docker() {
  docker version 2>/dev/null && return 0
  headrace_say 'services: docker does not answer. It is given only to jobs of queues that an administrator has marked for it, and never to code of forks.'
}
