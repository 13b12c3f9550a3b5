package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/testkit/historytest"
	"github.com/headrace/headrace/platform/store"
)

// At the end of every test, while its processes still run, the judge reads the databases of all nodes that it started, waits
// until nothing is left to happen there, and holds the history against the invariants: see package historytest.

// judge is of one test.
type judge struct {
	mu        sync.Mutex
	databases []store.Config
	rules     historytest.Rules
	workers   []*process
	told      bool // which databases to read
	judged    bool
}

var judges sync.Map // of *testing.T to its judge

// judgeOf is the judge of a test. The cleanup that is asked for last comes first: with each process that starts it is asked
// for again, so that all of them still run then.
func judgeOf(t *testing.T) *judge {
	t.Helper()
	found, _ := judges.LoadOrStore(t, &judge{})
	j, _ := found.(*judge)
	t.Cleanup(func() { j.judge(t) })
	return j
}

// except says that parts of the history are not as they should be at the end of this test, and why.
func except(t *testing.T, why string, parts ...historytest.Part) {
	t.Helper()
	j := judgeOf(t)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.rules.Except = append(j.rules.Except, parts...)
	t.Logf("the judge does not look at %v: %s", parts, why)
}

// reads says which database the judge reads in place of those that it sees nodes use.
func (j *judge) reads(config store.Config) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.databases, j.told = []store.Config{config}, true
}

// started notes a process: the database of a node, the directory of a worker.
func (j *judge) started(p *process) {
	j.mu.Lock()
	defer j.mu.Unlock()
	dir, name := p.setting("HEADRACE_DATA_DIR"), p.args[1]
	if i := slices.Index(p.args, "--data-dir"); i > 0 {
		dir = p.args[i+1]
	}
	switch name {
	case "worker":
		j.workers = append(j.workers, p)
	case "up", "platform":
		config := store.Config{PostgresURL: p.setting("HEADRACE_POSTGRES_URL")}
		if config.PostgresURL == "" {
			config.Path = filepath.Join(dir, "headrace.db")
		}
		same := func(c store.Config) bool { return c.PostgresURL == config.PostgresURL && c.Path == config.Path }
		if !j.told && !slices.ContainsFunc(j.databases, same) {
			j.databases = append(j.databases, config)
		}
		if n, err := strconv.Atoi(p.setting("HEADRACE_LIMITS_ATTEMPTS")); err == nil {
			j.rules.MaxTries = n
		}
	}
}

// setting is what the environment of the process says.
func (p *process) setting(name string) string {
	for _, v := range slices.Backward(p.env) {
		if value, found := strings.CutPrefix(v, name+"="); found {
			return value
		}
	}
	return ""
}

func (j *judge) judge(t *testing.T) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.judged || t.Skipped() {
		return
	}
	j.judged = true
	judges.Delete(t)
	ctx := context.WithoutCancel(t.Context())
	for _, config := range j.databases {
		h, found, err := j.settled(ctx, config, t.Failed())
		if err != nil {
			t.Errorf("the judge cannot read the history: %v", err)
			continue
		}
		report := t.Errorf
		if t.Failed() {
			report = t.Logf // it may be the end of something that went wrong before
		}
		for _, f := range found[:min(len(found), 20)] {
			report("the judge: %v", f)
		}
		n := 0
		for _, all := range h.Attempts {
			n += len(all)
		}
		t.Logf("judged: %d requests, %d builds, %d attempts, %d findings", len(h.Requests), len(h.Builds), n, len(found))
	}
	if !t.Failed() {
		j.spools(t)
	}
}

// settled reads the history until all is well, or nothing that is wrong may still come right, or the patience ends.
func (j *judge) settled(ctx context.Context, config store.Config, once bool) (h historytest.History, found []historytest.Finding, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	deadline := time.After(patience)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	wrong := 0
	for {
		if h, err = historytest.Read(ctx, config); err != nil {
			return h, nil, err
		}
		found = historytest.Check(h, j.rules)
		if len(found) > 0 && historytest.Quiet(found) {
			wrong++ // the first time it may have been read while it changed
		}
		if len(found) == 0 || wrong > 1 || once {
			return h, found, nil
		}
		select {
		case <-deadline:
			return h, found, nil
		case <-tick.C:
		}
	}
}

// spools: what living workers kept for the platform has arrived there.
func (j *judge) spools(t *testing.T) {
	t.Helper()
	for _, p := range j.workers {
		if p.ended() || slices.Contains(j.rules.Except, historytest.Logs) {
			continue
		}
		eventually(t, "the empty spool of "+p.name, func() (bool, string) {
			left, err := filepath.Glob(filepath.Join(p.setting("HEADRACE_DATA_DIR"), "spool", "*"))
			return err == nil && len(left) == 0 || p.ended(), fmt.Sprint(left, err)
		})
	}
}

// ended says whether the process is not there any more.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}
