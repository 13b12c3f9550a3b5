package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

var userTests = map[string]func(*testing.T, *node){
	"a login is taken in whatever case":                       testLoginTaken,
	"a user is found by id and login":                         testFindUser,
	"a new password begins a new epoch":                       testPassword,
	"a token is found by its hash and its use noted at times": testToken,
	"a token is deleted by its owner only":                    testDeleteToken,
	"a session lives until it expires":                        testSession,
}

func testLoginTaken(t *testing.T, n *node) {
	n.user("Ines")
	_, err := n.CreateUser(n.ctx(), ci.NewUser{Login: "iNES"})
	equal(t, "code", fault.Conflict, fault.CodeOf(err))
	count, err := n.CountUsers(n.ctx())
	n.ok(err)
	equal(t, "users", 1, count)
}

func testFindUser(t *testing.T, n *node) {
	n.user("zoe")
	want, err := n.CreateUser(n.ctx(), ci.NewUser{Login: "Ines", Name: "Inês\x00", Email: "i@example.org", Admin: true, PasswordHash: "$argon2id$x"})
	n.ok(err)
	equal(t, "name", "Inês\uFFFD", want.Name)
	equal(t, "time", n.clock.now(), want.CreatedAt)
	got, err := n.User(n.ctx(), want.ID)
	n.ok(err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	got, hash, err := n.UserByLogin(n.ctx(), " INES ")
	n.ok(err)
	equal(t, "hash", "$argon2id$x", hash)
	equal(t, "user", want, got)
	all, err := n.Users(n.ctx())
	n.ok(err)
	equal(t, "users", 2, len(all))
	equal(t, "first by login", "Ines", all[0].Login)
	_, err = n.User(n.ctx(), 99)
	equal(t, "code", fault.NotFound, fault.CodeOf(err))
	_, _, err = n.UserByLogin(n.ctx(), "nobody")
	equal(t, "code", fault.NotFound, fault.CodeOf(err))
}

func testPassword(t *testing.T, n *node) {
	u := n.user("ines")
	before, err := n.UserEpoch(n.ctx(), u.ID)
	n.ok(err)
	n.ok(n.SetPassword(n.ctx(), u.ID, "new"))
	after, err := n.UserEpoch(n.ctx(), u.ID)
	n.ok(err)
	equal(t, "epoch", before+1, after)
	_, hash, err := n.UserByLogin(n.ctx(), "ines")
	n.ok(err)
	equal(t, "hash", "new", hash)
	equal(t, "code", fault.NotFound, fault.CodeOf(n.SetPassword(n.ctx(), 99, "x")))
}

func testToken(t *testing.T, n *node) {
	u := n.user("ines")
	made, err := n.CreateToken(n.ctx(), u.ID, "laptop", []byte{0, 1, 0xff})
	n.ok(err)
	if !made.UsedAt.IsZero() {
		t.Fatalf("a new token was used at %v", made.UsedAt)
	}
	use := func() time.Time {
		t.Helper()
		owner, token, err := n.UserByToken(n.ctx(), []byte{0, 1, 0xff})
		n.ok(err)
		equal(t, "owner", u, owner)
		all, err := n.Tokens(n.ctx(), u.ID)
		n.ok(err)
		equal(t, "noted", token.UsedAt, all[0].UsedAt)
		return token.UsedAt
	}
	first := use()
	equal(t, "first use", n.clock.now(), first)
	n.clock.pass(59 * time.Second)
	equal(t, "use within a minute", first, use())
	n.clock.pass(time.Second)
	equal(t, "use after a minute", n.clock.now(), use())
	_, _, err = n.UserByToken(n.ctx(), []byte{0, 1})
	equal(t, "code", fault.NotFound, fault.CodeOf(err))
	_, err = n.CreateToken(n.ctx(), 99, "x", []byte{7})
	equal(t, "code", fault.NotFound, fault.CodeOf(err))
}

func testDeleteToken(t *testing.T, n *node) {
	u, other := n.user("ines"), n.user("omar")
	token, err := n.CreateToken(n.ctx(), u.ID, "laptop", []byte{1})
	n.ok(err)
	equal(t, "code", fault.NotFound, fault.CodeOf(n.DeleteToken(n.ctx(), other.ID, token.ID)))
	n.ok(n.DeleteToken(n.ctx(), u.ID, token.ID))
	_, _, err = n.UserByToken(n.ctx(), []byte{1})
	equal(t, "code", fault.NotFound, fault.CodeOf(err))
}

func testSession(t *testing.T, n *node) {
	end := n.clock.now().Add(time.Hour)
	n.ok(n.CommitCtx(n.ctx(), "a", []byte("one"), end))
	n.ok(n.CommitCtx(n.ctx(), "a", []byte{0, 2}, end))
	n.ok(n.CommitCtx(n.ctx(), "b", []byte("b"), end.Add(time.Hour)))
	data, found, err := n.FindCtx(n.ctx(), "a")
	n.ok(err)
	equal(t, "found", true, found)
	equal(t, "data", "\x00\x02", string(data))
	n.clock.pass(time.Hour)
	for range 2 {
		data, found, err = n.FindCtx(n.ctx(), "a")
		n.ok(err)
		equal(t, "found after the end", false, found)
		equal(t, "data", 0, len(data))
		n.ok(n.SweepSessions(n.ctx()))
	}
	_, found, err = n.FindCtx(n.ctx(), "b")
	n.ok(err)
	equal(t, "found", true, found)
	n.ok(n.DeleteCtx(n.ctx(), "b"))
	n.ok(n.DeleteCtx(n.ctx(), "b"))
	_, found, err = n.FindCtx(n.ctx(), "b")
	n.ok(err)
	equal(t, "found", false, found)
}
