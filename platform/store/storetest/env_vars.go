package storetest

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/platform/ci"
)

var envVarTests = map[string]func(*testing.T, *node){
	"a variable is added, changed and deleted":                testEnvVarLife,
	"a name is taken once for a branch":                       testEnvVarTaken,
	"a variable belongs to its repository":                    testEnvVarForeign,
	"a repository has a bounded number of variables":          testEnvVarMost,
	"a job is given the secrets of its branch":                testSecretsOfBranch,
	"a pull request is given no secret":                       testSecretsOfPullRequest,
	"another cluster key opens nothing and says which it was": testEnvVarOtherKey,
	"an older key still opens what it sealed":                 testEnvVarOlderKey,
	"public variables go along with the job":                  testEnvVarsQueued,
}

func newKeys(t *testing.T) *seal.Keys {
	t.Helper()
	k, err := seal.ParseKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (n *node) envVar(v ci.NewEnvVar) ci.EnvVar {
	n.t.Helper()
	made, err := n.CreateEnvVar(n.ctx(), v)
	n.ok(err)
	return made
}

// secrets are the secret variables that a job is given, as text.
func (n *node) secrets(jobID int64) string {
	n.t.Helper()
	all, err := n.Secrets(n.ctx(), jobID)
	n.ok(err)
	var said []string
	for _, v := range all {
		said = append(said, v.Name+"="+v.Value)
	}
	return strings.Join(said, " ")
}

func testEnvVarLife(t *testing.T, n *node) {
	r := n.repository("acme/app")
	secret := n.envVar(ci.NewEnvVar{RepositoryID: r.ID, Name: "TOKEN", Value: "hunter2", Branch: "main"})
	public := n.envVar(ci.NewEnvVar{RepositoryID: r.ID, Name: "REGION", Value: "eu\nnorth", Public: true})
	equal(t, "secret value in the answer", "", secret.Value)
	equal(t, "length of the id", 36, len(secret.ID))
	list := func() []ci.EnvVar {
		t.Helper()
		all, err := n.EnvVars(n.ctx(), r.ID)
		n.ok(err)
		return all
	}
	if diff := cmp.Diff([]ci.EnvVar{public, secret}, list()); diff != "" {
		t.Fatal(diff)
	}
	n.clock.pass(time.Hour)
	name, value, everywhere, yes := "API_TOKEN", "hunter3", "", true
	renamed, err := n.UpdateEnvVar(n.ctx(), r.ID, secret.ID, ci.EnvVarChange{Name: &name, Branch: &everywhere})
	n.ok(err)
	equal(t, "set at, after a new name", secret.UpdatedAt, renamed.UpdatedAt)
	_, err = n.UpdateEnvVar(n.ctx(), r.ID, secret.ID, ci.EnvVarChange{Public: &yes})
	equal(t, "code of showing a secret", fault.Invalid, fault.CodeOf(err))
	changed, err := n.UpdateEnvVar(n.ctx(), r.ID, secret.ID, ci.EnvVarChange{Public: &yes, Value: &value})
	n.ok(err)
	want := secret
	want.Name, want.Value, want.Public, want.Branch, want.UpdatedAt = name, value, true, "", n.clock.now()
	if diff := cmp.Diff(want, changed); diff != "" {
		t.Fatal(diff)
	}
	found, err := n.EnvVar(n.ctx(), r.ID, secret.ID)
	n.ok(err)
	equal(t, "stored", want, found)
	n.ok(n.DeleteEnvVar(n.ctx(), r.ID, secret.ID))
	equal(t, "code of deleting again", fault.NotFound, fault.CodeOf(n.DeleteEnvVar(n.ctx(), r.ID, secret.ID)))
	equal(t, "left", 1, len(list()))
	n.ok(n.DeleteRepository(n.ctx(), r.ID))
	equal(t, "left of a repository that went", 0, len(list()))
}

func testEnvVarTaken(t *testing.T, n *node) {
	r := n.repository("acme/app")
	n.envVar(ci.NewEnvVar{RepositoryID: r.ID, Name: "TOKEN"})
	other := n.envVar(ci.NewEnvVar{RepositoryID: r.ID, Name: "TOKEN", Branch: "main"})
	for _, branch := range []string{"", "main"} {
		_, err := n.CreateEnvVar(n.ctx(), ci.NewEnvVar{RepositoryID: r.ID, Name: "TOKEN", Branch: branch})
		equal(t, "code", fault.Conflict, fault.CodeOf(err))
	}
	everywhere := ""
	_, err := n.UpdateEnvVar(n.ctx(), r.ID, other.ID, ci.EnvVarChange{Branch: &everywhere})
	equal(t, "code", fault.Conflict, fault.CodeOf(err))
	_, err = n.CreateEnvVar(n.ctx(), ci.NewEnvVar{RepositoryID: r.ID})
	equal(t, "code without a name", fault.Invalid, fault.CodeOf(err))
	n.envVar(ci.NewEnvVar{RepositoryID: n.repository("acme/tool").ID, Name: "TOKEN"})
}

func testEnvVarForeign(t *testing.T, n *node) {
	r, other := n.repository("acme/app"), n.repository("acme/tool")
	v := n.envVar(ci.NewEnvVar{RepositoryID: r.ID, Name: "TOKEN", Value: "hunter2"})
	value := "mine"
	_, err := n.UpdateEnvVar(n.ctx(), other.ID, v.ID, ci.EnvVarChange{Value: &value})
	equal(t, "code", fault.NotFound, fault.CodeOf(err))
	equal(t, "code", fault.NotFound, fault.CodeOf(n.DeleteEnvVar(n.ctx(), other.ID, v.ID)))
	_, err = n.EnvVar(n.ctx(), other.ID, v.ID)
	equal(t, "code", fault.NotFound, fault.CodeOf(err))
	_, err = n.CreateEnvVar(n.ctx(), ci.NewEnvVar{RepositoryID: 99, Name: "TOKEN"})
	equal(t, "code", fault.NotFound, fault.CodeOf(err))
}

func testEnvVarMost(t *testing.T, n *node) {
	r := n.repository("acme/app")
	for i := range ci.MaxEnvVars {
		n.envVar(ci.NewEnvVar{RepositoryID: r.ID, Name: "V" + strings.Repeat("_", i)})
	}
	_, err := n.CreateEnvVar(n.ctx(), ci.NewEnvVar{RepositoryID: r.ID, Name: "ONE_MORE"})
	equal(t, "code", fault.Invalid, fault.CodeOf(err))
}

func testSecretsOfBranch(t *testing.T, n *node) {
	r := n.repository("acme/app")
	for _, v := range []ci.NewEnvVar{
		{Name: "A", Value: "all"}, {Name: "A", Value: "main", Branch: "main"}, {Name: "B", Value: "next", Branch: "next"},
		{Name: "C", Value: "shown", Public: true}, {Name: "D", Value: "all"}, {Name: "D", Value: "shown", Public: true, Branch: "main"},
	} {
		v.RepositoryID = r.ID
		n.envVar(v)
	}
	n.envVar(ci.NewEnvVar{RepositoryID: n.repository("acme/tool").ID, Name: "E", Value: "other"})
	equal(t, "of main", "A=main", n.secrets(n.build(r.ID, plan{}).Jobs[0].ID))
	equal(t, "of next", "A=all B=next D=all", n.secrets(n.build(r.ID, plan{branch: "next"}).Jobs[0].ID))
	_, err := n.Secrets(n.ctx(), 99)
	equal(t, "code", fault.NotFound, fault.CodeOf(err))
}

func testSecretsOfPullRequest(t *testing.T, n *node) {
	r := n.repository("acme/app")
	n.envVar(ci.NewEnvVar{RepositoryID: r.ID, Name: "A", Value: "hunter2"})
	equal(t, "secrets", "", n.secrets(n.build(r.ID, plan{event: ci.EventPullRequest}).Jobs[0].ID))
}

func testEnvVarOtherKey(t *testing.T, n *node) {
	r := n.repository("acme/app")
	public := n.envVar(ci.NewEnvVar{RepositoryID: r.ID, Name: "REGION", Value: "eu", Public: true})
	n.envVar(ci.NewEnvVar{RepositoryID: r.ID, Name: "TOKEN", Value: "hunter2"})
	b := n.build(r.ID, plan{})
	stranger := *n
	stranger.keys = newKeys(t)
	other := stranger.another()
	_, err := other.Secrets(n.ctx(), b.Jobs[0].ID)
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(fault.Message(err), n.keys.IDs()[0]) {
		t.Fatalf("secrets: got %v, want the key %s named", err, n.keys.IDs()[0])
	}
	_, err = other.EnvVars(n.ctx(), r.ID)
	equal(t, "code of the list", fault.Unavailable, fault.CodeOf(err))
	other.worker("w", 10)
	other.queueAll()
	equal(t, "state of a job without what it needs", ci.Canceled, other.job(b.Jobs[0].ID).State)
	value := "north"
	_, err = other.UpdateEnvVar(n.ctx(), r.ID, public.ID, ci.EnvVarChange{Value: &value})
	n.ok(err) // set again, it is sealed with the key that is here
	got, err := other.EnvVar(n.ctx(), r.ID, public.ID)
	n.ok(err)
	equal(t, "value", value, got.Value)
	next := n.build(r.ID, plan{})
	other.queueAll()
	equal(t, "state of a job that has what it needs", ci.Queued, other.job(next.Jobs[0].ID).State)
}

func testEnvVarOlderKey(t *testing.T, n *node) {
	old, fresh := seal.NewKey(), seal.NewKey()
	var err error
	before := *n
	before.keys, err = seal.ParseKeys(old)
	n.ok(err)
	r := n.repository("acme/app")
	v := before.another().envVar(ci.NewEnvVar{RepositoryID: r.ID, Name: "REGION", Value: "eu", Public: true})
	after := *n
	after.keys, err = seal.ParseKeys(fresh + "," + old)
	n.ok(err)
	got, err := after.another().EnvVar(n.ctx(), r.ID, v.ID)
	n.ok(err)
	equal(t, "value", "eu", got.Value)
}

func testEnvVarsQueued(t *testing.T, n *node) {
	r := n.repository("acme/app")
	for _, v := range []ci.NewEnvVar{
		{Name: "REGION", Value: "eu", Public: true}, {Name: "REGION", Value: "us", Public: true, Branch: "next"}, {Name: "TOKEN", Value: "hunter2"},
	} {
		v.RepositoryID = r.ID
		n.envVar(v)
	}
	n.build(r.ID, plan{})
	n.worker("w", 10)
	var got []ci.EnvVar
	_, _, err := n.QueueJobs(n.ctx(), 10, func(q ci.QueuedJob) ([]byte, error) {
		got = q.EnvVars
		return encode(q)
	})
	n.ok(err)
	if len(got) != 1 || got[0].Name != "REGION" || got[0].Value != "eu" {
		t.Fatalf("got %+v", got)
	}
}
