package e2e

import (
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/lib/pq"

	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/internal/testkit"
	"github.com/headrace/headrace/internal/testkit/servers"
)

// canary is a secret that may be found nowhere, in whatever form it is kept.
const canary = "canary-9f8e7d6c5b4a-hunter2"

// tellTale prints the secret in several ways, proves by its digest that it is the right one, and waits for the gate.
const tellTale = `language: shell
script:
  - 'printf %s "$TOKEN" | sha256sum'
  - 'echo "as a whole: $TOKEN."'
  - 'for ((i = 0; i < ${#TOKEN}; i++)); do printf %s "${TOKEN:i:1}"; done; echo " one by one"'
  - 'echo "in $REGION, secrets $TRAVIS_SECURE_ENV_VARS"'
  - 'while [ ! -e GATE ]; do sleep 0.1; done'
`

// runTellTale builds a repository with a secret variable, and checks the log and, while its job runs, the processes.
func runTellTale(t *testing.T, s shape) {
	t.Helper()
	runTale(t, s, tellTale, "as a whole: [secure].", "[secure] one by one")
}

// runTale is runTellTale with a script, and with what the log must have beside the digest.
func runTale(t *testing.T, s shape, tale string, wants ...string) {
	t.Helper()
	api, gate := s.api(), filepath.Join(t.TempDir(), "gate")
	api.addRepository(t, "acme/secrets", repository(t, map[string]string{".travis.yml": strings.ReplaceAll(tale, "GATE", gate)}))
	for _, v := range []map[string]any{
		{"name": "TOKEN", "value": "for the other branches"}, {"name": "TOKEN", "value": canary, "branch": "main"},
		{"name": "REGION", "value": "eu north", "public": true},
	} {
		api.must(t, http.StatusCreated, http.MethodPost, repo("acme/secrets")+"/env_vars", map[string]any{"env_var": v}, nil)
	}
	b := api.built(t, "acme/secrets", api.trigger(t, "acme/secrets", nil))
	id := api.jobs(t, b.ID)[0].ID
	eventually(t, "the last line", func() (bool, string) {
		status, text, err := api.try(t.Context(), http.MethodGet, fmt.Sprintf("/job/%d/log.txt", id), nil)
		return strings.Contains(string(text), "in eu north, secrets true"), fmt.Sprint(status, err, string(text))
	})
	checkProcesses(t)
	touch(t, gate)
	if b = api.ended(t, b.ID); b.State != "passed" {
		t.Errorf("the build is %s", b.State)
	}
	text := logHas(t, api, id, "Your build exited with")
	sum := sha256.Sum256([]byte(canary))
	for _, want := range append(wants, hex.EncodeToString(sum[:]), "export TOKEN=[secure]", "export REGION='eu north'") {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %q", want)
		}
	}
	checkText(t, "the log", text)
	for _, p := range append(s.nodes, s.workers...) {
		checkText(t, "what "+p.name+" logs", p.out.String())
	}
	if t.Failed() {
		t.Logf("the log:\n%s", tail(text, 4000))
	}
}

// checkText reports the canary in a text, also in the forms that encoders give it.
func checkText(t *testing.T, where, text string) {
	t.Helper()
	for name, form := range map[string]string{
		"in plain": canary, "in hexadecimal": hex.EncodeToString([]byte(canary)),
		"in base64": strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(canary)), "=")[:30],
	} {
		if strings.Contains(text, form) {
			t.Errorf("%s holds the secret %s", where, name)
		}
	}
}

// checkProcesses looks at the command lines of everything that runs.
func checkProcesses(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(files) == 0 {
		t.Fatalf("no command lines: %v", err)
	}
	for _, f := range files {
		line, _ := os.ReadFile(f) // it may have ended
		checkText(t, f, string(line))
	}
}

// checkFiles looks at everything below a directory.
func checkFiles(t *testing.T, dir string) {
	t.Helper()
	seen := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		body, err := os.ReadFile(path)
		seen++
		checkText(t, path, string(body))
		return err
	})
	if err != nil || seen == 0 {
		t.Errorf("%s: %d files, %v", dir, seen, err)
	}
}

// TestSecrets_trial: a secret variable reaches the script, and is left in no file.
func TestSecrets_trial(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := trial(t, dir, nil)
	runTellTale(t, s)
	s.nodes[0].stop()
	checkFiles(t, dir)
}

