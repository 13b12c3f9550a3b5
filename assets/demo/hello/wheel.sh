#!/usr/bin/env bash
# A water wheel, to have something to look at: colours, a progress line, and one kind of wheel that does not turn yet.
set -u

colours() {
  for c in 31 32 33 34 35 36; do
    printf '\033[%sm%s\033[0m ' "$c" "colour $c"
  done
  printf '\n\033[1mbold\033[0m \033[4munderlined\033[0m \033[7mreversed\033[0m\n'
}

turn() {
  echo "$GREETING: a wheel of the kind '$WHEEL'"
  if [ "$WHEEL" = turbine ]; then
    printf '\033[31mThe turbine has no water yet.\033[0m This job is allowed to fail.\n'
    return 1
  fi
  for percent in $(seq 0 5 100); do
    bar=$(printf '%*s' $((percent / 5)) '' | tr ' ' '#')
    printf '\rturning [%-20s] %3d %%' "$bar" "$percent"
    sleep 0.03
  done
  printf '\n\033[32mok\033[0m 20 turns\n'
}

describe() {
  echo "wheel: $WHEEL"
  echo "commit: ${TRAVIS_COMMIT:-unknown}"
}

case "${1:-}" in
  colours) colours ;;
  turn) turn ;;
  describe) describe ;;
  *) echo "usage: wheel.sh colours|turn|describe" >&2; exit 64 ;;
esac
