package citest

import (
	"slices"
	"time"

	"github.com/headrace/headrace/platform/ci"
)

// room is how many jobs more the queue may hold, and how many slots are free.
func (d *database) room() (room, free int) {
	queued, workers := 0, 0
	for _, j := range d.jobs {
		if j.State == ci.Queued {
			queued++
		}
	}
	for _, w := range d.workers {
		if w.replaced || w.draining || w.heard < d.counter-lease {
			continue
		}
		busy := 0
		for _, j := range d.jobs {
			if a := j.attempt(j.Attempt); j.State.Owned() && a.worker == w.id {
				busy++
			}
		}
		workers++
		free += max(w.slots-busy, 0)
	}
	theirs, theirFree := d.foreignRoom()
	return free + workers + theirs - queued, free + theirFree
}

// queueJobs hands jobs out, the oldest first.
func (d *database) queueJobs(now time.Time) {
	waits := func(j *job) bool { return j.State == ci.Created && j.ready }
	if !slices.ContainsFunc(d.jobs, waits) {
		return
	}
	room, _ := d.room()
	for _, j := range d.jobs {
		if room <= 0 {
			return
		}
		if !waits(j) {
			continue
		}
		room--
		t, i := d.holdJob(now, j.ID)
		if _, err := t.apply(i, ci.JobEvent{Kind: ci.JobQueue}); err != nil {
			d.w.check.fail("job %d waits and cannot be queued: %v", j.ID, err)
			return
		}
		t.save()
		d.put(now, j)
	}
}

func (d *database) put(now time.Time, j *job) {
	d.nextOut++
	d.outbox = append(d.outbox, &outgoing{id: d.nextOut, job: j, attempt: j.Attempt, due: now})
}

// takeOut returns messages that are due and keeps them from others for a time.
func (d *database) takeOut(now time.Time) (due []offer) {
	for _, o := range d.outbox {
		if o.sent.IsZero() && !o.due.After(now) {
			o.due = now.Add(outboxLease)
			due = append(due, offer{out: o.id, job: o.job.ID, attempt: o.attempt})
		}
	}
	return due
}

func (d *database) sent(now time.Time, id int) {
	for _, o := range d.outbox {
		if o.id == id && o.sent.IsZero() {
			o.sent = now
		}
	}
}

func (d *database) notSent(now time.Time, id int, again time.Duration) {
	for _, o := range d.outbox {
		if o.id == id && o.sent.IsZero() {
			o.due = now.Add(again)
		}
	}
}

// requeue puts the messages out again that nobody claimed although a worker is free.
func (d *database) requeue(now time.Time) {
	old := func(o *outgoing) bool { return !o.sent.IsZero() && !o.sent.After(now.Add(-d.idle())) }
	if !slices.ContainsFunc(d.outbox, old) {
		return
	}
	if _, free := d.room(); free <= 0 {
		return
	}
	for _, o := range slices.Clone(d.outbox) {
		if old(o) && o.job.State == ci.Queued && o.job.Attempt == o.attempt {
			d.w.check.putAgain(o)
			d.put(now, o.job)
		}
	}
	d.outbox = slices.DeleteFunc(d.outbox, old)
}
