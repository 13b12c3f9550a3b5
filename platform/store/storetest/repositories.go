package storetest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

var repositoryTests = map[string]func(*testing.T, *node){
	"a name is taken in whatever case":       testSlugTaken,
	"a repository is found and changed":      testFindRepository,
	"lists are filtered":                     testFilterRepositories,
	"an overview brings builds and requests": testOverview,
	"what runs comes first, then the latest": testSortByLast,
	"deleting removes everything of it":      testDeleteRepository,
	"branches come with their builds":        testBranches,
}

func testSlugTaken(t *testing.T, n *node) {
	n.repository("Acme/App")
	_, err := n.AddRepository(n.ctx(), ci.NewRepository{Slug: "acme/aPP"})
	equal(t, "code", fault.Conflict, fault.CodeOf(err))
}

func testFindRepository(t *testing.T, n *node) {
	u := n.user("ines")
	r := n.repository("acme/App")
	equal(t, "active", true, r.Active)
	n.ok(n.SetStar(n.ctx(), u.ID, r.ID, true))
	n.ok(n.SetStar(n.ctx(), u.ID, r.ID, true))
	n.ok(n.SetActive(n.ctx(), r.ID, false))
	n.ok(n.SetDefaultBranch(n.ctx(), r.ID, "trunk"))
	want := r
	want.Active, want.DefaultBranch = false, "trunk"
	got, err := n.RepositoryBySlug(n.ctx(), "ACME/app", 0)
	n.ok(err)
	equal(t, "for nobody", want, got)
	want.Starred = true
	got, err = n.Repository(n.ctx(), r.ID, u.ID)
	n.ok(err)
	equal(t, "for the user", want, got)
	n.ok(n.SetStar(n.ctx(), u.ID, r.ID, false))
	got, err = n.Repository(n.ctx(), r.ID, u.ID)
	n.ok(err)
	equal(t, "starred", false, got.Starred)
	for _, err := range []error{
		n.SetActive(n.ctx(), 99, true), n.SetDefaultBranch(n.ctx(), 99, "x"), n.SetStar(n.ctx(), u.ID, 99, true), n.DeleteRepository(n.ctx(), 99),
		second(n.Repository(n.ctx(), 99, 0)), second(n.RepositoryBySlug(n.ctx(), "no/no", 0)),
	} {
		equal(t, "code", fault.NotFound, fault.CodeOf(err))
	}
}

func second[T any](_ T, err error) error { return err }

func testFilterRepositories(t *testing.T, n *node) {
	u := n.user("ines")
	for _, slug := range []string{"acme/app", "acme/App_2", "acme/appx2", "zeta/tool"} {
		n.repository(slug)
	}
	tool, err := n.RepositoryBySlug(n.ctx(), "zeta/tool", 0)
	n.ok(err)
	n.ok(n.SetStar(n.ctx(), u.ID, tool.ID, true))
	n.ok(n.SetActive(n.ctx(), tool.ID, false))
	yes, no := true, false
	for name, c := range map[string]struct {
		filter ci.RepositoryFilter
		want   []string
		total  int
	}{
		"all":             {ci.RepositoryFilter{}, []string{"acme/app", "acme/App_2", "acme/appx2", "zeta/tool"}, 4},
		"text":            {ci.RepositoryFilter{Text: "APP"}, []string{"acme/app", "acme/App_2", "acme/appx2"}, 3},
		"text as written": {ci.RepositoryFilter{Text: "p_2"}, []string{"acme/App_2"}, 1},
		"percent":         {ci.RepositoryFilter{Text: "%"}, nil, 0},
		"owner":           {ci.RepositoryFilter{Owner: "Zeta"}, []string{"zeta/tool"}, 1},
		"active":          {ci.RepositoryFilter{Active: &yes}, []string{"acme/app", "acme/App_2", "acme/appx2"}, 3},
		"starred":         {ci.RepositoryFilter{Starred: &yes, ForUser: u.ID}, []string{"zeta/tool"}, 1},
		"not starred":     {ci.RepositoryFilter{Starred: &no, ForUser: u.ID}, []string{"acme/app", "acme/App_2", "acme/appx2"}, 3},
		"page":            {ci.RepositoryFilter{Page: ci.Page{Limit: 2, Offset: 1}}, []string{"acme/App_2", "acme/appx2"}, 4},
	} {
		page, total, err := n.Repositories(n.ctx(), c.filter)
		n.ok(err)
		var got []string
		for _, r := range page {
			got = append(got, r.Slug)
			equal(t, name+": starred", c.filter.ForUser == u.ID && r.ID == tool.ID, r.Starred)
		}
		if diff := cmp.Diff(c.want, got); diff != "" || total != c.total {
			t.Errorf("%s: total %d, want %d; %s", name, total, c.total, diff)
		}
	}
}