// TestSecrets_servers: a secret variable reaches the script, and is in no message, no table, no line, no list of processes.
func TestSecrets_servers(t *testing.T) {
	t.Parallel()
	rabbit, postgres := testkit.OwnRabbitMQ(t), testkit.Postgres(t)
	copies := copyMessages(t, rabbit)
	env := []string{
		"HEADRACE_POSTGRES_URL=" + postgres, "HEADRACE_REDIS_URL=" + testkit.Redis(t), "HEADRACE_AMQP_URL=" + rabbit.URL(),
		"HEADRACE_CLUSTER_KEY=" + seal.NewKey(), "HEADRACE_LOG_LEVEL=debug",
	}
	s := shape{amqp: env[2]}
	s.addNode(t, "node-a", env)
	s.addNode(t, "node-b", env)
	s.addWorker(t, "mill-1", 1)
	runTellTale(t, s)
	checkBroker(t, rabbit)
	checkMessages(t, copies(), `"secrets_to":`, `"secrets":`, `"REGION"`, "as a whole: [secure]")
	checkTables(t, postgres)
	for _, p := range append(s.nodes, s.workers...) {
		for _, v := range p.env {
			if dir, ok := strings.CutPrefix(v, "HEADRACE_DATA_DIR="); ok {
				checkFiles(t, dir)
			}
		}
	}
}

// checkMessages looks at every message. Each of the words must be in one of them, else not everything was copied.
func checkMessages(t *testing.T, bodies []string, words ...string) {
	t.Helper()
	seen := map[string]int{}
	for _, b := range bodies {
		checkText(t, "a message", b)
		for _, word := range words {
			if strings.Contains(b, word) {
				seen[word]++
			}
		}
	}
	if len(seen) != len(words) {
		t.Errorf("of %d messages these were seen: %v; was everything copied?", len(bodies), seen)
	}
}

// checkBroker looks at the files of the broker, where the copies of all messages wait.
func checkBroker(t *testing.T, r *servers.RabbitMQ) {
	t.Helper()
	eventually(t, "the messages in the files of the broker", func() (bool, string) {
		found := false
		err := filepath.WalkDir(r.Dir(), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || found {
				return nil //nolint:nilerr // files come and go
			}
			body, _ := os.ReadFile(path)
			found = strings.Contains(string(body), `"REGION"`)
			return nil
		})
		return found, fmt.Sprint(err)
	})
	_ = filepath.WalkDir(r.Dir(), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			body, _ := os.ReadFile(path)
			checkText(t, path, string(body))
		}
		return nil
	})
}

// copyMessages makes the broker copy every message that is published; the result takes them.
func copyMessages(t *testing.T, r *servers.RabbitMQ) func() []string {
	t.Helper()
	u, err := url.Parse(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	vhost := strings.TrimPrefix(u.Path, "/")
	if vhost == "" {
		vhost = "/"
	}
	manage := func(method, path, body string) string {
		t.Helper()
		text, err := r.Manage(t.Context(), method, path, body)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	at := url.PathEscape(vhost)
	manage(http.MethodPut, "/api/queues/"+at+"/copies", `{"durable":true}`)
	manage(http.MethodPost, "/api/bindings/"+at+"/e/amq.rabbitmq.trace/q/copies", `{"routing_key":"publish.#"}`)
	if err := r.Control(t.Context(), "trace_on", "-p", vhost); err != nil {
		t.Fatal(err)
	}
	return func() (bodies []string) {
		t.Helper()
		var got []struct {
			Payload  string `json:"payload"`
			Encoding string `json:"payload_encoding"`
		}
		text := manage(http.MethodPost, "/api/queues/"+at+"/copies/get", `{"count":100000,"ackmode":"ack_requeue_false","encoding":"auto"}`)
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(err)
		}
		for _, m := range got {
			body := []byte(m.Payload)
			if m.Encoding == "base64" {
				if body, err = base64.StdEncoding.DecodeString(m.Payload); err != nil {
					t.Fatal(err)
				}
			}
			bodies = append(bodies, string(body))
		}
		return bodies
	}
}

// checkTables looks at every row of every table.
func checkTables(t *testing.T, url string) {
	t.Helper()
	all := tables(t, url)
	for name, rows := range all {
		checkText(t, "table "+name, rows)
	}
	if all["log_parts"] == "" && all["logs"] == "" || !strings.Contains(all["env_vars"], "TOKEN") {
		t.Errorf("of %d tables env_vars holds %s", len(all), all["env_vars"])
	}
}

// tables are all rows of all tables, as text.
func tables(t *testing.T, url string) map[string]string {
	t.Helper()
	db, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var names string
	const list = "SELECT string_agg(quote_ident(tablename), ' ') FROM pg_tables WHERE schemaname = 'public'"
	if err := db.QueryRowContext(t.Context(), list).Scan(&names); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for name := range strings.FieldsSeq(names) {
		var rows sql.NullString
		if err := db.QueryRowContext(t.Context(), "SELECT string_agg(x::text, ' ') FROM "+name+" x").Scan(&rows); err != nil { //nolint:gosec // a name of ours
			t.Fatal(err)
		}
		all[name] = rows.String
	}
	return all
}
