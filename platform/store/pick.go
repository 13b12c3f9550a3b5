package store

import "github.com/headrace/headrace/platform/ci"

// candidate is a job that may be queued.
type candidate struct{ job, build int64 }

// taker is a repository that waits for its turn on a queue, with jobs of one priority.
type taker struct {
	queue      string
	priority   int64
	repository int64
	owner      string
	most       int         // jobs of the repository at a time, 0: no limit
	oldest     int64       // its job that is next
	jobs       []candidate // the next ones, once they were asked for
}

// onQueue names what takes turns on a queue: an owner or a repository.
type onQueue[T comparable] struct {
	queue string
	who   T
}

// tally counts the jobs that are queued or with a worker, those included that are picked.
type tally struct {
	all               int
	owners            map[string]int
	repositories      map[int64]int
	ownersByQueue     map[onQueue[string]]int
	repositoryByQueue map[onQueue[int64]]int
}

func newTally() tally {
	return tally{
		owners: map[string]int{}, repositories: map[int64]int{},
		ownersByQueue: map[onQueue[string]]int{}, repositoryByQueue: map[onQueue[int64]]int{},
	}
}

func (t *tally) add(queue, owner string, repository int64, n int) {
	t.all += n
	t.owners[owner] += n
	t.repositories[repository] += n
	t.ownersByQueue[onQueue[string]{queue, owner}] += n
	t.repositoryByQueue[onQueue[int64]{queue, repository}] += n
}

// limits bound how many jobs may be queued or with a worker at a time; 0 is no limit.
type limits struct{ all, owner int }

// full reports whether a limit is reached.
func full(n, most int) bool { return most > 0 && n >= most }

// line is a queue with room, and the repositories that wait there with jobs of the priority that is looked at.
type line struct {
	queue  string
	room   int
	below  int64 // priorities from here on were looked at
	ended  bool  // there is no lower priority
	takers []*taker
}

// picker chooses jobs. It looks at what it takes and at each repository that waits, not at all that waits.
type picker struct {
	limits limits
	tally  tally
	lines  []*line
	// level brings the repositories that wait on a queue with jobs of the highest priority below the given one.
	level func(queue string, below int64) (priority int64, takers []*taker, err error)
	// next brings the oldest jobs of a taker, at most n.
	next func(t *taker, n int) ([]candidate, error)
}

// pick chooses up to n jobs: by priority, then in turn between the owners, the one with the fewest jobs under way on the
// queue first, then so between the repositories, then the oldest; never more than the limits allow.
func (p *picker) pick(n int) (picked []candidate, err error) {
	for len(picked) < n && !full(p.tally.all, p.limits.all) {
		l, at, err := p.first()
		if err != nil || l == nil {
			return picked, err
		}
		t := l.takers[at]
		if len(t.jobs) == 0 {
			if t.jobs, err = p.next(t, n-len(picked)); err != nil {
				return nil, err
			}
		}
		picked = append(picked, t.jobs[0])
		p.tally.add(t.queue, t.owner, t.repository, 1)
		l.room--
		if t.jobs = t.jobs[1:]; len(t.jobs) > 0 {
			t.oldest = t.jobs[0].job
			continue
		}
		l.takers = append(l.takers[:at], l.takers[at+1:]...)
	}
	return picked, nil
}

// first finds whose turn it is, on any queue; nil for nobody.
func (p *picker) first() (line *line, at int, err error) {
	var best *taker
	for _, l := range p.lines {
		for l.room > 0 {
			p.leave(l)
			if len(l.takers) > 0 || l.ended {
				break
			}
			if l.below, l.takers, err = p.level(l.queue, l.below); err != nil {
				return nil, 0, err
			}
			l.ended = len(l.takers) == 0
		}
		if l.room <= 0 {
			continue
		}
		for i, t := range l.takers {
			if best == nil || p.before(t, best) {
				line, at, best = l, i, t
			}
		}
	}
	return line, at, nil
}

// leave drops those whom a limit holds back: while jobs are picked the counts only grow.
func (p *picker) leave(l *line) {
	kept := l.takers[:0]
	for _, t := range l.takers {
		if !full(p.tally.owners[t.owner], p.limits.owner) && !full(p.tally.repositories[t.repository], t.most) {
			kept = append(kept, t)
		}
	}
	l.takers = kept
}

// before reports whether it is a's turn before b's.
func (p *picker) before(a, b *taker) bool {
	if a.priority != b.priority {
		return a.priority > b.priority
	}
	if x, y := p.tally.ownersByQueue[onQueue[string]{a.queue, a.owner}], p.tally.ownersByQueue[onQueue[string]{b.queue, b.owner}]; x != y {
		return x < y
	}
	if x, y := p.tally.repositoryByQueue[onQueue[int64]{a.queue, a.repository}], p.tally.repositoryByQueue[onQueue[int64]{b.queue, b.repository}]; x != y {
		return x < y
	}
	return a.oldest < b.oldest
}

// roomOn is how many jobs more a queue may be given: what its workers can take at once, and one each to come, within its limit.
func roomOn(q ci.QueueStatus) int {
	room := q.FreeSlots + q.Workers - q.Queued
	switch {
	case q.Paused:
		return 0
	case q.MaxJobs > 0:
		return min(room, q.MaxJobs-q.Queued-q.Running)
	}
	return room
}
