package api

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSlug_InEverySpelling(t *testing.T) {
	t.Parallel()
	onBoth(t, slugs)
}

func slugs(t *testing.T, b *bundle) {
	t.Helper()
	deep := b.addRepository(t, "group/sub/a.b-c_d")
	tests := map[string]struct {
		path string
		want any // id
	}{
		"id":                      {"/api/repo/1", 1.0},
		"upper case %2F":          {"/api/repo/acme%2Fapp", 1.0},
		"lower case %2f":          {"/api/repo/acme%2fapp", 1.0},
		"other letters encoded":   {"/api/repo/%61cme%2Fapp", 1.0},
		"case of the slug":        {"/api/repo/ACME%2FApp", 1.0},
		"several slashes":         {"/api/repo/group%2Fsub%2Fa.b-c_d", float64(deep.ID)},
		"unknown":                 {"/api/repo/acme%2Fother", nil},
		"slash as it is":          {"/api/repo/acme/app", nil},
		"encoded twice":           {"/api/repo/acme%252Fapp", nil},
		"id 0":                    {"/api/repo/0", nil},
		"id beyond all":           {"/api/repo/99999999999999999999", nil},
		"a zero byte":             {"/api/repo/acme%2Fapp%00", nil},
		"no text":                 {"/api/repo/acme%2F%ff", nil},
		"an attempt at SQL":       {"/api/repo/1%20OR%201=1", nil},
		"an attempt to climb out": {"/api/repo/..%2Fuser", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := b.get(t, test.path)
			if got.json(t)["id"] != test.want {
				t.Errorf("answer %d %s", got.Code, got.Body)
			}
			if test.want == nil && got.Code != http.StatusNotFound {
				t.Errorf("status %d, want 404", got.Code)
			}
		})
	}
}

// TestParameters_ThatNoDatabaseShallSee: numbers and bytes that a database would refuse are refused, or pass over, before.
func TestParameters_ThatNoDatabaseShallSee(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, b *bundle) {
		t.Helper()
		b.startJob(t)
		numbers := []string{"2147483647", "2147483648", "9223372036854775807", "9223372036854775808", "99999999999999999999", "-1", "1e9", "0x10", "NaN"}
		texts := []string{"%00", "a%00b", "%ff%fe", "%F0%9F%92%A9", "'%20OR%201=1--", "%25", "%5C", "_", "%", strings.Repeat("x", 5000)}
		var paths []string
		for _, n := range numbers {
			for _, p := range []string{
				"/api/build/@", "/api/job/@", "/api/user/@", "/api/repo/@", "/api/repo/1/request/@", "/api/job/1/log?attempt=@", "/api/job/1/log/stream?attempt=2&x=@",
				"/api/job/1/log_parts?after=@", "/api/job/1/log_parts?part_numbers=@", "/api/builds?offset=@", "/api/jobs?limit=@", "/api/repos?offset=@",
				"/api/repo/1/branches?offset=@", "/api/repo/1/requests?offset=@", "/api/job/1/log/stream?last_event_id=2.@.1", "/api/job/1/log/stream?last_event_id=@.1.1",
			} {
				paths = append(paths, strings.ReplaceAll(p, "@", n))
			}
		}
		for _, x := range texts {
			for _, p := range []string{
				"/api/repo/acme%2F@", "/api/owner/@", "/api/owner/@/repos", "/api/repo/1/branch/@", "/api/builds?branch.name=@", "/api/builds?created_by=@",
				"/api/builds?event_type=@", "/api/repos?slug_filter=@", "/api/repo/1/requests?state=@", "/api/repo/1/requests?result=@",
			} {
				paths = append(paths, strings.ReplaceAll(p, "@", x))
			}
		}
		for _, path := range paths {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
			if err != nil {
				continue // a client cannot send it either
			}
			if got := b.answer(r); got.Code >= http.StatusInternalServerError {
				t.Errorf("GET %.80s answers %d %s", path, got.Code, got.Body)
			}
		}
	})
}

func TestWrites_TakeEverySpelling(t *testing.T) {
	t.Parallel()
	form, json := "application/x-www-form-urlencoded", "application/json"
	tests := map[string]struct{ contentType, query, body, want string }{
		"bare":                       {json, "", `{"branch":"dev"}`, "dev"},
		"dotted":                     {json, "", `{"request.branch":"dev"}`, "dev"},
		"nested":                     {json, "", `{"request":{"branch":"dev"}}`, "dev"},
		"bare with its type":         {json, "", `{"@type":"request","branch":"dev"}`, "dev"},
		"bare with another type":     {json, "", `{"@type":"build","branch":"dev"}`, "main"},
		"dotted with another type":   {json, "", `{"@type":"build","request.branch":"dev"}`, "dev"},
		"query":                      {json, "?branch=dev", ``, "dev"},
		"dotted query":               {json, "?request.branch=dev", ``, "dev"},
		"body before query":          {json, "?branch=query", `{"branch":"dev"}`, "dev"},
		"form":                       {form, "", `branch=dev`, "dev"},
		"dotted form":                {form, "", `request.branch=de%2Fv`, "de/v"},
		"JSON that is called a form": {form, "", `{"branch":"dev"}`, "dev"},
		"no content type":            {"", "", `{"branch":"dev"}`, "dev"},
		"null":                       {json, "", `{"branch":null}`, "main"},
		"nothing":                    {json, "", ``, "main"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			got := b.do(t, http.MethodPost, "/api/repo/1/requests"+test.query, test.body, "Content-Type", test.contentType)
			if got.Code != http.StatusAccepted || at(got.json(t), "request", "branch") != test.want {
				t.Errorf("answer %d %s", got.Code, got.Body)
			}
		})
	}
}

