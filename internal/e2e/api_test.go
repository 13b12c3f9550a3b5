package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// platformAPI is a client of one node's API.
type platformAPI struct {
	url   string
	token string
}

// try does one request and returns status and body; an error means that nobody answered.
func (a platformAPI) try(ctx context.Context, method, path string, in any, header ...string) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var body io.Reader
	if in != nil {
		encoded, err := json.Marshal(in)
		if err != nil {
			return 0, nil, err
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.url+"/api"+path, body)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "token "+a.token)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// must does one request, wants the status, and reads the answer into out.
func (a platformAPI) must(t *testing.T, want int, method, path string, in, out any, header ...string) {
	t.Helper()
	status, body, err := a.try(t.Context(), method, path, in, header...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	if status != want {
		t.Fatalf("%s %s: got %d, want %d: %s", method, path, status, want, body)
	}
	if out != nil {
		if err := json.Unmarshal(body, out); err != nil {
			t.Fatalf("%s %s: %v: %s", method, path, err, body)
		}
	}
}

type build struct {
	ID     int64  `json:"id"`
	Number string `json:"number"`
	State  string `json:"state"`
	Jobs   []job  `json:"jobs"`
}

type job struct {
	ID           int64  `json:"id"`
	Number       string `json:"number"`
	State        string `json:"state"`
	AllowFailure bool   `json:"allow_failure"`
	Attempt      int    `json:"attempt"`
	Worker       string `json:"worker"` // name
}

type request struct {
	ID      int64   `json:"id"`
	State   string  `json:"state"`
	Result  string  `json:"result"`
	Message string  `json:"message"`
	Builds  []build `json:"builds"`
}

func (a platformAPI) addRepository(t *testing.T, slug, source string) {
	t.Helper()
	a.must(t, http.StatusCreated, http.MethodPost, "/repos", map[string]any{"repository": map[string]string{"slug": slug, "source_url": source}}, nil)
}

func repo(slug string) string { return "/repo/" + url.PathEscape(slug) }

// trigger asks for a build and returns the request's id.
func (a platformAPI) trigger(t *testing.T, slug string, fields map[string]any) int64 {
	t.Helper()
	var answer struct {
		Request request `json:"request"`
	}
	if fields == nil {
		fields = map[string]any{}
	}
	a.must(t, http.StatusAccepted, http.MethodPost, repo(slug)+"/requests", map[string]any{"request": fields}, &answer)
	return answer.Request.ID
}

// built waits until the request has made its build.
func (a platformAPI) built(t *testing.T, slug string, id int64) build {
	t.Helper()
	var r request
	eventually(t, fmt.Sprintf("build of request %d", id), func() (bool, string) {
		a.must(t, http.StatusOK, http.MethodGet, fmt.Sprintf("%s/request/%d", repo(slug), id), nil, &r)
		if r.Result == "rejected" {
			t.Fatalf("request %d was rejected: %s", id, r.Message)
		}
		return len(r.Builds) > 0, fmt.Sprintf("%+v", r)
	})
	return r.Builds[0]
}

// ended waits until the build has a final state.
func (a platformAPI) ended(t *testing.T, id int64) build {
	t.Helper()
	var b build
	eventually(t, fmt.Sprintf("end of build %d", id), func() (bool, string) {
		a.must(t, http.StatusOK, http.MethodGet, fmt.Sprintf("/build/%d?include=build.jobs", id), nil, &b)
		return final(b.State), fmt.Sprintf("%+v", b)
	})
	return b
}

func final(state string) bool {
	return state == "passed" || state == "failed" || state == "errored" || state == "canceled"
}

// log returns the job's log as text.
func (a platformAPI) log(t *testing.T, id int64) string {
	t.Helper()
	status, body, err := a.try(t.Context(), http.MethodGet, fmt.Sprintf("/job/%d/log.txt", id), nil)
	if err != nil || status != http.StatusOK {
		t.Fatalf("log of job %d: %d %v: %s", id, status, err, body)
	}
	return string(body)
}
