package store

import (
	"cmp"
	"context"
	"slices"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/mask"
	"github.com/headrace/headrace/platform/ci"
)

// attemptKey names an attempt.
type attemptKey struct {
	job    int64
	number int
}

// logOwner is the attempt that a log belongs to.
type logOwner struct {
	attemptKey
	run               string
	state             ci.State
	reason            ci.Reason
	repository, build int64
}

// over: nobody writes the log of this attempt any more.
func (o logOwner) over() bool {
	return o.state.Final() && (o.run == "" || o.reason == ci.ReasonWorkerLost)
}

func logOwners(ctx context.Context, c conn, jobs []int64) (map[attemptKey]logOwner, error) {
	all, err := list(ctx, c, func(row scanner) (o logOwner, err error) {
		err = row.Scan(&o.job, &o.number, &o.run, &o.state, &o.reason, &o.repository, &o.build)
		return o, err
	}, `SELECT a.job_id, a.number, a.run, a.state, a.reason, j.repository_id, j.build_id
		FROM attempts a JOIN jobs j ON j.id = a.job_id WHERE a.job_id {{ints $1}}`, ids(jobs))
	index := make(map[attemptKey]logOwner, len(all))
	for _, o := range all {
		index[o.attemptKey] = o
	}
	return index, err
}

func (o logOwner) stored(l *logRow) ci.LogStored {
	return ci.LogStored{
		JobID: o.job, RepositoryID: o.repository, BuildID: o.build, Attempt: o.number, Run: o.run,
		Next: l.own[ci.LogWorker].next, Closed: l.closed,
	}
}

// AppendLog stores parts that workers sent, without the secrets of their jobs, of any number of logs at once, and answers for each log how far it is stored
// without a gap. Parts that are stored already change nothing; parts beyond a gap count once it is filled. Parts of a run
// that the attempt does not belong to are refused; after the log is closed nothing is stored. Parts of attempt 0 belong to the
// attempt that has their run; where none has it yet, nothing is stored.
func (s *Store) AppendLog(ctx context.Context, parts []ci.LogPart) (answers []ci.LogStored, err error) {
	batches, err := byAttempt(parts)
	if err != nil || len(batches) == 0 {
		return nil, err
	}
	if err := s.findMasks(ctx, batches); err != nil {
		return nil, err
	}
	err = s.write(ctx, "store parts of logs", func(ctx context.Context, c conn) error {
		answers, err = s.appendLogs(ctx, c, batches)
		return err
	})
	return answers, err
}

// logBatch is the parts of one run of one attempt, in order and without doubles.
type logBatch struct {
	attemptKey
	run   string
	parts []ci.LogPart
	set   *mask.Set // the secrets of the run; nil: none
}

// find looks for the attempt of a foreign run, whose parts do not name it.
func (b *logBatch) find(owners map[attemptKey]logOwner) bool {
	for key, o := range owners {
		if key.job == b.job && o.run == b.run && b.run != "" {
			b.attemptKey = key
			for i := range b.parts {
				b.parts[i].Attempt = key.number
			}
			return true
		}
	}
	return false
}

func byAttempt(parts []ci.LogPart) ([]*logBatch, error) {
	type key struct {
		attemptKey
		run string
	}
	index := map[key]*logBatch{}
	var all []*logBatch
	for _, p := range parts {
		if p.Source != ci.LogWorker || p.Number < 0 {
			return nil, fault.New(fault.Invalid, "Part %d of source %d of the log of job %d is not one that a worker writes.", p.Number, p.Source, p.JobID)
		}
		p.Content = p.Content[:min(len(p.Content), MostLogPart)]
		k := key{attemptKey{p.JobID, p.Attempt}, p.Run}
		if index[k] == nil {
			index[k] = &logBatch{attemptKey: k.attemptKey, run: p.Run}
			all = append(all, index[k])
		}
		index[k].parts = append(index[k].parts, p)
	}
	for _, b := range all {
		slices.SortStableFunc(b.parts, func(x, y ci.LogPart) int { return cmp.Compare(x.Number, y.Number) })
		b.parts = slices.CompactFunc(b.parts, func(x, y ci.LogPart) bool { return x.Number == y.Number })
	}
	return all, nil
}

func (s *Store) appendLogs(ctx context.Context, c conn, batches []*logBatch) ([]ci.LogStored, error) {
	now := s.Now()
	jobs := make([]int64, len(batches))
	for i, b := range batches {
		jobs[i] = b.job
	}
	rows, err := lockLogs(ctx, c, jobs)
	if err != nil {
		return nil, err
	}
	owners, err := logOwners(ctx, c, jobs)
	if err != nil {
		return nil, err
	}
	index := make(map[attemptKey]*logRow, len(rows))
	for _, l := range rows {
		index[attemptKey{l.job, l.attempt}] = l
	}
	answers := make([]ci.LogStored, len(batches))
	var fresh []storedPart
	for i, b := range batches {
		// A run that became known since the rows of the logs were read has no log here yet: it comes again.
		if b.number == 0 && (!b.find(owners) || index[b.attemptKey] == nil) {
			answers[i] = ci.LogStored{JobID: b.job, Run: b.run, Unknown: true}
			continue
		}
		owner, l := owners[b.attemptKey], index[b.attemptKey]
		// A run gets its log with its claim, so that there is no log without a run.
		if l == nil || owner.run != b.run || b.run == "" || owner.reason == ci.ReasonWorkerLost {
			answers[i] = ci.LogStored{
				JobID: b.job, Attempt: b.number, Run: b.run, RepositoryID: owner.repository, BuildID: owner.build, Refused: true,
			}
			continue
		}
		if !l.closed {
			t := taking{logRow: l, conn: c, set: b.set}
			stored, err := t.take(ctx, b.parts, owner.state.Final(), now)
			if err != nil {
				return nil, err
			}
			fresh = append(fresh, stored...)
		}
		answers[i] = owner.stored(l)
	}
	return answers, insertParts(ctx, c, fresh, now)
}
