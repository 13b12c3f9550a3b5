package local

import (
	"time"

	"golang.org/x/sys/unix"
)

// forceEnd kills the processes that match until none is left, nor of those that were asked to end before, at most for two
// seconds.
func (e *Executor) forceEnd(m matcher, asked ...proc) {
	const patience, pause = 2 * time.Second, 5 * time.Millisecond
	end := time.NewTimer(patience)
	defer end.Stop()
	again := time.NewTimer(pause)
	defer again.Stop()
	dying := asked
	for {
		found := m.find()
		for _, p := range found {
			p.signal(unix.SIGKILL)
		}
		dying = stillAlive(append(dying, found...))
		if len(found) == 0 && len(dying) == 0 {
			return
		}
		again.Reset(pause)
		select {
		case <-again.C:
		case <-end.C:
			e.cfg.Log.Warn("processes of a job do not end", "dir", m.path, "count", len(dying), "first_pid", dying[0].pid)
			return
		}
	}
}

// stillAlive keeps those that have not ended. One that is about to end has lost its mark already, so that it is not found again.
func stillAlive(procs []proc) []proc {
	var out []proc
	seen := map[proc]bool{}
	for _, p := range procs {
		if !seen[p] && p.alive() {
			out = append(out, p)
		}
		seen[p] = true
	}
	return out
}
