package spool

import (
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/headrace/headrace/broker"
)

// item is a state or a log part that is not stored yet. On the wire it is a message; in the foreign form a part is several.
type item struct {
	seq   int
	cost  int64 // what it took of the budget
	state string
	part  int             // its number; -1: a state
	said  *broker.Message // of a state

	text    []byte // of a part, while it is in memory
	size    int    // of the text
	final   bool
	elapsed time.Duration
	first   int // number of its first message in the foreign form
	at      place
}

func (t *Tape) partOf(i item, text []byte) broker.LogPart {
	return broker.LogPart{
		JobID: t.key.JobID, Attempt: t.key.Attempt, Run: t.key.Run, Number: i.part,
		Content: text, Elapsed: i.elapsed, Final: i.final,
	}
}

// messages are what says the item; none when it is not needed any more.
func (t *Tape) messages(i item) ([]broker.Message, error) {
	if i.said != nil {
		return []broker.Message{*i.said}, nil
	}
	text, needed := t.load(i)
	switch {
	case !needed:
		return nil, nil
	case t.form == Headrace:
		return []broker.Message{t.partOf(i, text).Message()}, nil
	}
	return t.partOf(i, text).TextMessages(i.first)
}

// load gives the text of a part, from the disk where it is only there. Text that cannot be read back is named in its place.
func (t *Tape) load(i item) (text []byte, needed bool) {
	if i.text != nil || i.size == 0 {
		return i.text, true
	}
	text, err := i.at.read()
	if err == nil && len(text) == i.size {
		return text, true
	}
	t.mu.Lock()
	n := t.index(i.seq)
	needed = n < len(t.items) && t.items[n].seq == i.seq
	t.mu.Unlock()
	if needed {
		t.spool.cfg.Log.Error("output of a job cannot be read back from the spool; the log says so", "job_id", t.key.JobID, "attempt", t.key.Attempt,
			"part", i.part, "bytes", i.size, "file", i.at.segment.path, "err", err)
	}
	return fmt.Appendf(nil, "\n[%d bytes of output are missing here: the worker could not read them back from its disk.]\n", i.size), needed
}

// index is where the first item from seq on stands. The caller holds t.mu.
func (t *Tape) index(seq int) int {
	return sort.Search(len(t.items), func(n int) bool { return t.items[n].seq >= seq })
}

// append takes an item in. The caller holds t.mu.
func (t *Tape) append(i item) {
	if t.over || t.ended {
		t.spool.budget.give(i.cost)
		return
	}
	i.seq = t.nextSeq
	t.nextSeq++
	t.items = append(t.items, i)
	t.spool.memory.force(int64(len(i.text)))
	t.save()
	t.wake.Wake()
}

// save writes to disk what is not there, in order, and lets memory go that is more than there should be. Without a disk
// everything stays in memory. The caller holds t.mu.
func (t *Tape) save() {
	if t.journal == nil {
		return
	}
	for n := t.index(t.unsaved); n < len(t.items); n++ {
		i := &t.items[n]
		body := i.text
		if i.said != nil {
			body = i.said.Body
		}
		p, err := t.journal.write(record{Seq: i.seq, Part: i.part, State: i.state, Final: i.final, Elapsed: i.elapsed}, body)
		t.spool.noteDisk(err)
		if err != nil {
			return
		}
		around := p.size - int64(len(body))
		t.spool.budget.force(around)
		i.at, i.cost, t.unsaved = p, i.cost+around, i.seq+1
		if t.spool.memory.over() {
			t.spool.memory.give(int64(len(i.text)))
			i.text = nil
		}
	}
}

// release gives back what an item holds, and its budget.
func (t *Tape) release(i item) (cost int64) {
	t.spool.memory.give(int64(len(i.text)))
	if t.journal != nil {
		t.journal.forget(i.at)
	}
	return i.cost
}

// remove forgets what is stored and says whether there was any. The caller holds t.mu.
func (t *Tape) remove(stored func(item) bool) bool {
	var cost int64
	before := len(t.items)
	t.items = slices.DeleteFunc(t.items, func(i item) bool {
		if !stored(i) {
			return false
		}
		cost += t.release(i)
		return true
	})
	t.spool.budget.give(cost)
	return len(t.items) < before
}

// sync brings what was said so far safely to the disk. What a broken disk does not take is still sent.
func (t *Tape) sync() {
	t.mu.Lock()
	if t.journal == nil || t.over || t.journal.last == 0 {
		t.mu.Unlock()
		return
	}
	paths := t.journal.paths()
	t.mu.Unlock()
	if err := syncAll(paths); err != nil {
		t.spool.cfg.Log.Warn("reports of a job are not safely on the worker's disk; they are sent all the same", "job_id", t.key.JobID, "err", err)
	}
}
