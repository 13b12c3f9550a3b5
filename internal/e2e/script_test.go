package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/internal/testkit"
	"github.com/headrace/headrace/internal/testkit/foreign"
)

// askScript asks for a script as a foreign worker does.
func askScript(t *testing.T, api platformAPI, token string, message []byte) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, api.url+"/script?source=worker", strings.NewReader(string(message)))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "token "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// scriptToken is what the command shows.
func scriptToken(t *testing.T, s shape, flags ...string) string {
	t.Helper()
	out, code := command(t, s.nodes[0].env, append([]string{"admin", "rabbitmq-password", "--script-token"}, flags...)...)
	if code != 0 {
		t.Fatalf("rabbitmq-password --script-token: %s", out)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return lines[len(lines)-1]
}

// jobMessages are what a worker is given, unacknowledged.
func jobMessages(t *testing.T, s shape) <-chan amqp091.Delivery {
	t.Helper()
	_, address, _ := strings.Cut(s.amqp, "=")
	conn, err := amqp091.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ch.QueueDeclare("builds.linux", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	jobs, err := ch.Consume("builds.linux", "", false, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	return jobs
}

// TestScript_Tokens: scripts are given for the present token, and for the one before until it is replaced again.
func TestScript_Tokens(t *testing.T) {
	t.Parallel()
	s := standard(t, 1, 0)
	message := []byte(`{"job":{"id":7},"config":{"script":"echo hi"}}`)
	tokens := []string{scriptToken(t, s), scriptToken(t, s, "--rotate")}
	if again := scriptToken(t, s); again != tokens[1] || again == tokens[0] {
		t.Errorf("the tokens are %q, and %q is shown", tokens, again)
	}
	check := func(token string, want int) {
		t.Helper()
		if status, text := askScript(t, s.api(), token, message); status != want {
			t.Errorf("token %q: %d %s, want %d", token, status, text, want)
		}
	}
	check(tokens[0], http.StatusOK)
	check(tokens[1], http.StatusOK)
	tokens = append(tokens, scriptToken(t, s, "--rotate"))
	check(tokens[0], http.StatusForbidden)
	check(tokens[1], http.StatusOK)
	check(tokens[2], http.StatusOK)
	check("", http.StatusUnauthorized)
	check("hunter2", http.StatusForbidden)
	check(s.api().token, http.StatusForbidden)
	check(scriptToken(t, standard(t, 1, 0)), http.StatusForbidden)
	out, code := command(t, s.nodes[0].env, "admin", "rabbitmq-password", "--rotate")
	if code == 0 || !strings.Contains(out, "--script-token --rotate") {
		t.Errorf("to rotate the password: %d %s", code, out)
	}
}

// TestScript_Secrets: the secrets of a job are in its script only for the token in the message of its attempt.
func TestScript_Secrets(t *testing.T) {
	t.Parallel()
	s := standard(t, 2, 0)
	api, token, jobs := s.api(), scriptToken(t, s), jobMessages(t, s)
	api.addRepository(t, "acme/script", repository(t, map[string]string{".travis.yml": "language: shell\nscript: echo hi\nenv: [A=1, A=2]\n"}))
	api.must(t, http.StatusCreated, http.MethodPost, repo("acme/script")+"/env_vars", map[string]any{"env_var": map[string]any{"name": "TOKEN", "value": canary}}, nil)
	api.built(t, "acme/script", api.trigger(t, "acme/script", nil))
	var bodies [2][]byte
	for i := range bodies {
		select {
		case d := <-jobs:
			bodies[i] = d.Body
		case <-time.After(patience):
			t.Fatal("no job comes")
		}
		checkText(t, "the message", string(bodies[i]))
	}
	// with puts other words into a message.
	type fields = map[string]any
	with := func(body []byte, change func(job, headrace fields)) []byte {
		t.Helper()
		var m fields
		if err := json.Unmarshal(body, &m); err != nil {
			t.Fatal(err)
		}
		change(m["job"].(fields), m["headrace"].(fields))
		out, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	tokenOf := func(body []byte) (found any) {
		with(body, func(_, headrace fields) { found = headrace["script_token"] })
		return found
	}
	for name, test := range map[string]struct {
		body   []byte
		status int
		secret bool
	}{
		"its own":             {bodies[0], http.StatusOK, true},
		"none":                {with(bodies[0], func(_, h fields) { delete(h, "script_token") }), http.StatusOK, false},
		"of another job":      {with(bodies[0], func(_, h fields) { h["script_token"] = tokenOf(bodies[1]) }), http.StatusForbidden, false},
		"for another attempt": {with(bodies[0], func(_, h fields) { h["attempt"] = 2 }), http.StatusForbidden, false},
		"the workers' own":    {with(bodies[0], func(_, h fields) { h["script_token"] = token }), http.StatusForbidden, false},
	} {
		for _, node := range s.apis {
			status, text := askScript(t, node, token, test.body)
			if status != test.status || strings.Contains(text, canary) != test.secret {
				t.Errorf("a token %s: %d, want %d: %s", name, status, test.status, text)
			}
		}
	}
	if status, text := askScript(t, api, "", bodies[0]); status != http.StatusUnauthorized || strings.Contains(text, canary) {
		t.Errorf("without a token: %d %s", status, text)
	}
	for _, body := range bodies {
		var id int64
		with(body, func(job, _ fields) { id = int64(job["id"].(float64)) })
		api.must(t, http.StatusAccepted, http.MethodPost, fmt.Sprintf("/job/%d/cancel", id), nil, nil)
	}
	if status, text := askScript(t, api, token, bodies[0]); status != http.StatusOK || strings.Contains(text, canary) || !strings.Contains(text, "not to be run any more") {
		t.Errorf("when the job is canceled: %d %s", status, text)
	}
}

// quietTale proves by its digest that the secret is the right one, and does not print it.
const quietTale = `language: shell
script:
  - 'printf %s "$TOKEN" | sha256sum'
  - 'echo "in $REGION, secrets $TRAVIS_SECURE_ENV_VARS"'
  - 'while [ ! -e GATE ]; do sleep 0.1; done'
`

// TestSecrets_foreign: a secret variable reaches the script that a foreign worker runs, and is in no message, no file of the
// broker, no table, no line, no list of processes.
func TestSecrets_foreign(t *testing.T) {
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
	endpoint := scriptEndpoint(t, s)
	w := double(t, s, foreign.Config{BuildAPI: endpoint, Overtake: 50 * time.Millisecond})
	runTale(t, s, quietTale)
	checkMessages(t, copies(), `"script_token":`, `"REGION"`, "export TOKEN=[secure]")
	checkTables(t, postgres)
	checkBroker(t, rabbit)
	if len(w.Runs()) == 0 {
		t.Error("the double ran nothing")
	}
	// The tokens by which workers ask are secrets, too: they are in no table and no line of a log.
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range s.nodes {
		if strings.Contains(p.out.String(), u.User.Username()) {
			t.Errorf("%s logs the token for scripts", p.name)
		}
	}
	for name, rows := range tables(t, postgres) {
		if strings.Contains(rows, u.User.Username()) {
			t.Errorf("table %s holds the token for scripts", name)
		}
	}
}