func TestBody_ThatCannotBeRead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tests := map[string]struct{ body, says string }{
		"no JSON":         {`{"branch":`, "no JSON"},
		"no object":       {`["x"]`, "must be a JSON object"},
		"wrong type":      {`{"branch":{"x":1}}`, "request.branch must be a string"},
		"too long":        {`{"config":"` + strings.Repeat("x", maxBody) + `"}`, "1.5 MiB"},
		"zero byte":       {`{"branch":"a\u0000b"}`, "not text"},
		"config a list":   {`{"config":[1]}`, "request.config must be an object"},
		"two configs":     {`{"configs":[{"config":"a: 1"},{"config":"b: 1"}]}`, "list of one"},
		"merge mode":      {`{"config":"a: 1","merge_mode":"blend"}`, "deep_merge_append"},
		"deep nesting":    {strings.Repeat("[", 100_000), "no JSON"},
		"config with nul": {`{"config":"a: \u0000"}`, "not text"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := b.do(t, http.MethodPost, "/api/repo/1/requests", test.body, "Content-Type", "application/json")
			message, _ := got.json(t)["error_message"].(string)
			if got.Code != http.StatusBadRequest || got.json(t)["error_type"] != "wrong_params" || !strings.Contains(message, test.says) {
				t.Errorf("answer %d %s", got.Code, got.Body)
			}
		})
	}
}

func TestPagination(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 5 {
		b.addBuild(t, "main", "")
	}
	href := func(offset int) string {
		return fmt.Sprintf("/api/repo/1/builds?build.state=created&limit=2&offset=%d", offset)
	}
	page := func(offset int) map[string]any {
		return map[string]any{"@href": href(offset), "offset": float64(offset), "limit": 2.0}
	}
	tests := []struct {
		offset int
		want   map[string]any
		first  any // number of the first build
	}{
		{0, map[string]any{"limit": 2.0, "offset": 0.0, "count": 5.0, "is_first": true, "is_last": false, "next": page(2), "prev": nil, "first": page(0), "last": page(4)}, "5"},
		{2, map[string]any{"limit": 2.0, "offset": 2.0, "count": 5.0, "is_first": false, "is_last": false, "next": page(4), "prev": page(0), "first": page(0), "last": page(4)}, "3"},
		{4, map[string]any{"limit": 2.0, "offset": 4.0, "count": 5.0, "is_first": false, "is_last": true, "next": nil, "prev": page(2), "first": page(0), "last": page(4)}, "1"},
		{9, map[string]any{"limit": 2.0, "offset": 9.0, "count": 5.0, "is_first": false, "is_last": true, "next": nil, "prev": page(7), "first": page(0), "last": page(4)}, nil},
	}
	for _, test := range tests {
		got := b.get(t, href(test.offset)).json(t)
		if diff := cmp.Diff(test.want, got["@pagination"]); diff != "" {
			t.Errorf("offset %d:\n%s", test.offset, diff)
		}
		if n := at(got, "builds", 0, "number"); n != test.first {
			t.Errorf("offset %d begins with build %v, want %v", test.offset, n, test.first)
		}
	}
}

