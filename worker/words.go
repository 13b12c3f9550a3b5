package worker

import (
	"fmt"
	"strings"
)

const (
	bold   = "\x1b[1m"
	yellow = "\x1b[33;1m"
	red    = "\x1b[31;1m"
	plain  = "\x1b[0m"
	wipe   = "\r\x1b[0K"
)

// heading is how each log begins: who runs the job, folded, and in the open that nothing protects the machine from it.
func (w *Worker) heading(t *task) string {
	var b strings.Builder
	fmt.Fprintf(&b, "travis_fold:start:worker_info%s%sWorker %s%s\n", wipe, bold, w.cfg.Name, plain)
	fmt.Fprintf(&b, "id: %s\nversion: %s\nexecutor: %s\nqueue: %s\n", w.cfg.ID, w.cfg.Version, w.exec.Name(), w.cfg.Queue)
	if t.key.Attempt > 0 {
		fmt.Fprintf(&b, "job: %s, attempt %d\n", t.job.Job.Number, t.key.Attempt)
	}
	fmt.Fprintf(&b, "travis_fold:end:worker_info%s", wipe)
	if !w.exec.Isolated() {
		fmt.Fprintf(&b, "%sNot isolated:%s this job runs as plain processes of the worker's machine, with all rights of the worker's user. "+
			"Run only code that you trust here.\n\n", yellow, plain)
	}
	return b.String()
}

// closing is the last sentence of a log that the script did not end itself.
func closing(o outcome) string {
	colour := red
	if o.state == stateCanceled || o.state == stateReset {
		colour = yellow
	}
	return "\n" + colour + o.words + plain + "\n"
}
