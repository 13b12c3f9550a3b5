package docker

import (
	"fmt"
	"strings"
	"time"

	"github.com/headrace/headrace/worker/executor"
)

// letter is what the first process of a container reads: a line with the mark of its end, a line of variables, the script.
func letter(mark string, s executor.Spec, linger time.Duration) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d %d\n", mark, len(s.Script), linger.Milliseconds())
	b.WriteByte(':') // a command that does nothing
	for _, v := range s.Env {
		b.WriteString("; export ")
		b.WriteString(quoted(v))
	}
	b.WriteByte('\n')
	b.Write(s.Script)
	return []byte(b.String())
}

// quoted is one word of the shell in one line.
func quoted(s string) string {
	var b strings.Builder
	b.WriteString("$'")
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\'' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('\'')
	return b.String()
}
