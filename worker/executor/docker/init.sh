# The first process of a job's container. It takes the script over standard input, runs it, ends what it leaves behind, and
# says after the last byte of output how it ended. It goes on with the shell's own commands only: at the end there may be no
# process to be had.
exec 3<&0 </dev/null 2>/run/headrace/said
language=${LC_ALL-}
LC_ALL=C
asked=
trap 'asked=1; kill -TERM -- -1; kill -CONT -- -1' TERM
IFS=' ' read -r -u 3 mark size linger
IFS= read -r -u 3 vars

# counted KEY FILE... prints nothing and sets n to the number after the key in the last file that has it.
counted() {
	local key=$1 k v
	n=0
	shift
	for file; do
		[ -r "$file" ] || continue
		while read -r k v; do
			[ "$k" = "$key" ] && n=$v
		done <"$file"
	done
}
memory='/sys/fs/cgroup/memory/memory.oom_control /sys/fs/cgroup/memory.events'
processes='/sys/fs/cgroup/pids/pids.events /sys/fs/cgroup/pids.events'

pause() { read -r -t "$1" -u 3 _; }

# ended WORDS... is the last that is said. The worker then lets go.
ended() {
	printf '%s %s\n' "$mark" "$*"
	read -r -u 3 _
}

if ! head -c "$size" <&3 >/run/headrace/build.sh || ! cd "$HOME"; then
	said=$(</run/headrace/said)
	ended broken "${said//$'\n'/ }"
	exit 125
fi

set -m # so that the script can be interrupted, and that the shell says how it ended
(
	if [ "$language" ]; then LC_ALL=$language; else unset LC_ALL; fi
	eval "$vars"
	exec bash /run/headrace/build.sh
) 2>&1 3<&- &
job=$!
# Without a worker the job has nobody to run for.
(read -r -u 3 _; kill -KILL -- -1) >/dev/null 2>&1 &
watch=$!

last=
while :; do
	asked=
	wait "$job"
	code=$?
	[ "$code" = 127 ] && [ "$last" ] && code=$last
	last=$code
	[ "$asked" ] && continue
	[ -d "/proc/$job" ] || break
	pause 0.05 # it is stopped
done
said=$(</run/headrace/said)
signaled=0
[ "$code" -gt 128 ] && [[ $said != *"Exit $code"* ]] && signaled=1

kill -KILL "$watch"
wait "$watch"
rounds=$((linger / 10))
while ((rounds-- > 0)) && kill -0 -- -1; do pause 0.01; done
rounds=200
while ((rounds-- > 0)) && kill -KILL -- -1; do pause 0.01; done

counted oom_kill $memory
killed=$n
counted max $processes
ended "$code" "$signaled" "$killed" "$n"
exit "$code"
