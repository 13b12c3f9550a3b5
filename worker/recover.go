package worker

import (
	"context"
	"fmt"
	"time"

	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/worker/spool"
)

// recoveredTask is a run that ended before this process began.
func recoveredTask(r spool.Recovered) *task {
	t := &task{key: r.Run, tape: r.Tape, since: time.Now(), claimed: true, last: r.State}
	t.ctx, t.die = context.WithCancelCause(context.Background())
	return t
}

// resume sends what an earlier process left. The first heartbeat names these runs, and so keeps their leases.
func (w *Worker) resume(life *run.Group) {
	for _, t := range w.all() {
		life.Go(fmt.Sprintf("reports of job %d of an earlier process", t.key.JobID), func(ctx context.Context) error {
			defer w.remove(t)
			defer t.die(nil)
			return t.tape.Send(ctx)
		})
	}
}
