package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// QueueJobs hands jobs out to the broker's queues, at most so many: each becomes queued and gets a row in the outbox, with
// the body that encode makes, in one transaction. It takes jobs whose stage is open and whose queue is not paused, no more
// per queue than its workers can take soon and never more than the limits allow: by priority, then in turn between the
// owners, the one with the fewest jobs under way on the queue first, then so between the repositories, then the oldest. more
// says that there was room for more than max. A job that cannot be encoded is canceled.
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
	l, err := s.load(ctx, c, picked, builds)
	if err != nil {
		return nil, err
	}
	var out []outgoing
	for _, id := range builds {
		some, err := s.queueOf(ctx, c, id, byBuild[id], l, encode)
		if errors.Is(err, errNoBuild) {
			continue // its repository was deleted since
		}
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
func (s *Store) queueOf(ctx context.Context, c conn, build int64, jobs []int64, l load, encode func(ci.QueuedJob) ([]byte, error)) ([]outgoing, error) {
	h, err := s.hold(ctx, c, build)
	if err != nil {
		return nil, err
	}
	whole, known := l.builds[build]
	if !known {
		return nil, errNoBuild
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
		next.Config = l.configs[j.ID]
		variables, err := s.openAll(l.variables[whole.RepositoryID], false)
		var body []byte
		if err == nil {
			body, err = encode(ci.QueuedJob{Job: next, Build: whole, Repository: l.repositories[whole.RepositoryID], EnvVars: ci.OfBranch(variables, whole.Branch, false)})
		}
		if err != nil {
			h.notes[i] = fmt.Sprintf("The job cannot be handed to a worker: %s", inWords(err))
			if _, err := h.apply(i, ci.JobEvent{Kind: ci.JobCancel, Reason: ci.ReasonConfig}); err != nil {
				return nil, err
			}
			continue
		}
		out = append(out, outgoing{job: next, body: body})
	}
	return out, h.save(ctx)
}

// inWords is what people read of an error.
func inWords(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Message
	}
	return err.Error()
}
