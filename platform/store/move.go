package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/headrace/headrace/platform/ci"
)

// held is a build whose row this transaction holds, with all its jobs. It is the only way to change the state of a build,
// stage, job or attempt: [Store.hold] it, apply events, save it.
type held struct {
	c      conn
	now    time.Time
	build  ci.Build // without commit, jobs and what joins bring
	stages []ci.Stage
	jobs   []ci.Job // as they shall be, without configuration
	was    []ci.Job // as they are stored
	ready  []bool   // as stored: may be queued
	events map[int]ci.JobEvent
	lost   map[int]bool   // indexes of the jobs whose worker is lost
	notes  map[int]string // on the attempts that end, by the index of the job
	drops  []int          // indexes of the jobs that the stages dropped
	ended  bool           // by what was saved the build ended
}

// hold locks the row of a build and reads it. [fault.NotFound] when it is not there.
func (s *Store) hold(ctx context.Context, c conn, buildID int64) (*held, error) {
	return s.holdWhere(ctx, c, "id = $1", buildID, errNoBuild)
}

// holdJob holds the build of a job and returns the index of the job. [fault.NotFound] when it is not there.
func (s *Store) holdJob(ctx context.Context, c conn, jobID int64) (*held, int, error) {
	h, err := s.holdWhere(ctx, c, "id = (SELECT build_id FROM jobs WHERE id = $1)", jobID, errNoJob)
	if err != nil {
		return nil, 0, err
	}
	i := slices.IndexFunc(h.jobs, func(j ci.Job) bool { return j.ID == jobID })
	if i < 0 {
		return nil, 0, errNoJob
	}
	return h, i, nil
}

func (s *Store) holdWhere(ctx context.Context, c conn, condition string, id int64, missing error) (*held, error) {
	h := &held{c: c, events: map[int]ci.JobEvent{}, lost: map[int]bool{}, notes: map[int]string{}}
	builds, err := list(ctx, c, scanHeld, `SELECT id, repository_id, number, state, previous_state, event, branch, fast_finish,
		started_at, finished_at FROM builds WHERE `+condition+" {{lock}}", id)
	if err != nil {
		return nil, err
	}
	if len(builds) == 0 {
		return nil, missing
	}
	h.build, h.now = builds[0], s.Now()
	h.jobs, err = list(ctx, c, func(row scanner) (j ci.Job, err error) {
		var ready bool
		err = row.Scan(append(jobFields(&j), &ready)...)
		h.ready = append(h.ready, ready)
		return j, err
	}, "SELECT "+jobColumnsLight+", j.ready"+jobTables+" WHERE j.build_id = $1 ORDER BY j.position", h.build.ID)
	if err != nil {
		return nil, err
	}
	h.was = slices.Clone(h.jobs)
	h.stages, err = list(ctx, c, scanStage, "SELECT "+stageColumns+" FROM stages WHERE build_id = $1 ORDER BY number", h.build.ID)
	return h, err
}

func scanHeld(row scanner) (b ci.Build, err error) {
	err = row.Scan(&b.ID, &b.RepositoryID, &b.Number, &b.State, &b.PreviousState, &b.Event, &b.Branch, &b.FastFinish,
		into(&b.StartedAt), into(&b.FinishedAt))
	return b, err
}

// apply lets an event happen to the job at the index.
func (h *held) apply(i int, e ci.JobEvent) (changed bool, err error) {
	e.At = h.now
	next, changed, err := h.jobs[i].After(e)
	if err != nil || !changed {
		return false, err
	}
	h.jobs[i] = next
	h.events[i] = e
	if e.Kind == ci.JobLose {
		h.lost[i] = true
	}
	return true, nil
}

// settle drops the jobs that may not run any more because an earlier stage did not pass.
func (h *held) settle() error {
	_, dropped := ci.StageGate(h.jobs)
	for _, i := range dropped {
		if _, err := h.apply(i, ci.JobEvent{Kind: ci.JobCancel, Reason: ci.ReasonStage}); err != nil {
			return err
		}
		h.drops = append(h.drops, i)
	}
	return nil
}

// save writes what the events changed, and all that follows from it.
func (h *held) save(ctx context.Context) error {
	if err := h.settle(); err != nil {
		return err
	}
	open, _ := ci.StageGate(h.jobs)
	var unqueued []int64
	for i := range h.jobs {
		_, touched := h.events[i]
		ready := h.jobs[i].StageNumber == open
		if !touched && ready == h.ready[i] {
			continue
		}
		if err := h.saveJob(ctx, i, ready); err != nil {
			return err
		}
		if touched && h.was[i].State == ci.Queued {
			unqueued = append(unqueued, h.was[i].ID)
		}
	}
	if len(unqueued) > 0 {
		if _, err := h.c.exec(ctx, "DELETE FROM outbox WHERE job_id {{ints $1}}", ids(unqueued)); err != nil {
			return err
		}
	}
	if len(h.events) == 0 {
		return nil
	}
	if err := h.saveStages(ctx); err != nil {
		return err
	}
	return h.saveBuild(ctx)
}

