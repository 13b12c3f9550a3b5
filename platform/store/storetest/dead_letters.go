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

var deadLetterTests = map[string]func(*testing.T, *node){
	"a dead letter is kept, listed and deleted":         testDeadLetter,
	"the same message again is one dead letter":         testDeadLetterAgain,
	"a dead letter that was cut cannot go back":         testDeadLetterCut,
	"the newest thousand dead letters are kept":         testDeadLettersBounded,
	"one node sends a dead letter that is to be sent":   testDeadLetterToSend,
	"a dead letter that comes back at once is not lost": testDeadLetterBack,
}

func letter(body string) ci.DeadLetter {
	return ci.DeadLetter{
		Queue: "reporting.jobs.builds", Type: "job:test:finish", ContentType: "application/json",
		Headers: map[string]string{"b": "2\x00", "a": "1"}, Body: []byte(body), Reason: "it says nothing\x00",
	}
}

func (n *node) letters() []ci.DeadLetter {
	n.t.Helper()
	found, total, err := n.DeadLetters(n.ctx(), ci.Page{Limit: 100})
	n.ok(err)
	equal(n.t, "total", len(found), total)
	return found
}

func testDeadLetter(t *testing.T, n *node) {
	n.ok(n.AddDeadLetter(n.ctx(), letter("\x00\xff")))
	n.clock.pass(time.Second)
	n.ok(n.AddDeadLetter(n.ctx(), ci.DeadLetter{}))
	list := n.letters()
	equal(t, "letters", 2, len(list))
	want := letter("\x00\xff")
	want.ID, want.Size, want.Whole, want.Tries, want.Reason = list[1].ID, 2, true, 1, "it says nothing\uFFFD"
	want.FirstAt = n.clock.now().Add(-time.Second)
	want.LastAt = want.FirstAt
	got, err := n.DeadLetter(n.ctx(), list[1].ID)
	n.ok(err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	want.Body = nil
	if diff := cmp.Diff(want, list[1]); diff != "" {
		t.Fatal(diff)
	}
	n.ok(n.DeleteDeadLetter(n.ctx(), want.ID))
	for what, err := range map[string]error{
		"delete": n.DeleteDeadLetter(n.ctx(), want.ID), "requeue": n.RequeueDeadLetter(n.ctx(), want.ID),
		"read": func() error { _, err := n.DeadLetter(n.ctx(), want.ID); return err }(),
	} {
		equal(t, what, fault.NotFound, fault.CodeOf(err))
	}
	equal(t, "left", 1, len(n.letters()))
	all, err := n.DeleteDeadLetters(n.ctx())
	n.ok(err)
	equal(t, "deleted", 1, all)
	equal(t, "left", 0, len(n.letters()))
}

func testDeadLetterAgain(t *testing.T, n *node) {
	first := n.clock.now()
	n.ok(n.AddDeadLetter(n.ctx(), letter("x")))
	n.clock.pass(time.Minute)
	again := letter("x")
	again.Reason = "another reason"
	n.ok(n.AddDeadLetter(n.ctx(), again))
	for _, other := range []func(*ci.DeadLetter){
		func(d *ci.DeadLetter) { d.Queue = "another" }, func(d *ci.DeadLetter) { d.Type = "another" },
		func(d *ci.DeadLetter) { d.Headers = nil }, func(d *ci.DeadLetter) { d.Body = nil },
	} {
		d := letter("x")
		other(&d)
		n.ok(n.AddDeadLetter(n.ctx(), d))
	}
	list := n.letters()
	equal(t, "letters", 5, len(list))
	last := list[4]
	equal(t, "tries", 2, last.Tries)
	equal(t, "reason", "another reason", last.Reason)
	equal(t, "first seen", first, last.FirstAt)
	equal(t, "last seen", n.clock.now(), last.LastAt)
}

func testDeadLetterCut(t *testing.T, n *node) {
	long := strings.Repeat("x", 64<<10)
	n.ok(n.AddDeadLetter(n.ctx(), letter(long)))
	n.ok(n.RequeueDeadLetter(n.ctx(), n.letters()[0].ID))
	wide := letter("y")
	wide.Headers = map[string]string{"a": long}
	part := letter("z")
	part.Size = 2
	for name, d := range map[string]ci.DeadLetter{"body": letter(long + "x"), "headers": wide, "already cut": part} {
		n.clock.pass(time.Second)
		n.ok(n.AddDeadLetter(n.ctx(), d))
		kept := n.letters()[0]
		equal(t, name, max(len(d.Body), d.Size), kept.Size)
		equal(t, name, false, kept.Whole)
		equal(t, name, fault.Conflict, fault.CodeOf(n.RequeueDeadLetter(n.ctx(), kept.ID)))
		whole, err := n.DeadLetter(n.ctx(), kept.ID)
		n.ok(err)
		equal(t, name, min(len(d.Body), 64<<10), len(whole.Body))
	}
}

func testDeadLettersBounded(t *testing.T, n *node) {
	for i := range 1003 {
		if i == 1001 {
			n.ok(n.AddDeadLetter(n.ctx(), letter("1")))
		}
		n.clock.pass(time.Millisecond)
		n.ok(n.AddDeadLetter(n.ctx(), letter(fmt.Sprint(i))))
	}
	_, total, err := n.DeadLetters(n.ctx(), ci.Page{})
	n.ok(err)
	equal(t, "kept", 1000, total)
	oldest, _, err := n.DeadLetters(n.ctx(), ci.Page{Limit: 100, Offset: 900})
	n.ok(err)
	first, err := n.DeadLetter(n.ctx(), oldest[len(oldest)-1].ID)
	n.ok(err)
	equal(t, "the oldest that is kept; 1 was seen again", "4", string(first.Body))
}

func testDeadLetterToSend(t *testing.T, n *node) {
	other := n.another()
	n.ok(n.AddDeadLetter(n.ctx(), letter("x")))
	send := func(from *node) int {
		t.Helper()
		due, err := from.DeadLettersToSend(n.ctx(), 10)
		n.ok(err)
		for _, d := range due {
			equal(t, "body", "x", string(d.Body))
		}
		return len(due)
	}
	equal(t, "before anybody asks", 0, send(n))
	id := n.letters()[0].ID
	n.ok(n.RequeueDeadLetter(n.ctx(), id))
	equal(t, "marked", true, n.letters()[0].Requeued)
	equal(t, "to one node", 1, send(n))
	n.ok(n.RequeueDeadLetter(n.ctx(), id))
	equal(t, "to another", 0, send(other))
	n.clock.pass(31 * time.Second)
	equal(t, "to another, when the first does not do it", 1, send(other))
	n.ok(n.DeadLetterSent(n.ctx(), id))
	equal(t, "left", 0, len(n.letters()))
}

func testDeadLetterBack(t *testing.T, n *node) {
	n.ok(n.AddDeadLetter(n.ctx(), letter("x")))
	id := n.letters()[0].ID
	n.ok(n.RequeueDeadLetter(n.ctx(), id))
	_, err := n.DeadLettersToSend(n.ctx(), 10)
	n.ok(err)
	n.ok(n.AddDeadLetter(n.ctx(), letter("x")))
	n.ok(n.DeadLetterSent(n.ctx(), id))
	list := n.letters()
	equal(t, "left", 1, len(list))
	equal(t, "tries", 2, list[0].Tries)
	equal(t, "marked", false, list[0].Requeued)
}
