package spool_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/worker/spool"
)

func TestSpool_fullHoldsWritersUp(t *testing.T) {
	t.Parallel()
	const size = 100_000
	for name, free := range map[string]func(*spool.Tape){
		"until something is stored": func(tape *spool.Tape) {
			tape.Confirm(broker.RunStatus{Run: key, Owned: true, Next: 100})
		},
		"but not one whose process ends": (*spool.Tape).Unbound,
		"but not one that is dropped":    (*spool.Tape).Drop,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				pressed := 0
				b := open(t, spool.Config{Bytes: size, Pressed: func() { pressed++ }}, spool.Headrace)
				b.write(t, strings.Repeat("x", size/2))
				if pressed != 0 {
					t.Error("half full is said to be pressing")
				}
				b.write(t, strings.Repeat("x", size/2))
				if pressed == 0 || b.spool.Used() != size {
					t.Errorf("pressed %d times, %d bytes used", pressed, b.spool.Used())
				}
				wrote := make(chan struct{})
				go func() {
					defer close(wrote)
					b.write(t, "y")
				}()
				pass(time.Hour)
				select {
				case <-wrote:
					t.Error("a write went on although the spool is full")
				default:
				}
				b.tape.Say("words of the worker need no room")
				free(b.tape)
				<-wrote
				b.tape.Drop()
				if used := b.spool.Used(); used != 0 {
					t.Errorf("%d bytes are kept of what was dropped", used)
				}
			})
		})
	}
}
