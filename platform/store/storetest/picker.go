package storetest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/platform/ci"
)

// pickerSeeds is how many random histories each database sees.
const pickerSeeds = 6

// yard is a random world of repositories and queues beside what its store shall do with it.
type yard struct {
	*node
	random     *rand.Rand
	most       int // jobs of an owner
	all        int // jobs in all
	settings   map[string]int
	queues     map[string]*ci.QueueStatus
	jobs       []ci.Job // not ended
	repository map[string]int64
	runs       int
}

// testPicker holds what is picked against a plain statement of the rules, over random histories.
func testPicker(t *testing.T, n *node) {
	for seed := range uint64(pickerSeeds) {
		y := newYard(n, seed)
		for step := range 25 {
			y.change()
			want := y.choose()
			var got []int64
			for _, j := range y.queueAll() {
				got = append(got, j.ID)
			}
			slices.Sort(got) // outgoing messages are ordered too, but which go is what counts here
			slices.Sort(want)
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Fatalf("seed %d, step %d (-want +got):\n%s", seed, step, diff)
			}
			y.look()
		}
		for _, j := range y.jobs {
			if _, _, err := n.CancelJob(n.ctx(), j.ID, "ines"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func newYard(n *node, seed uint64) *yard {
	r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a test wants the same numbers again
	y := &yard{random: r, settings: map[string]int{}, queues: map[string]*ci.QueueStatus{}, repository: map[string]int64{}, all: r.IntN(2) * (3 + r.IntN(12)), most: r.IntN(2) * (1 + r.IntN(6))}
	y.node = n.limited(y.all, y.most)
	for _, owner := range []string{"a", "b", "c"} {
		for repo := range 2 {
			slug := fmt.Sprintf("%s%d/r%d", owner, seed, repo)
			y.repository[slug] = n.repository(slug).ID
			y.settings[slug] = r.IntN(2) * (1 + r.IntN(4))
			y.setting(y.repository[slug], ci.SettingMaxJobs, y.settings[slug])
		}
	}
	for q := range 2 {
		name := fmt.Sprintf("q%d.%d", seed, q)
		n.beat(ci.Heartbeat{WorkerID: "of " + name, Queue: name, Slots: 1 + r.IntN(8)})
		y.queues[name] = &ci.QueueStatus{}
	}
	return y
}

func (y *yard) anyOf(m []string) string { return m[y.random.IntN(len(m))] }

// change lets something happen: builds come, jobs begin and end, are put first, queues are paused and limited.
func (y *yard) change() {
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range y.queues {
			if !yield(name) {
				return
			}
		}
	})
	switch y.random.IntN(8) {
	case 0, 1:
		var slugs []string
		for slug := range y.repository {
			slugs = append(slugs, slug)
		}
		slices.Sort(slugs)
		var some []ci.NewJob
		for range 1 + y.random.IntN(12) {
			j := job(-1)
			j.Queue = y.anyOf(names)
			some = append(some, j)
		}
		y.build(y.repository[y.anyOf(slugs)], plan{jobs: some})
	case 2, 3, 4, 5:
		for _, j := range y.jobs {
			switch {
			case j.State == ci.Queued && y.random.IntN(2) == 0:
				y.runs++
				y.claim(j.ID, "of "+j.Queue, fmt.Sprint("run ", y.runs))
			case j.State == ci.Received && y.random.IntN(3) == 0:
				y.report(ci.RunRef{JobID: j.ID, Attempt: j.Attempt, Run: j.Run}, ci.Passed)
			}
		}
	case 6:
		for _, j := range y.jobs {
			if j.State == ci.Created && y.random.IntN(4) == 0 {
				y.ok(y.PrioritizeJob(y.ctx(), j.ID))
			}
		}
	default:
		name := y.anyOf(names)
		y.ok(y.LimitQueue(y.ctx(), name, y.random.IntN(2)*(1+y.random.IntN(6))))
		_, err := y.PauseQueue(y.ctx(), name, y.random.IntN(3) == 0, "ines")
		y.ok(err)
	}
	y.look()
}

// look reads how things stand.
func (y *yard) look() {
	y.jobs = nil
	for slug := range y.repository {
		for offset := 0; ; offset += 100 {
			some, _, err := y.Jobs(y.ctx(), ci.JobFilter{RepositoryID: y.repository[slug], States: []ci.State{ci.Created, ci.Queued, ci.Received, ci.Started}, Page: ci.Page{Limit: 100, Offset: offset}})
			y.ok(err)
			y.jobs = append(y.jobs, some...)
			if len(some) < 100 {
				break
			}
		}
	}
	slices.SortFunc(y.jobs, func(a, b ci.Job) int { return cmp.Compare(a.ID, b.ID) })
	all, err := y.Queues(y.ctx())
	y.ok(err)
	for _, q := range all {
		if y.queues[q.Queue] != nil {
			*y.queues[q.Queue] = q
		}
	}
}

// choose states the rules: again and again, of all jobs that may go, the one whose turn it is.
func (y *yard) choose() []int64 {
	jobs := slices.Clone(y.jobs)
	var chosen []int64
	for {
		best := -1
		for i := range jobs {
			if jobs[i].State == ci.Created && y.mayGo(jobs, jobs[i]) && (best < 0 || y.compare(jobs, jobs[i], jobs[best]) < 0) {
				best = i
			}
		}
		if best < 0 {
			return chosen
		}
		jobs[best].State = ci.Queued
		chosen = append(chosen, jobs[best].ID)
	}
}

// under counts the jobs under way for which that is so.
func under(jobs []ci.Job, so func(ci.Job) bool) (n int) {
	for _, j := range jobs {
		if j.State != ci.Created && so(j) {
			n++
		}
	}
	return n
}

func ownerOf(j ci.Job) string { owner, _ := ci.SplitSlug(j.Slug); return owner }

func (y *yard) mayGo(jobs []ci.Job, j ci.Job) bool {
	q := y.queues[j.Queue]
	reached := func(most int, so func(ci.Job) bool) bool { return most > 0 && under(jobs, so) >= most }
	queued := 0
	for _, o := range jobs {
		if o.Queue == j.Queue && o.State == ci.Queued {
			queued++
		}
	}
	return !q.Paused && queued < q.FreeSlots+q.Workers &&
		!reached(q.MaxJobs, func(o ci.Job) bool { return o.Queue == j.Queue }) &&
		!reached(y.settings[j.Slug], func(o ci.Job) bool { return o.Slug == j.Slug }) &&
		!reached(y.most, func(o ci.Job) bool { return ownerOf(o) == ownerOf(j) }) &&
		!reached(y.all, func(ci.Job) bool { return true })
}

func (y *yard) compare(jobs []ci.Job, a, b ci.Job) int {
	count := func(j ci.Job, same func(a, b ci.Job) bool) int {
		return under(jobs, func(o ci.Job) bool { return o.Queue == j.Queue && same(o, j) })
	}
	byOwner := func(a, b ci.Job) bool { return ownerOf(a) == ownerOf(b) }
	bySlug := func(a, b ci.Job) bool { return a.Slug == b.Slug }
	return cmp.Or(-cmp.Compare(a.Priority, b.Priority), cmp.Compare(count(a, byOwner), count(b, byOwner)),
		cmp.Compare(count(a, bySlug), count(b, bySlug)), cmp.Compare(a.ID, b.ID))
}
