package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

var cacheTests = map[string]func(*testing.T, *node){
	"the first branch that has a cache gives it":        testCacheFound,
	"a cache is replaced and its bytes become trash":    testCacheReplaced,
	"bytes that nobody puts become trash":               testCacheAbandoned,
	"caches are listed and deleted by branch and name":  testCachesDeleted,
	"what was not used for longest is removed first":    testCachesTrimmed,
	"what nobody uses is removed, and of no repository": testCachesUnused,
	"nodes that put the same cache at once leave one":   testCacheRace,
	"a job's branches are its own, the base and main":   testCacheJob,
}

// keep stores a cache as a node does.
func (n *node) keep(x ci.Cache) {
	n.t.Helper()
	n.ok(n.ReserveBlob(n.ctx(), x.Place, x.Blob, n.clock.now().Add(time.Hour)))
	n.ok(n.PutCache(n.ctx(), x))
}

func (n *node) cache(repo int64, branch, blob string, size int64) ci.Cache {
	return ci.Cache{RepositoryID: repo, Branch: branch, Name: "cache-linux", Place: "here", Blob: blob, Size: size, SHA256: "5a", Address: "https://n1.example", Pin: "p"}
}

// kept are the blobs of all caches of the repository, and the trash of the place.
func (n *node) kept(repo int64, f ci.CacheFilter) string {
	n.t.Helper()
	f.RepositoryID = repo
	all, err := n.Caches(n.ctx(), f)
	n.ok(err)
	trash, err := n.CacheTrash(n.ctx(), "here")
	n.ok(err)
	var blobs []string
	for _, x := range all {
		blobs = append(blobs, x.Blob)
	}
	return strings.Join(blobs, " ") + " | " + strings.Join(trash, " ")
}

func (n *node) same(want, got any) {
	n.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		n.t.Errorf("(-want +got):\n%s", diff)
	}
}

func testCacheFound(_ *testing.T, n *node) {
	r := n.repository("acme/app").ID
	want := n.cache(r, "main", "a", 3)
	n.keep(want)
	n.keep(n.cache(n.repository("acme/other").ID, "dev", "b", 3))
	x, err := n.FindCache(n.ctx(), r, "cache-linux", []string{"dev", "main"})
	n.ok(err)
	want.ID, want.Stored, want.Used = x.ID, n.clock.now(), n.clock.now()
	n.same(want, x)
	n.keep(n.cache(r, "dev", "c", 3))
	x, err = n.FindCache(n.ctx(), r, "cache-linux", []string{"dev", "main"})
	n.ok(err)
	n.same("c", x.Blob)
	for _, ask := range [][]string{nil, {"nope"}} {
		if _, err := n.FindCache(n.ctx(), r, "cache-linux", ask); !fault.Is(err, fault.NotFound) {
			n.t.Errorf("of %v: %v", ask, err)
		}
	}
}

func testCacheReplaced(_ *testing.T, n *node) {
	r := n.repository("acme/app").ID
	n.keep(n.cache(r, "main", "a", 3))
	n.keep(n.cache(r, "main", "b", 3))
	n.same("b | a", n.kept(r, ci.CacheFilter{}))
	n.ok(n.ForgetBlob(n.ctx(), "a"))
	n.same("b | ", n.kept(r, ci.CacheFilter{}))
}

func testCacheAbandoned(_ *testing.T, n *node) {
	r := n.repository("acme/app").ID
	n.ok(n.ReserveBlob(n.ctx(), "here", "a", n.clock.now().Add(time.Hour)))
	n.same(" | ", n.kept(r, ci.CacheFilter{}))
	n.clock.pass(time.Hour)
	n.same(" | a", n.kept(r, ci.CacheFilter{}))
	n.ok(n.ForgetBlob(n.ctx(), "a"))
	if err := n.PutCache(n.ctx(), n.cache(r, "main", "a", 1)); !fault.Is(err, fault.NotFound) {
		n.t.Errorf("bytes that were removed made a cache: %v", err)
	}
	if err := n.PutCache(n.ctx(), n.cache(r+100, "main", "b", 1)); !fault.Is(err, fault.NotFound) {
		n.t.Errorf("a cache of no repository: %v", err)
	}
}

