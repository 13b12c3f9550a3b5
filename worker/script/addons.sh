
# ---- As root ----

# headrace_root COMMAND [ARGUMENT...]: runs it as root, where this user may. A machine that the job shares with others is
# left as it is.
headrace_root() {
  if [[ -z $headrace_own ]]; then
    headrace_say "$1 would change this machine, which the jobs of this worker share. Install what is missing there, or run jobs in containers."
    return 126
  elif [[ $EUID == 0 ]]; then
    "$@"
  elif headrace_has sudo && sudo -n true 2>/dev/null; then
    sudo -n -- "$@"
  else
    headrace_say "$1 needs root, and the user of this job cannot become root. Use an image that has what is missing, or let trusted jobs become root of their container: headrace worker --job-sudo."
    return 126
  fi
}
