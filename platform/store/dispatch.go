package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/headrace/headrace/platform/ci"
)

// Queues counts, for every broker queue, what waits and what can take it.
func (s *Store) Queues(ctx context.Context) (all []ci.QueueStatus, err error) {
	err = s.read(ctx, "count the queues", func(ctx context.Context, c conn) error {
		names, err := list(ctx, c, scanText, "SELECT name FROM queues ORDER BY name")
		if err != nil {
			return err
		}
		all, err = s.countQueues(ctx, c, names)
		return err
	})
	return all, err
}

func scanText(row scanner) (v string, err error) {
	err = row.Scan(&v)
	return v, err
}

func (s *Store) countQueues(ctx context.Context, c conn, names []string) ([]ci.QueueStatus, error) {
	all := make([]ci.QueueStatus, len(names))
	index := map[string]*ci.QueueStatus{}
	for i, name := range names {
		all[i].Queue = name
		index[name] = &all[i]
	}
	type count struct {
		queue string
		state ci.State
		n     int
	}
	counts, err := list(ctx, c, func(row scanner) (v count, err error) {
		err = row.Scan(&v.queue, &v.state, &v.n)
		return v, err
	}, "SELECT queue, state, count(*) FROM jobs WHERE state IN ('created', 'queued', 'received', 'started') GROUP BY queue, state")
	if err != nil {
		return nil, err
	}
	for _, v := range counts {
		q := index[v.queue]
		switch {
		case q == nil: // became known after the names were read
		case v.state == ci.Created:
			q.Created = v.n
		case v.state == ci.Queued:
			q.Queued = v.n
		default:
			q.Running += v.n
		}
	}
	workers, err := listWorkers(ctx, c, s.config.Lease.Microseconds())
	for _, w := range workers {
		if q := index[w.Queue]; q != nil && !w.Lost && !w.Draining {
			q.Workers++
			q.Slots += w.Slots
			q.FreeSlots += max(w.Slots-w.Busy, 0)
		}
	}
	return all, err
}

// room is how many jobs more the broker's queue may hold: what its workers can take at once, and one each to come.
func room(q ci.QueueStatus) int { return q.FreeSlots + q.Workers - q.Queued }

// QueueJobs hands jobs out to the broker's queues, at most so many: each becomes queued and gets a row in the outbox, with
// the body that encode makes, in one transaction. It takes jobs whose stage is open, no more per queue than its workers
// can take soon: by priority, then in turn between the repositories, the one with the fewest jobs under way first, then
// the oldest. more says that there was room for more than max. A job that cannot be encoded is canceled.
func (s *Store) QueueJobs(ctx context.Context, most int, encode func(ci.QueuedJob) ([]byte, error)) (queued []ci.Job, more bool, err error) {
	waiting := false
	err = s.read(ctx, "look for jobs to queue", func(ctx context.Context, c conn) error {
		return c.row(ctx, "SELECT EXISTS (SELECT 1 FROM jobs WHERE state = 'created' AND ready)").Scan(&waiting)
	})
	if err != nil || !waiting || most <= 0 {
		return nil, false, err
	}
	err = s.write(ctx, "queue jobs", func(ctx context.Context, c conn) error {
		picked, err := s.pick(ctx, c, most+1)
		if err != nil {
			return err
		}
		more = len(picked) > most
		queued, err = s.queue(ctx, c, picked[:min(len(picked), most)], encode)
		return err
	})
	return queued, more, err
}

// candidate is a job that may be queued.
type candidate struct{ job, build int64 }

// pick holds the queues, so that no other node hands out their jobs, and chooses.
func (s *Store) pick(ctx context.Context, c conn, most int) ([]candidate, error) {
	names, err := list(ctx, c, scanText, "SELECT name FROM queues ORDER BY name {{lock}}")
	if err != nil {
		return nil, err
	}
	queues, err := s.countQueues(ctx, c, names)
	if err != nil {
		return nil, err
	}
	var picked []candidate
	for _, q := range queues {
		n := min(room(q), most-len(picked))
		if n <= 0 || q.Created == 0 {
			continue
		}
		next, err := list(ctx, c, func(row scanner) (v candidate, err error) {
			err = row.Scan(&v.job, &v.build)
			return v, err
		}, `WITH under_way AS (SELECT repository_id, count(*) AS jobs FROM jobs
				WHERE queue = $1 AND state IN ('queued', 'received', 'started') GROUP BY repository_id),
			waiting AS (SELECT j.id, j.build_id, j.priority, COALESCE(u.jobs, 0) +
					ROW_NUMBER() OVER (PARTITION BY j.repository_id ORDER BY j.priority DESC, j.id) AS turn
				FROM jobs j LEFT JOIN under_way u ON u.repository_id = j.repository_id
				WHERE j.queue = $1 AND j.state = 'created' AND j.ready)
			SELECT id, build_id FROM waiting ORDER BY priority DESC, turn, id LIMIT $2`, q.Queue, n)
		if err != nil {
			return nil, err
		}
		picked = append(picked, next...)
	}
	return picked, nil
}

// queue moves the picked jobs, build by build in the order of their ids.
func (s *Store) queue(ctx context.Context, c conn, picked []candidate, encode func(ci.QueuedJob) ([]byte, error)) ([]ci.Job, error) {
	if len(picked) == 0 {
		return nil, nil
	}
	turn := map[int64]int{}
	byBuild := map[int64][]int64{}
	var builds []int64
	for i, p := range picked {
		turn[p.job] = i
		if byBuild[p.build] == nil {
			builds = append(builds, p.build)
		}
		byBuild[p.build] = append(byBuild[p.build], p.job)
	}
	slices.Sort(builds)
	var out []outgoing
	for _, id := range builds {
		some, err := s.queueOf(ctx, c, id, byBuild[id], encode)
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	slices.SortFunc(out, func(a, b outgoing) int { return cmp.Compare(turn[a.job.ID], turn[b.job.ID]) })
	jobs := make([]ci.Job, len(out))
	for i, o := range out {
		jobs[i] = o.job
	}
	return jobs, s.putOut(ctx, c, out)
}

// queueOf queues jobs of one build; those that were canceled since they were picked are left out.
func (s *Store) queueOf(ctx context.Context, c conn, build int64, jobs []int64, encode func(ci.QueuedJob) ([]byte, error)) ([]outgoing, error) {
	h, err := s.hold(ctx, c, build)
	if err != nil {
		return nil, err
	}
	whole, err := findBuild(ctx, c, " WHERE b.id = $1", build)
	if err != nil {
		return nil, err
	}
	repository, err := findRepository(ctx, c, whole.RepositoryID, 0)
	if err != nil {
		return nil, err
	}
	open, _ := ci.StageGate(h.jobs)
	var out []outgoing
	for i, j := range h.jobs {
		if !slices.Contains(jobs, j.ID) || j.State != ci.Created || j.StageNumber != open {
			continue
		}
		if _, err := h.apply(i, ci.JobEvent{Kind: ci.JobQueue}); err != nil {
			return nil, err
		}
		next := h.jobs[i]
		next.Config = whole.Jobs[i].Config
		body, err := encode(ci.QueuedJob{Job: next, Build: whole, Repository: repository})
		if err != nil {
			h.notes[i] = fmt.Sprintf("The job cannot be handed to a worker: %s", err)
			if _, err := h.apply(i, ci.JobEvent{Kind: ci.JobCancel, Reason: ci.ReasonConfig}); err != nil {
				return nil, err
			}
			continue
		}
		out = append(out, outgoing{job: next, body: body})
	}
	return out, h.save(ctx)
}