func TestPagination_Limits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tests := map[string]struct {
		path string
		want any // limit, or the error
	}{
		"of a repository":   {"/api/repo/1/builds", 25.0},
		"of all builds":     {"/api/builds", 100.0},
		"of all jobs":       {"/api/jobs", 100.0},
		"of repositories":   {"/api/repos", 100.0},
		"0":                 {"/api/repo/1/builds?limit=0", 100.0},
		"more than allowed": {"/api/repo/1/builds?limit=101", 100.0},
		"negative":          {"/api/repo/1/builds?limit=-1", 25.0},
		"no number":         {"/api/repo/1/builds?limit=x", "limit must be an integer"},
		"half":              {"/api/repo/1/builds?limit=1.5", "limit must be an integer"},
		"offset no number":  {"/api/repo/1/builds?offset=x", "offset must be an integer"},
		"beyond all":        {"/api/repo/1/builds?offset=99999999999999999999", "offset must be an integer"},
		"negative offset":   {"/api/repo/1/builds?offset=-3", 25.0},
	}
	for name, test := range tests {
		got := b.get(t, test.path).json(t)
		if limit := at(got, "@pagination", "limit"); limit != test.want && got["error_message"] != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestPagination_WithoutCounting(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 3 {
		b.addBuild(t, "main", "")
	}
	full := b.get(t, "/api/repo/1/builds?limit=3&skip_count=true").json(t)
	if at(full, "@pagination", "count") != nil || at(full, "@pagination", "is_last") != false || at(full, "@pagination", "next", "offset") != 3.0 {
		t.Errorf("a full page: %v", full["@pagination"])
	}
	part := b.get(t, "/api/repo/1/builds?limit=2&offset=2&skip_count=true").json(t)
	if at(part, "@pagination", "is_last") != true || at(part, "@pagination", "next") != nil {
		t.Errorf("a page with room: %v", part["@pagination"])
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.startJob(t)
	b.addBuild(t, "dev", "")
	tests := map[string]struct {
		path, list string
		want       int
	}{
		"state":               {"/api/repo/1/builds?state=started", "builds", 1},
		"dotted state":        {"/api/repo/1/builds?build.state=created,started", "builds", 2},
		"branch":              {"/api/repo/1/builds?branch.name=dev", "builds", 1},
		"event":               {"/api/repo/1/builds?event_type=push", "builds", 0},
		"who":                 {"/api/repo/1/builds?created_by=ines", "builds", 2},
		"who else":            {"/api/builds?created_by=uma", "builds", 0},
		"jobs by state":       {"/api/jobs?state=started", "jobs", 1},
		"active jobs":         {"/api/jobs?active=true", "jobs", 6},
		"repositories":        {"/api/repos?repository.slug_filter=CME", "repositories", 1},
		"repositories, other": {"/api/repos?name_filter=nothing", "repositories", 0},
		"inactive":            {"/api/repos?active=false", "repositories", 0},
		"starred":             {"/api/repos?repository.starred=true", "repositories", 0},
		"of an owner":         {"/api/owner/acme/repos", "repositories", 1},
		"requests":            {"/api/repo/1/requests?state=finished&result=approved", "requests", 2},
	}
	for name, test := range tests {
		got := b.get(t, test.path).json(t)
		list, _ := got[test.list].([]any)
		if len(list) != test.want || got["@warnings"] != nil {
			t.Errorf("%s: %d entries, want %d: %v", name, len(list), test.want, got["@warnings"])
		}
	}
	if got := b.get(t, "/api/builds?state=broken"); got.Code != http.StatusBadRequest {
		t.Errorf("an unknown state answers %d", got.Code)
	}
	if got := b.get(t, "/api/owner/nobody/repos"); got.Code != http.StatusNotFound {
		t.Errorf("an unknown owner answers %d", got.Code)
	}
	first := func(sort string) any { return at(b.get(t, "/api/builds?sort_by="+sort).json(t), "builds", 0, "id") }
	if first("id") != float64(j.BuildID) || first("id:desc") == float64(j.BuildID) || first("number:desc,id:desc") == float64(j.BuildID) || first("number:asc") != float64(j.BuildID) {
		t.Errorf("builds are sorted wrongly: %v %v", first("id"), first("id:desc"))
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for path, warned := range map[string]bool{
		"/api/jobs?sort_by=id:desc": false, "/api/jobs?sort_by=id": true, "/api/repos?sort_by=id:desc": true, "/api/repos?sort_by=current_build:desc": false,
		"/api/repo/1/branches?sort_by=default_branch,exists_on_github,last_build:desc": false, "/api/repo/1/branches?sort_by=name": true,
	} {
		if got := b.get(t, path).json(t)["@warnings"] != nil; got != warned {
			t.Errorf("%s: warned is %v, want %v", path, got, warned)
		}
	}
	got := b.get(t, "/api/repo/1/builds?nonsense=1&sort_by=colour:desc,number:desc").json(t)
	want := []any{
		map[string]any{"@type": "warning", "message": "query value colour:desc for sort_by not a field to sort by, ignored", "warning_type": "ignored_value", "parameter": "sort_by"},
		map[string]any{"@type": "warning", "message": "query parameter nonsense not safelisted, ignored", "warning_type": "ignored_parameter", "parameter": "nonsense"},
	}
	if diff := cmp.Diff(want, got["@warnings"]); diff != "" {
		t.Error(diff)
	}
}

func TestInclude_Refuses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, bad := range []string{"build", "build.nothing", "nothing.id", "build.commit.id", "build."} {
		got := b.get(t, "/api/builds?include="+url.QueryEscape(bad))
		if got.Code != http.StatusBadRequest || got.json(t)["error_type"] != "wrong_params" {
			t.Errorf("include=%s answers %d", bad, got.Code)
		}
	}
}
