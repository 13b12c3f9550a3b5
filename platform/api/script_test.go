package api

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/headrace/headrace/internal/fault"
)

// fakeScripts gives a script that names what it was asked.
type fakeScripts struct {
	token string
	err   error
}

func (f fakeScripts) Allowed(_ context.Context, token string) (bool, error) {
	return token != "" && token == f.token, f.err
}

func (f fakeScripts) Script(_ context.Context, message []byte, jobID string) ([]byte, error) {
	switch string(message) {
	case "no message":
		return nil, fault.New(fault.Invalid, "This is not a job message.")
	case "of another":
		return nil, fault.New(fault.Forbidden, "The token is that of another attempt.")
	}
	return []byte("#!/bin/bash\n# " + string(message) + " " + jobID + "\n"), nil
}

func TestScript(t *testing.T) {
	t.Parallel()
	away := fault.New(fault.Unavailable, "The database does not answer.")
	for name, test := range map[string]struct {
		scripts       fakeScripts
		authorization string
		body          string
		status        int
		want          string
	}{
		"the token":           {fakeScripts{token: "T"}, "token T", "{}", 200, "#!/bin/bash\n# {} 7\n"},
		"capital scheme":      {fakeScripts{token: "T"}, "Token T", "{}", 200, "#!/bin/bash\n# {} 7\n"},
		"nobody":              {fakeScripts{token: "T"}, "", "{}", 401, "send the header"},
		"another token":       {fakeScripts{token: "T"}, "token t", "{}", 403, "not the token"},
		"an empty token":      {fakeScripts{token: "T"}, "token ", "{}", 403, "not the token"},
		"no token made":       {fakeScripts{}, "token ", "{}", 403, "not the token"},
		"another scheme":      {fakeScripts{token: "T"}, "Basic T", "{}", 403, "not the token"},
		"no message":          {fakeScripts{token: "T"}, "token T", "no message", 400, "not a job message"},
		"another attempt":     {fakeScripts{token: "T"}, "token T", "of another", 403, "another attempt"},
		"too much":            {fakeScripts{token: "T"}, "token T", strings.Repeat(" ", mostMessage+1), 413, "larger than"},
		"the database is off": {fakeScripts{err: away}, "token T", "{}", 503, "does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(d *Deps, _ *Config) { d.Scripts = test.scripts })
			for _, path := range scriptPaths() {
				r := httptest.NewRequest(http.MethodPost, path+"?job_id=7&source=worker", bytes.NewReader([]byte(test.body)))
				if test.authorization != "" {
					r.Header.Set("Authorization", test.authorization)
				}
				if !Wants(r) {
					t.Fatalf("%s is left to the pages", path)
				}
				w := httptest.NewRecorder()
				b.ServeHTTP(w, r)
				if w.Code != test.status || !strings.Contains(w.Body.String(), test.want) {
					t.Errorf("%s answers %d %s", path, w.Code, w.Body)
				}
				if w.Code == http.StatusOK && w.Header().Get("Cache-Control") != "no-store" {
					t.Errorf("%s may be kept on the way", path)
				}
				if kind := w.Header().Get("Content-Type"); test.status == http.StatusOK && !strings.HasPrefix(kind, "text/plain") {
					t.Errorf("%s answers as %s", path, kind)
				}
			}
		})
	}
}
