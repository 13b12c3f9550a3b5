package platform

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/store"
)

func TestScripts(t *testing.T) {
	t.Parallel()
	const repo = `"repository":{"slug":"acme/app","source_url":"https://git.example/acme/app"}`
	for name, test := range map[string]struct {
		message, jobID, want string
		invalid              bool
	}{
		"a job":                  {`{"job":{"id":7},` + repo + `,"config":{"language":"shell","script":"echo hi"},"paranoid":false}`, "7", "echo hi", false},
		"no job named beside it": {`{"job":{"id":7},` + repo + `,"config":{}}`, "", "#!/bin/bash\n", false},
		"null as config":         {`{"job":{"id":7},` + repo + `,"config":null}`, "7", "#!/bin/bash\n", false},
		"a config that is none":  {`{"job":{"id":7},` + repo + `,"config":["script"]}`, "7", "This job cannot be run", false},
		"another job":            {`{"job":{"id":7},` + repo + `,"config":{}}`, "8", "", true},
		"no job":                 {`{"config":{}}`, "", "", true},
		"no JSON":                {`hello`, "", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := scripts{}.Script(t.Context(), []byte(test.message), test.jobID)
			if fault.Is(err, fault.Invalid) != test.invalid || !strings.Contains(string(text), test.want) {
				t.Errorf("got %s, %v", text, err)
			}
			if !test.invalid && !strings.HasPrefix(string(text), "#!/bin/bash\n") {
				t.Errorf("not a script: %s", text)
			}
		})
	}
}

// fakeScriptStore has two tokens, and a secret for each job.
type fakeScriptStore struct {
	over       bool // attempts may not begin any more
	secretsErr error
}

func (fakeScriptStore) ScriptTokenDigests(context.Context) ([]string, error) {
	return []string{store.ScriptTokenDigest("old"), store.ScriptTokenDigest("new")}, nil
}

func (f fakeScriptStore) MayBegin(_ context.Context, jobID int64, attempt int) (bool, error) {
	return !f.over && jobID == 7 && attempt == 2, nil
}

func (f fakeScriptStore) Secrets(context.Context, int64) ([]ci.EnvVar, error) {
	return []ci.EnvVar{{Name: "TOKEN", Value: "hunter2"}}, f.secretsErr
}

func TestScripts_allowed(t *testing.T) {
	t.Parallel()
	s := scripts{store: fakeScriptStore{}}
	for token, want := range map[string]bool{"old": true, "new": true, "other": false, "": false, store.ScriptTokenDigest("new"): false} {
		if got, err := s.Allowed(t.Context(), token); got != want || err != nil {
			t.Errorf("token %q: %v, %v", token, got, err)
		}
	}
}

// TestScripts_secrets: a job's secrets are in its script only for the token of the attempt, while that may begin.
func TestScripts_secrets(t *testing.T) {
	t.Parallel()
	newKeys := func() *seal.Keys {
		keys, err := seal.ParseKeys(seal.NewKey())
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	keys := newKeys()
	own := scripts{keys: keys}
	_, otherKey := newKeys().Open("v1.0badcafe.AAAA", seal.Place{})
	for name, test := range map[string]struct {
		store  fakeScriptStore
		keys   *seal.Keys
		token  string
		code   fault.Code
		secret bool
		says   string
	}{
		"its own token":            {keys: keys, token: own.token(7, 2), secret: true},
		"no token":                 {keys: keys},
		"of an earlier attempt":    {keys: keys, token: own.token(7, 1), code: fault.Forbidden},
		"of another job":           {keys: keys, token: own.token(8, 2), code: fault.Forbidden},
		"of another cluster":       {keys: newKeys(), token: own.token(7, 2), code: fault.Forbidden},
		"on a node without a key":  {token: own.token(7, 2), code: fault.Forbidden},
		"of an attempt that ended": {store: fakeScriptStore{over: true}, keys: keys, token: own.token(7, 2), says: "not to be run any more"},
		"sealed with another key":  {store: fakeScriptStore{secretsErr: otherKey}, keys: keys, token: own.token(7, 2), says: "0badcafe"},
		"without the database": {
			store: fakeScriptStore{secretsErr: fault.New(fault.Unavailable, "away")}, keys: keys, token: own.token(7, 2), code: fault.Unavailable,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			message := fmt.Sprintf(`{"job":{"id":7,"secure_env_enabled":true},"config":{"script":"echo hi","cache":{"pip":true}},"headrace":{"attempt":2,"script_token":%q}}`, test.token)
			caches := func(_ context.Context, jobID int64) (*broker.Caches, error) {
				return &broker.Caches{Fetch: broker.CacheLink{URL: fmt.Sprintf("https://ci.example/caches/%d", jobID)}}, nil
			}
			text, err := scripts{store: test.store, keys: test.keys, caches: caches}.Script(t.Context(), []byte(message), "7")
			if test.code != "" && !fault.Is(err, test.code) || test.code == "" && err != nil {
				t.Errorf("got %v, want %q", err, test.code)
			}
			if strings.Contains(string(text), "https://ci.example/caches/7") != test.secret {
				t.Errorf("the address of the cache: %s", text)
			}
			if strings.Contains(string(text), "hunter2") != test.secret || !strings.Contains(string(text), test.says) {
				t.Errorf("script: %s", text)
			}
		})
	}
}
