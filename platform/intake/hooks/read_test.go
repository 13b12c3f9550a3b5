package hooks

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/platform/ci"
)

// sample is a payload of testdata, its name being forge.event.what.json.
func sample(tb testing.TB, name string) (ci.HookMessage, []byte) {
	tb.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	parts := strings.Split(name, ".")
	return ci.HookMessage{Forge: parts[0], Event: parts[1], Delivery: "d", ContentType: "application/json", Body: body}, body
}

func TestRead_pull(t *testing.T) {
	t.Parallel()
	m, body := sample(t, "github.pull_request.fork.json")
	got, err := read(m, body)
	if err != nil || got.request == nil {
		t.Fatalf("%+v, %v", got, err)
	}
	want := &ci.HookRequest{
		NewRequest: ci.NewRequest{
			Event: ci.EventPullRequest, Branch: "main", Hook: ci.Hook{Forge: "github", Delivery: "d", Sender: "tom"},
			PullRequest: &ci.PullRequest{
				Number: 12, Title: "Faster wheels", Draft: true, HeadSHA: "2222222222222222222222222222222222222222", HeadRef: "wheels",
				HeadSlug: "tom/app", HeadRepoID: "2002", BaseSHA: "1111111111111111111111111111111111111111", BuildRef: "refs/pull/12/merge",
				URL: "https://git.example.org/acme/app/pull/12",
			},
		},
		Forge: "github git.example.org", ForgeID: "1001",
	}
	if diff := cmp.Diff(want, got.request); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

// TestRead_own goes through what the sides of a pull request may say: only the same id of all three is the repository's own.
func TestRead_own(t *testing.T) {
	t.Parallel()
	const self = `{"id":1001,"full_name":"acme/app"}`
	for name, c := range map[string]struct {
		head, base string
		own        bool
	}{
		"the repository itself":                 {self, self, true},
		"a fork":                                {`{"id":2002,"full_name":"tom/app"}`, self, false},
		"a fork with the repository's name":     {`{"id":2002,"full_name":"acme/app"}`, self, false},
		"a fork of the same owner":              {`{"id":2002,"full_name":"acme/app-2"}`, self, false},
		"renamed meanwhile, the same id":        {`{"id":1001,"full_name":"acme/renamed"}`, self, true},
		"a fork that was deleted":               {`null`, self, false},
		"no id":                                 {`{"full_name":"acme/app"}`, `{"full_name":"acme/app"}`, false},
		"both sides of another repository":      {`{"id":2002}`, `{"id":2002}`, false},
		"a base that is not known":              {self, `null`, false},
		"a fork whose base claims to be it too": {`{"id":2002}`, self, false},
	} {
		body := `{"action":"opened","number":5,"repository":` + self + `,"pull_request":{"number":5,
			"head":{"ref":"fix","sha":"2222222222","repo":` + c.head + `},"base":{"ref":"main","repo":` + c.base + `}}}`
		for _, forge := range []string{ci.GitHub, ci.Gitea} {
			got, err := read(ci.HookMessage{Forge: forge, Event: "pull_request"}, []byte(body))
			if err != nil || got.request == nil || got.request.PullRequest.Own != c.own {
				t.Errorf("%s, %s: %+v, %v; want own %v", name, forge, got, err, c.own)
			}
		}
	}
}

func TestRead_samples(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"github.push.branch.json":               "push main 2222222222222222222222222222222222222222 1111111111111111111111111111111111111111",
		"github.push.tag.json":                  "push tag v1.2 2222222222222222222222222222222222222222 ",
		"github.pull_request.fork.json":         "pull_request main  #12 refs/pull/12/merge fork",
		"github.pull_request.synchronize.json":  "pull_request main  #13 refs/pull/13/merge own",
		"github.ping.json":                      "unused",
		"gitea.push.branch.json":                "push main 2222222222222222222222222222222222222222 1111111111111111111111111111111111111111",
		"gitea.pull_request.opened.json":        "pull_request main  #3 refs/pull/3/head own",
		"gitea.pull_request_sync.fork.json":     "pull_request main  #4 refs/pull/4/head fork",
		"gitea.delete.branch.json":              "unused",
		"gitea.pull_request_label.updated.json": "unused",
	}
	got := map[string]string{}
	entries, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		m, body := sample(t, e.Name())
		s, err := read(m, body)
		switch {
		case err != nil:
			got[e.Name()] = err.Error()
		case s.request == nil:
			got[e.Name()] = "unused"
		case s.request.PullRequest != nil:
			p := s.request.PullRequest
			number, _ := json.Marshal(p.Number)
			got[e.Name()] = "pull_request " + s.request.Branch + "  #" + string(number) + " " + p.BuildRef + " " + map[bool]string{true: "own", false: "fork"}[p.Own]
		case s.request.Tag != "":
			got[e.Name()] = "push tag " + s.request.Tag + " " + s.request.SHA + " " + s.request.Hook.Before
		default:
			got[e.Name()] = "push " + s.request.Branch + " " + s.request.SHA + " " + s.request.Hook.Before
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("samples (-want +got):\n%s", diff)
	}
}