func testCachesDeleted(_ *testing.T, n *node) {
	r := n.repository("acme/app").ID
	for i, branch := range []string{"dev", "main", "PR.1"} {
		for _, name := range []string{"cache-linux--a_b", "cache-linux--aXb"} {
			x := n.cache(r, branch, fmt.Sprint(name[len(name)-3:], i), 1)
			x.Name = name
			n.keep(x)
		}
	}
	n.same("a_b2 a_b0 a_b1 | ", n.kept(r, ci.CacheFilter{Match: "A_b"}))
	gone, err := n.DeleteCaches(n.ctx(), ci.CacheFilter{RepositoryID: r, Branch: "dev"})
	n.ok(err)
	n.same(2, len(gone))
	gone, err = n.DeleteCaches(n.ctx(), ci.CacheFilter{RepositoryID: r, ID: n.mustFind(r, "cache-linux--a_b", "main").ID})
	n.ok(err)
	n.same(1, len(gone))
	n.same("a_b2 | aXb0 a_b0 a_b1", n.kept(r, ci.CacheFilter{Branch: "PR.1", Match: "_"}))
}

func (n *node) mustFind(repo int64, name string, branches ...string) ci.Cache {
	n.t.Helper()
	x, err := n.FindCache(n.ctx(), repo, name, branches)
	n.ok(err)
	return x
}

func testCachesTrimmed(_ *testing.T, n *node) {
	r := n.repository("acme/app").ID
	for _, branch := range []string{"a", "b", "c"} {
		n.keep(n.cache(r, branch, branch, 10))
		n.clock.pass(time.Minute)
	}
	n.ok(n.UseCache(n.ctx(), n.mustFind(r, "cache-linux", "a").ID))
	elsewhere := n.cache(r, "d", "d", 1000)
	elsewhere.Place = "there"
	n.keep(elsewhere)
	for total, want := range map[int64]string{30: "a b c d | ", 29: "a c d | b", 10: "a d | b c", 9: "d | a b c"} {
		_ = want
		_ = total
	}
	for _, c := range []struct {
		total int64
		want  string
	}{{30, "a b c d | "}, {29, "a c d | b"}, {10, "a d | b c"}, {9, "d | b c a"}} {
		_, err := n.TrimCaches(n.ctx(), "here", ci.CacheLimits{Total: c.total})
		n.ok(err)
		n.same(c.want, n.kept(r, ci.CacheFilter{}))
		n.clock.pass(time.Second)
	}
}

func testCachesUnused(_ *testing.T, n *node) {
	r, other := n.repository("acme/app").ID, n.repository("acme/other").ID
	n.keep(n.cache(r, "a", "a", 1))
	n.keep(n.cache(other, "o", "o", 1))
	n.clock.pass(time.Hour)
	n.keep(n.cache(r, "b", "b", 1))
	n.ok(n.DeleteRepository(n.ctx(), other))
	removed, err := n.TrimCaches(n.ctx(), "here", ci.CacheLimits{Total: 100, Unused: time.Minute})
	n.ok(err)
	n.same(2, removed)
	n.same("b | a o", n.kept(r, ci.CacheFilter{}))
	removed, err = n.TrimCaches(n.ctx(), "here", ci.CacheLimits{Total: 100})
	n.ok(err)
	n.same(0, removed)
}

func testCacheRace(_ *testing.T, n *node) {
	r := n.repository("acme/app").ID
	n.atOnce(8, func(n *node, i int) error {
		x := n.cache(r, "main", fmt.Sprint("blob", i), 1)
		if err := n.ReserveBlob(n.ctx(), x.Place, x.Blob, n.clock.now().Add(time.Hour)); err != nil {
			return err
		}
		return n.PutCache(n.ctx(), x)
	})
	all, err := n.Caches(n.ctx(), ci.CacheFilter{RepositoryID: r})
	n.ok(err)
	trash, err := n.CacheTrash(n.ctx(), "here")
	n.ok(err)
	n.same([]int{1, 7}, []int{len(all), len(trash)})
}

func testCacheJob(_ *testing.T, n *node) {
	r := n.repository("acme/app")
	b := n.build(r.ID, plan{})
	pulled, err := n.CacheJob(n.ctx(), n.build(r.ID, plan{event: ci.EventPullRequest, pull: 7}).Jobs[0].ID)
	n.ok(err)
	n.same("PR.7 false", fmt.Sprint(pulled.Own(), " ", pulled.Trusted))
	j, err := n.CacheJob(n.ctx(), b.Jobs[0].ID)
	n.ok(err)
	n.same(r.ID, j.RepositoryID)
	n.same("main", j.DefaultBranch)
	if !j.Trusted || len(j.Config) == 0 {
		n.t.Errorf("it is %+v", j)
	}
	if _, err := n.CacheJob(n.ctx(), 4711); !fault.Is(err, fault.NotFound) {
		n.t.Errorf("of no job: %v", err)
	}
	j.Branch, j.PullRequest = "dev", 5
	n.same([]string{"PR.5", "dev", "main"}, j.Branches())
	j.Branch, j.PullRequest = "main", 0
	n.same([]string{"main"}, j.Branches())
	n.same("main", j.Own())
}
