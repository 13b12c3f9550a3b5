package store

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/mask"
	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/internal/testkit"
	"github.com/headrace/headrace/platform/ci"
)

// secretLetters are few, so that text and secrets overlap.
const secretLetters = "ab01\n"

func randomText(r *rand.Rand, size int) string {
	b := make([]byte, size)
	for i := range b {
		b[i] = secretLetters[r.IntN(len(secretLetters))]
	}
	return string(b)
}

// masking is two nodes on one database, with a repository that has secrets.
type masking struct {
	t       *testing.T
	nodes   [2]*keeper
	secrets []string
	repo    int64
	all     *mask.Set
}

func newMasking(t *testing.T, config Config, r *rand.Rand) *masking {
	t.Helper()
	keys, err := seal.ParseKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	config.Keys = keys
	m := &masking{t: t, secrets: []string{"hunter2-hunter2", "-----BEGIN KEY-----\nMIIEowIBAAKCAQEA7\n3fZk\n-----END KEY-----\n"}}
	for i := range m.nodes {
		m.nodes[i] = newKeeper(t, config)
	}
	for range 4 {
		m.secrets = append(m.secrets, randomText(r, mask.Shortest+2+r.IntN(12)))
	}
	m.all = mask.Of(m.secrets)
	return m
}

// run makes a running job whose repository has the secrets.
func (m *masking) run() ci.RunRef {
	m.t.Helper()
	k := m.nodes[0]
	k.now = k.now.Add(time.Second)
	m.nodes[1].now = k.now
	run := k.jobs(1)[0]
	j, err := k.Job(m.t.Context(), run.JobID)
	k.ok(err)
	if m.repo == 0 || j.RepositoryID != m.repo {
		m.repo = j.RepositoryID
		for i, v := range m.secrets {
			_, err := k.CreateEnvVar(m.t.Context(), ci.NewEnvVar{RepositoryID: j.RepositoryID, Name: fmt.Sprintf("S%d", i), Value: v})
			k.ok(err)
		}
	}
	return run
}

// text is output with secrets in many forms.
func (m *masking) text(r *rand.Rand) string {
	var b strings.Builder
	for range 3 + r.IntN(20) {
		b.WriteString(randomText(r, r.IntN(10)))
		v := m.secrets[r.IntN(len(m.secrets))]
		switch r.IntN(4) {
		case 0:
			v = base64.StdEncoding.EncodeToString([]byte(randomText(r, r.IntN(4)) + v + randomText(r, r.IntN(4))))
		case 1:
			v = v[:r.IntN(len(v))]
		case 2:
			v = strings.ReplaceAll(v, "\n", "\r\n")
		}
		b.WriteString(v)
	}
	return b.String()
}

// cut cuts text into parts, the last one final.
func cut(r *rand.Rand, run ci.RunRef, text string) (parts []ci.LogPart) {
	for {
		n := min(r.IntN(25), len(text))
		parts = append(parts, ci.LogPart{
			JobID: run.JobID, Attempt: 1, Run: "r", Source: ci.LogWorker, Number: len(parts), Content: []byte(text[:n]), Final: n == len(text),
		})
		if text = text[n:]; text == "" && parts[len(parts)-1].Final {
			return parts
		}
	}
}

// send stores parts by the two nodes, some twice, nearly in order.
func (m *masking) send(r *rand.Rand, parts []ci.LogPart) {
	m.t.Helper()
	parts = append(parts, parts[:len(parts)/3]...)
	for range len(parts) {
		i := r.IntN(len(parts))
		j := min(i+r.IntN(6), len(parts)-1)
		parts[i], parts[j] = parts[j], parts[i]
	}
	for len(parts) > 0 {
		n := min(1+r.IntN(8), len(parts))
		k := m.nodes[r.IntN(2)]
		_, err := k.AppendLog(m.t.Context(), parts[:n])
		k.ok(err)
		m.checkRest(parts[0].JobID)
		parts = parts[n:]
	}
}

// checkRest: at no time there is a secret in a table.
func (m *masking) checkRest(job int64) {
	m.t.Helper()
	k := m.nodes[0]
	m.checkText(k.text(job))
	rows, err := k.reader.QueryContext(m.t.Context(), "SELECT content FROM log_parts WHERE job_id = $1", job)
	k.ok(err)
	defer rows.Close() //nolint:errcheck // rows.Err says all
	for rows.Next() {
		var content []byte
		k.ok(rows.Scan(&content))
		m.checkText(content)
	}
	k.ok(rows.Err())
	var held string
	k.ok(k.reader.QueryRowContext(m.t.Context(), "SELECT COALESCE(max(held), '') FROM logs").Scan(&held))
	m.checkText([]byte(held))
}

func (m *masking) checkText(text []byte) {
	m.t.Helper()
	for _, v := range m.secrets {
		if bytes.Contains(text, []byte(v)) {
			m.t.Fatalf("%q is in %q", v, text)
		}
	}
}

