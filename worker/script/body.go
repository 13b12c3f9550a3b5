package script

import (
	"bytes"
	"fmt"
	"strings"
)

// body is bash text that grows line by line. Nothing is indented but the branches of an if, because a line can be the
// middle of a quoted command.
type body struct {
	buf    bytes.Buffer
	indent string
}

func (b *body) bytes() []byte { return b.buf.Bytes() }

// text adds lines as they are.
func (b *body) text(lines string) { b.buf.WriteString(lines) }

// linef adds a line.
func (b *body) linef(format string, args ...any) {
	if line := fmt.Sprintf(format, args...); line != "" {
		b.buf.WriteString(b.indent + line)
	}
	b.buf.WriteByte('\n')
}

// section begins a part of the script.
func (b *body) section(title string) {
	b.linef("")
	b.linef("# ---- %s ----", title)
}

// phase begins a phase; runtime.sh knows by it what a failure means.
func (b *body) phase(name string) {
	b.section(name)
	b.linef("headrace_phase=%s", name)
}

// say adds a line that people see in the log.
func (b *body) say(format string, args ...any) {
	b.linef("headrace_say %s", quote(fmt.Sprintf(format, args...)))
}

// step is one command of the job.
type step struct {
	fold    string // empty: not folded
	command string
	shown   string // what people see of it; empty: all
	retry   bool
}

// run adds a command: announced, run in the shell itself, judged.
func (b *body) run(s step) {
	shown := ""
	if s.shown != "" && s.shown != s.command {
		shown = " " + quote(s.shown)
	}
	fold := s.fold
	if fold == "" {
		fold = "''"
	}
	b.linef("headrace_start %s %s%s", fold, quote(s.command), shown)
	if s.retry {
		b.linef(`travis_retry eval "$TRAVIS_CMD"`)
	} else {
		b.linef(`eval "$TRAVIS_CMD"`)
	}
	b.linef("headrace_end $?")
}

// choose adds an if over the choices: the first whose test holds is written by its body. A choice without a test ends it.
func (b *body) choose(choices []choice, write func(choice)) {
	for i, c := range choices {
		switch {
		case c.test == "" && i == 0:
			write(c)
			return
		case c.test == "":
			b.linef("else")
		case i == 0:
			b.linef("if %s; then", c.test)
		default:
			b.linef("elif %s; then", c.test)
		}
		b.indent += "  "
		write(c)
		b.indent = strings.TrimSuffix(b.indent, "  ")
		if c.test == "" {
			break
		}
	}
	if len(choices) > 0 {
		b.linef("fi")
	}
}