func TestRead_actions(t *testing.T) {
	t.Parallel()
	for action, builds := range map[string]bool{
		`"opened"`: true, `"reopened"`: true, `"synchronize"`: true, `"synchronized"`: true, `"ready_for_review"`: true, `"closed"`: false, `"labeled"`: false,
		`"edited"`: false, `"edited","changes":{"title":{"from":"x"}}`: false, `"edited","changes":{"base":{"ref":{"from":"next"}}}`: true,
		`"converted_to_draft"`: false, `"review_requested"`: false, `""`: false,
	} {
		body := `{"action":` + action + `,"number":5,"repository":{"id":1},"pull_request":{"head":{"ref":"fix","sha":"2222222222"},"base":{"ref":"main"}}}`
		got, err := read(ci.HookMessage{Forge: ci.GitHub, Event: "pull_request"}, []byte(body))
		if err != nil || (got.request != nil) != builds {
			t.Errorf("%s: %+v, %v; want a build %v", action, got, err, builds)
		}
	}
}

func TestAddressKey(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://git.example/acme/app.git": "git.example/acme/app", "https://tom:x@Git.Example:443/Acme/App/": "git.example/acme/app",
		"ssh://git@git.example:2222/acme/app.git": "git.example/acme/app", "git@git.example:acme/app.git": "git.example/acme/app",
		"git@git.example:/acme/app": "git.example/acme/app", "file:///srv/app.git": "", "": "", "::": "", "app": "",
	} {
		if got := addressKey(raw); got != want {
			t.Errorf("addressKey(%q) = %q, want %q", raw, got, want)
		}
	}
}

// FuzzRead holds what comes out of any body against what the rest of the platform relies on.
func FuzzRead(f *testing.F) {
	entries, err := os.ReadDir("testdata")
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			m, body := sample(f, e.Name())
			f.Add(m.Forge, m.Event, m.ContentType, body)
		}
	}
	f.Add(ci.GitHub, "push", "application/x-www-form-urlencoded", []byte("payload=%7B%7D"))
	f.Fuzz(func(t *testing.T, forge, event, kind string, body []byte) {
		m := ci.HookMessage{Forge: forge, Event: event, ContentType: kind, Body: body, Signature: "sha256=" + strings.Repeat("00", 32)}
		_, _ = open(m)
		content, err := text(m)
		if err != nil {
			return
		}
		s, err := read(m, content)
		switch {
		case err != nil:
		case s.request == nil:
			if s.unused == "" {
				t.Fatal("there is neither a request nor a reason")
			}
		default:
			checkRequest(t, s.request)
		}
	})
}

func checkRequest(t *testing.T, q *ci.HookRequest) {
	t.Helper()
	p := q.PullRequest
	switch {
	case q.Event == ci.EventPush && q.Tag == "":
		if ci.CheckRef("branch", q.Branch) != nil || ci.CheckSHA(q.SHA) != nil {
			t.Fatalf("push %+v", q)
		}
	case q.Event == ci.EventPush:
		if ci.CheckRef("tag", q.Tag) != nil || ci.CheckSHA(q.SHA) != nil || q.Branch != "" {
			t.Fatalf("tag %+v", q)
		}
	case q.Event != ci.EventPullRequest || p == nil || p.Number <= 0 || ci.CheckSHA(p.HeadSHA) != nil || ci.CheckRef("branch", q.Branch) != nil:
		t.Fatalf("request %+v", q)
	case p.Own && (p.HeadRepoID == "" || p.HeadRepoID != q.ForgeID):
		t.Fatalf("a fork that counts as the repository's own: %+v", p)
	}
}
