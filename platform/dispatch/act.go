package dispatch

import (
	"context"
	"errors"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/platform/ci"
)

// CancelBuild cancels what is left of a build. by is a login.
func (d *Dispatch) CancelBuild(ctx context.Context, buildID int64, by string) error {
	moved, runs, err := d.store.CancelBuild(ctx, buildID, by)
	return d.canceled(ctx, moved, runs, by, err)
}

// CancelJob cancels a job that has not ended. by is a login.
func (d *Dispatch) CancelJob(ctx context.Context, jobID int64, by string) error {
	moved, runs, err := d.store.CancelJob(ctx, jobID, by)
	return d.canceled(ctx, moved, runs, by, err)
}

// RestartBuild begins a new attempt of every job of a build that has ended, or of those that did not pass. by is a login.
func (d *Dispatch) RestartBuild(ctx context.Context, buildID int64, by string, onlyNotPassed bool) error {
	moved, err := d.store.RestartBuild(ctx, buildID, by, onlyNotPassed)
	return d.moved(ctx, moved, err)
}

// RestartJob begins a new attempt of a job that has ended. by is a login.
func (d *Dispatch) RestartJob(ctx context.Context, jobID int64, by string) error {
	moved, err := d.store.RestartJob(ctx, jobID, by)
	return d.moved(ctx, moved, err)
}

// PrioritizeBuild has the jobs of a build go before all that were not put first.
func (d *Dispatch) PrioritizeBuild(ctx context.Context, buildID int64) error {
	return d.changed(ctx, ci.Change{Kind: ci.ChangeBuild, Build: buildID}, d.store.PrioritizeBuild(ctx, buildID))
}

// PrioritizeJob has a job go before all that were not put first.
func (d *Dispatch) PrioritizeJob(ctx context.Context, jobID int64) error {
	return d.changed(ctx, ci.Change{Kind: ci.ChangeJob, Job: jobID}, d.store.PrioritizeJob(ctx, jobID))
}

// PauseQueue has a queue hand out nothing until it is resumed, or resumes it. by is a login.
func (d *Dispatch) PauseQueue(ctx context.Context, queue string, paused bool, by string) error {
	moved, err := d.store.PauseQueue(ctx, queue, paused, by)
	if err != nil {
		return err
	}
	d.log.InfoContext(ctx, "a queue is paused or resumed", "queue", queue, "paused", paused, "by", by, "taken_back", len(moved))
	d.announce.Announce(ctx, append(ci.Changes(moved...), ci.Change{Kind: ci.ChangeQueue})...)
	d.Wake()
	return nil
}

// LimitQueue bounds how many jobs of a queue are with workers at a time; 0 is no limit.
func (d *Dispatch) LimitQueue(ctx context.Context, queue string, most int) error {
	return d.changed(ctx, ci.Change{Kind: ci.ChangeQueue}, d.store.LimitQueue(ctx, queue, most))
}

// changed announces what was changed, unless that failed, and wakes the queue.
func (d *Dispatch) changed(ctx context.Context, c ci.Change, err error) error {
	if err != nil {
		return err
	}
	d.announce.Announce(ctx, c)
	d.Wake()
	return nil
}

// canceled has the workers told, and everybody else. What the workers miss they hear in the answer to a heartbeat.
func (d *Dispatch) canceled(ctx context.Context, moved []ci.Moved, runs []ci.CanceledRun, by string, err error) error {
	if err != nil {
		return err
	}
	for _, r := range runs {
		select {
		case d.cancels <- cancel{Cancel: broker.Cancel{JobID: r.JobID, Attempt: r.Attempt, Run: r.Run, Reason: "Canceled by " + by + "."}, foreign: r.Unclaimed}:
		default:
			d.log.WarnContext(ctx, "too many cancels wait to be sent; the worker hears of this one by its heartbeat", "job_id", r.JobID)
		}
	}
	return d.moved(ctx, moved, nil)
}

// moved announces what was changed and wakes the queue: there may be room now, or something to do.
func (d *Dispatch) moved(ctx context.Context, moved []ci.Moved, err error) error {
	if err != nil {
		return err
	}
	d.announce.Announce(ctx, ci.Changes(moved...)...)
	d.Wake()
	return nil
}

// sendCancels has workers told of cancels until ctx ends.
func (d *Dispatch) sendCancels(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case c := <-d.cancels:
			if err := d.sendCancel(ctx, c); err != nil && ctx.Err() == nil {
				d.log.WarnContext(ctx, "a cancel could not be sent; the worker hears of it by its heartbeat", "job_id", c.JobID, "attempt", c.Attempt, "err", err)
			}
		}
	}
}

// cancel is what a worker is told; foreign ones, which do not claim, in words and on an exchange of their own.
type cancel struct {
	broker.Cancel
	foreign bool
}

func (c cancel) message() (broker.Message, error) {
	if c.foreign {
		return broker.ForeignCancel{JobID: c.JobID, Reason: c.Reason}.Message()
	}
	return broker.Encode(broker.CommandsExchange, "", broker.TypeCancel, c.Cancel)
}

func (d *Dispatch) sendCancel(ctx context.Context, c cancel) error {
	ctx, stop := context.WithTimeout(ctx, d.config.PublishTime)
	defer stop()
	m, err := c.message()
	if err != nil {
		return err
	}
	if err := d.carrier.Publish(ctx, m); !errors.Is(err, broker.ErrUnroutable) {
		return err
	}
	return nil // no worker listens, so none runs it
}