func testMasking(t *testing.T, config Config, rounds int) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a seed makes a failure repeatable
	m := newMasking(t, config, r)
	k := m.nodes[0]
	for round := range rounds {
		run := m.run()
		text := m.text(r)
		parts := cut(r, run, text)
		whole := round%3 > 0
		if !whole { // some of it is lost
			lost := r.IntN(len(parts))
			parts = append(parts[:lost:lost], parts[min(lost+1+r.IntN(2), len(parts)):]...)
		}
		if len(parts) > 0 {
			m.send(r, parts)
		}
		_, err := k.Report(t.Context(), ci.StateReport{RunRef: run, State: ci.Passed}, 3)
		k.ok(err)
		_, err = m.nodes[1].CloseLogs(t.Context(), 0)
		k.ok(err)
		log, err := k.Log(t.Context(), run.JobID, 1)
		k.ok(err)
		got := k.text(run.JobID)
		m.checkText(got)
		want := m.all.Next(nil, []byte(text), &mask.Rest{}, true)
		if whole && !bytes.Equal(want, got) {
			t.Fatalf("round %d: %q is stored as %q, want %q", round, text, got, want)
		}
		if !log.Closed || log.Bytes != int64(len(got)) || log.Lines != bytes.Count(got, []byte("\n")) {
			t.Fatalf("round %d: log is %+v, its text %q", round, log, got)
		}
		var held string
		k.ok(k.reader.QueryRowContext(t.Context(), "SELECT max(held) FROM logs").Scan(&held))
		if held != "" {
			t.Fatalf("round %d: something is held back of a closed log", round)
		}
	}
}

// TestMask_noSecretIsStored sends logs with secrets through two nodes in parts of any size, out of order, doubled, with gaps.
func TestMask_noSecretIsStored(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		testMasking(t, Config{Path: filepath.Join(t.TempDir(), "store.db")}, 15)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		testMasking(t, Config{PostgresURL: testkit.Postgres(t), MaxConns: 4}, 15)
	})
}

// TestMask_lostWorker: what was held back of a worker that is lost becomes readable, but not as most of a secret.
func TestMask_lostWorker(t *testing.T) {
	t.Parallel()
	m := newMasking(t, Config{Path: filepath.Join(t.TempDir(), "store.db"), Settle: -1}, rand.New(rand.NewPCG(1, 1)))
	k := m.nodes[0]
	for end, want := range map[string]string{"hun": "text hun", "hunter2-hunter": "text " + mask.Mark, "": "text "} {
		run := m.run()
		_, err := k.AppendLog(t.Context(), []ci.LogPart{
			{JobID: run.JobID, Attempt: 1, Run: "r", Source: ci.LogWorker, Content: []byte("text " + end)},
			{JobID: run.JobID, Attempt: 1, Run: "r", Source: ci.LogWorker, Number: 5, Content: []byte("beyond hunter2-hunter2")},
		})
		k.ok(err)
		if got := string(k.text(run.JobID)); got != "text " {
			t.Errorf("%q: %q is read before it is known what follows", end, got)
		}
		k.ok(k.Hear(t.Context(), "node", 0))
		k.now = k.now.Add(time.Hour)
		k.ok(k.Hear(t.Context(), "node", time.Hour))
		lost, err := k.ReapLost(t.Context(), time.Second, 1)
		if err != nil || len(lost) != 1 {
			t.Fatal(lost, err)
		}
		log, err := k.Log(t.Context(), run.JobID, 1)
		k.ok(err)
		if got := string(k.text(run.JobID)); !log.Closed || !strings.HasPrefix(got, want+"\n") {
			t.Errorf("%q: log is %+v, %q", end, log, got)
		}
		m.checkRest(run.JobID)
	}
}

// TestMask_changedSecret: a run has the old value, so that stays masked.
func TestMask_changedSecret(t *testing.T) {
	t.Parallel()
	m := newMasking(t, Config{Path: filepath.Join(t.TempDir(), "store.db")}, rand.New(rand.NewPCG(2, 2)))
	k := m.nodes[0]
	run := m.run()
	send := func(number int, text string) {
		t.Helper()
		_, err := k.AppendLog(t.Context(), []ci.LogPart{{JobID: run.JobID, Attempt: 1, Run: "r", Source: ci.LogWorker, Number: number, Content: []byte(text), Final: number == 1}})
		k.ok(err)
	}
	send(0, "hunter2-hunter2 1\n")
	vars, err := k.EnvVars(t.Context(), m.repo)
	k.ok(err)
	next := "another-value"
	_, err = k.UpdateEnvVar(t.Context(), m.repo, vars[0].ID, ci.EnvVarChange{Value: &next})
	k.ok(err)
	for _, known := range k.masks.runs {
		known.read = time.Time{} // as if the time of a look had come
	}
	send(1, "hunter2-hunter2 another-value\n")
	if got, want := string(k.text(run.JobID)), "[secure] 1\n[secure] [secure]\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMasks_areBounded(t *testing.T) {
	t.Parallel()
	var m masks
	for job := range int64(3 * masksRuns / 2) {
		value := ""
		if job%100 == 0 {
			value = strings.Repeat(fmt.Sprintf("secret %d ", job), 2000)
		}
		m.learn(runKey{job: job}, []ci.EnvVar{{Value: value}})
	}
	bytes := 0
	for _, known := range m.runs {
		if known.set != nil {
			bytes += known.set.Size()
		}
	}
	if len(m.runs) > masksRuns || bytes != m.bytes || bytes > masksBytes+1<<20 {
		t.Errorf("%d runs, %d bytes, counted as %d", len(m.runs), bytes, m.bytes)
	}
}
