package logview

import (
	"strconv"
	"strings"
)

// sgr is the state of colours and weights at a place in the log.
type sgr struct {
	fg, bg string // as parameters, "31" or "38;5;120"; empty: the default
	flags  uint16 // bit n: parameter n is on, for 1 to 9
}

// seq is the escape sequence that sets the state from any other.
func (s sgr) seq() string {
	if s == (sgr{}) {
		return "\x1b[0m"
	}
	return "\x1b[0;" + s.params() + "m"
}

// params are the parameters that set the state from the default; empty for the default.
func (s sgr) params() string {
	var all []string
	for n := 1; n <= 9; n++ {
		if s.flags&(1<<n) != 0 {
			all = append(all, strconv.Itoa(n))
		}
	}
	if s.fg != "" {
		all = append(all, s.fg)
	}
	if s.bg != "" {
		all = append(all, s.bg)
	}
	return strings.Join(all, ";")
}

// apply changes the state by the parameters of a sequence. Unknown ones change nothing.
func (s *sgr) apply(params string) {
	fields := strings.FieldsFunc(params, func(r rune) bool { return r == ';' || r == ':' })
	if len(fields) == 0 && params == "" {
		*s = sgr{}
		return
	}
	for i := 0; i < len(fields); i++ {
		n, err := strconv.Atoi(fields[i])
		if err != nil {
			continue
		}
		if n == 38 || n == 48 {
			color, used := extended(n, fields[i+1:])
			if n == 38 && color != "" {
				s.fg = color
			} else if color != "" {
				s.bg = color
			}
			i += used
			continue
		}
		s.set(n)
	}
}

func (s *sgr) set(n int) {
	off := func(bits ...int) {
		for _, b := range bits {
			s.flags &^= 1 << b
		}
	}
	switch {
	case n == 0:
		*s = sgr{}
	case n == 1 || n == 2:
		off(1, 2)
		s.flags |= 1 << n
	case n == 3 || n == 4 || n == 9:
		s.flags |= 1 << n
	case n == 21 || n == 22:
		off(1, 2)
	case n == 23 || n == 24 || n == 29:
		off(n - 20)
	case n == 39:
		s.fg = ""
	case n == 49:
		s.bg = ""
	case n >= 30 && n <= 37 || n >= 90 && n <= 97:
		s.fg = strconv.Itoa(n)
	case n >= 40 && n <= 47 || n >= 100 && n <= 107:
		s.bg = strconv.Itoa(n)
	}
}

// extended reads what follows 38 or 48: 5;n of the palette, or 2;r;g;b, which becomes the nearest of the palette.
func extended(kind int, rest []string) (color string, used int) {
	num := func(i int) (int, bool) {
		if i >= len(rest) {
			return 0, false
		}
		n, err := strconv.Atoi(rest[i])
		return n, err == nil && n >= 0 && n <= 255
	}
	name := func(n int) string { return strconv.Itoa(kind) + ";5;" + strconv.Itoa(n) }
	mode, _ := num(0)
	switch mode {
	case 5:
		if n, ok := num(1); ok {
			return palette(kind, n, name), 2
		}
		return "", min(2, len(rest))
	case 2:
		r, okR := num(1)
		g, okG := num(2)
		b, okB := num(3)
		if okR && okG && okB {
			return name(nearest(r, g, b)), 4
		}
		return "", min(4, len(rest))
	}
	return "", min(1, len(rest))
}

// palette names the first sixteen colours like the plain ones, so that one rule of the stylesheet serves both.
func palette(kind, n int, name func(int) string) string {
	switch {
	case n < 8:
		return strconv.Itoa(kind - 8 + n)
	case n < 16:
		return strconv.Itoa(kind + 52 + n - 8)
	}
	return name(n)
}

// nearest is the colour of the 6x6x6 cube next to a true one.
func nearest(r, g, b int) int {
	step := func(v int) int {
		if v < 48 {
			return 0
		}
		return min(max((v-35)/40, 1), 5)
	}
	return 16 + 36*step(r) + 6*step(g) + step(b)
}