// saveJob writes a job and its attempts, if nobody changed the job since it was read.
func (h *held) saveJob(ctx context.Context, i int, ready bool) error {
	j, was := h.jobs[i], h.was[i]
	changed, err := h.c.exec(ctx, `UPDATE jobs SET state = $4, reason = $5, attempt = $6, tries = $7, run = $8, worker_name = $9,
			exit_code = $10, queued_at = $11, received_at = $12, started_at = $13, finished_at = $14, updated_at = $15,
			restarted_at = $16, restarted_by = $17, canceled_by = $18, ready = $19
		WHERE id = $1 AND state = $2 AND attempt = $3`, j.ID, was.State, was.Attempt, j.State, j.Reason, j.Attempt, j.Tries,
		text(j.Run), text(j.WorkerName), j.ExitCode, at(j.QueuedAt), at(j.ReceivedAt), at(j.StartedAt), at(j.FinishedAt), at(j.UpdatedAt),
		at(j.RestartedAt), text(j.RestartedBy), text(j.CanceledBy), ready)
	if err := missed(changed, err, fmt.Errorf("job %d was changed by someone who did not hold its build", j.ID)); err != nil {
		return err
	}
	if _, touched := h.events[i]; !touched {
		return nil
	}
	if j.Attempt != was.Attempt && !was.State.Final() {
		if err := h.endAttempt(ctx, i); err != nil {
			return err
		}
	}
	return h.saveAttempt(ctx, i)
}

// endAttempt ends the attempt before the job's current one, which its worker did not finish.
func (h *held) endAttempt(ctx context.Context, i int) error {
	was := h.was[i]
	reason := ci.ReasonWorkerReset
	if h.lost[i] {
		reason = ci.ReasonWorkerLost
	}
	_, err := h.c.exec(ctx, `UPDATE attempts SET state = 'errored', reason = $4, finished_at = $5, note = $6,
			ended = (SELECT counter FROM hearing WHERE id = 1)
		WHERE job_id = $1 AND number = $2 AND state = $3`, was.ID, was.Attempt, was.State, reason, at(h.now), text(h.notes[i]))
	if err != nil {
		return err
	}
	return endLog(ctx, h.c, was.ID, was.Attempt, h.lost[i], h.now)
}

// saveAttempt lets the row of the current attempt say what the job says.
func (h *held) saveAttempt(ctx context.Context, i int) error {
	j := h.jobs[i]
	_, err := h.c.exec(ctx, `INSERT INTO attempts (job_id, number, state, reason, run, worker_name, exit_code, queued_at, received_at,
			started_at, finished_at, ended)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, CASE WHEN $12 THEN counter ELSE 0 END FROM hearing WHERE id = 1
		ON CONFLICT (job_id, number) DO UPDATE SET state = excluded.state, reason = excluded.reason, run = excluded.run,
			worker_name = excluded.worker_name, exit_code = excluded.exit_code, queued_at = excluded.queued_at,
			received_at = excluded.received_at, started_at = excluded.started_at, finished_at = excluded.finished_at, ended = excluded.ended`,
		j.ID, j.Attempt, j.State, j.Reason, text(j.Run), text(j.WorkerName), j.ExitCode, at(j.QueuedAt), at(j.ReceivedAt),
		at(j.StartedAt), at(j.FinishedAt), j.State.Final())
	if err != nil {
		return err
	}
	if note := h.notes[i]; note != "" && j.Attempt == h.was[i].Attempt {
		if _, err := h.c.exec(ctx, "UPDATE attempts SET note = $3 WHERE job_id = $1 AND number = $2", j.ID, j.Attempt, text(note)); err != nil {
			return err
		}
	}
	if !j.State.Final() {
		return nil
	}
	nobodyWrites := j.Run == "" || (h.lost[i] && j.Attempt == h.was[i].Attempt)
	return endLog(ctx, h.c, j.ID, j.Attempt, nobodyWrites, h.now)
}

func (h *held) saveStages(ctx context.Context) error {
	for i, stage := range h.stages {
		own := slices.DeleteFunc(slices.Clone(h.jobs), func(j ci.Job) bool { return j.StageNumber != stage.Number })
		p := ci.StageProgress(own)
		if p == (ci.Progress{State: stage.State, StartedAt: stage.StartedAt, FinishedAt: stage.FinishedAt}) {
			continue
		}
		_, err := h.c.exec(ctx, "UPDATE stages SET state = $2, started_at = $3, finished_at = $4 WHERE id = $1",
			stage.ID, p.State, at(p.StartedAt), at(p.FinishedAt))
		if err != nil {
			return err
		}
		h.stages[i].State, h.stages[i].StartedAt, h.stages[i].FinishedAt = p.State, p.StartedAt, p.FinishedAt
	}
	return nil
}

func (h *held) saveBuild(ctx context.Context) error {
	b := &h.build
	was := b.State
	p := ci.BuildProgress(h.jobs, b.FastFinish)
	b.State, b.StartedAt, b.FinishedAt, b.UpdatedAt = p.State, p.StartedAt, p.FinishedAt, h.now
	if b.State.Final() && !was.Final() {
		previous, err := previousState(ctx, h.c, b.RepositoryID, b.Branch, b.Event, b.ID)
		if err != nil {
			return err
		}
		b.PreviousState = previous
		h.ended = true
	}
	_, err := h.c.exec(ctx, `UPDATE builds SET state = $2, previous_state = $3, started_at = $4, finished_at = $5, updated_at = $6
		WHERE id = $1`, b.ID, b.State, b.PreviousState, at(b.StartedAt), at(b.FinishedAt), at(b.UpdatedAt))
	return err
}

// moved says what became of the job at the index; the last of several says what became of the build.
func (h *held) moved(i int, last bool) ci.Moved {
	m := ci.Moved{Job: h.jobs[i], BuildState: h.build.State}
	if last {
		m.BuildEnded = h.ended
		for _, k := range h.drops {
			m.Dropped = append(m.Dropped, h.jobs[k])
		}
	}
	return m
}

func (h *held) movedAll(indexes []int) []ci.Moved {
	all := make([]ci.Moved, len(indexes))
	for n, i := range indexes {
		all[n] = h.moved(i, n == len(indexes)-1)
	}
	return all
}