func testOverview(t *testing.T, n *node) {
	r, empty := n.repository("acme/app"), n.repository("acme/empty")
	var builds []ci.Build
	for range 5 {
		builds = append(builds, n.build(r.ID, plan{jobs: []ci.NewJob{job(-1), job(-1)}}))
	}
	q := n.request(empty.ID)
	page, total, err := n.Repositories(n.ctx(), ci.RepositoryFilter{Recent: 3})
	n.ok(err)
	equal(t, "total", 2, total)
	o := page[0]
	equal(t, "builds", 5, o.BuildCount)
	equal(t, "last", builds[4].ID, o.Last.ID)
	equal(t, "jobs of the last", 2, o.Last.JobCounts[ci.Created])
	equal(t, "recent", 3, len(o.Recent))
	equal(t, "the oldest of the recent", 3, o.Recent[0].Number)
	equal(t, "the newest of the recent", 5, o.Recent[2].Number)
	if o.LastRequest != nil {
		t.Fatalf("the last request has a build and is listed: %+v", o.LastRequest)
	}
	equal(t, "build of the empty one", (*ci.Build)(nil), page[1].Last)
	equal(t, "request of the empty one", q.ID, page[1].LastRequest.ID)
}

func testSortByLast(t *testing.T, n *node) {
	var repos []ci.Repository
	for _, slug := range []string{"a/never", "a/running", "a/old", "a/new"} {
		repos = append(repos, n.repository(slug))
	}
	n.build(repos[1].ID, plan{})
	for _, r := range repos[2:] {
		b := n.build(r.ID, plan{})
		_, _, err := n.CancelBuild(n.ctx(), b.ID, "ines")
		n.ok(err)
	}
	page, _, err := n.Repositories(n.ctx(), ci.RepositoryFilter{SortByLast: true})
	n.ok(err)
	var got []string
	for _, r := range page {
		got = append(got, r.Name())
	}
	if diff := cmp.Diff([]string{"running", "new", "old", "never"}, got); diff != "" {
		t.Fatal(diff)
	}
}

func testDeleteRepository(t *testing.T, n *node) {
	u := n.user("ines")
	r, kept := n.repository("acme/app"), n.repository("acme/kept")
	n.ok(n.SetStar(n.ctx(), u.ID, r.ID, true))
	b := n.build(r.ID, plan{stages: []string{"one"}, jobs: []ci.NewJob{job(0), job(0)}})
	other := n.build(kept.ID, plan{})
	run := n.hand(b.Jobs[0].ID, "run")
	n.append(run, part(0, "hello\n"))
	n.ok(n.DeleteRepository(n.ctx(), r.ID))

	for _, err := range []error{
		second(n.Repository(n.ctx(), r.ID, 0)), second(n.Build(n.ctx(), b.ID)), second(n.Job(n.ctx(), b.Jobs[0].ID)),
		second(n.Log(n.ctx(), b.Jobs[0].ID, 1)), second(n.Request(n.ctx(), r.ID, b.RequestID)), second(n.Attempts(n.ctx(), b.Jobs[0].ID)),
	} {
		equal(t, "code", fault.NotFound, fault.CodeOf(err))
	}
	equal(t, "the worker's run is owned", false, n.worker("w", 1, run)[0].Owned)
	equal(t, "its report is stale", true, n.report(run, ci.Passed).Stale)
	equal(t, "its log is refused", true, n.append(run, part(1, "more")).Refused)
	_, _, err := n.ClaimAttempt(n.ctx(), ci.Claim{JobID: b.Jobs[1].ID, Attempt: 1, Run: "x"})
	equal(t, "a claim is stale", true, errors.Is(err, ci.ErrStale))
	equal(t, "the other build", "queued", n.states(other.ID))
	equal(t, "number of a new build under the same name", 1, n.build(n.repository("acme/app").ID, plan{}).Number)
}

func testBranches(t *testing.T, n *node) {
	r := n.repository("acme/app")
	for range 12 {
		n.build(r.ID, plan{branch: "main"})
	}
	old := n.build(r.ID, plan{branch: "fix"})
	feature := n.build(r.ID, plan{branch: "feature"})
	n.build(r.ID, plan{branch: "v1", tag: "v1"})
	n.build(r.ID, plan{branch: "fix", event: ci.EventPullRequest})
	page, total, err := n.Branches(n.ctx(), r.ID, ci.Page{})
	n.ok(err)
	equal(t, "total", 3, total)
	var got []string
	for _, b := range page {
		got = append(got, b.Name)
	}
	if diff := cmp.Diff([]string{"main", "feature", "fix"}, got); diff != "" {
		t.Fatal(diff)
	}
	equal(t, "default", true, page[0].Default)
	equal(t, "recent", 10, len(page[0].Recent))
	equal(t, "oldest of the recent", 3, page[0].Recent[0].Number)
	equal(t, "last", 12, page[0].Last.Number)
	equal(t, "last of feature", feature.ID, page[1].Last.ID)
	fix, err := n.Branch(n.ctx(), r.ID, "fix")
	n.ok(err)
	equal(t, "last of fix", old.ID, fix.Last.ID)
	equal(t, "recent of fix", 1, len(fix.Recent))
	equal(t, "default", false, fix.Default)
	_, err = n.Branch(n.ctx(), r.ID, "none")
	equal(t, "code", fault.NotFound, fault.CodeOf(err))
}
