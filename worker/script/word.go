package script

import "strings"

// quote returns text as one bash word that means exactly that text. NUL bytes, which no shell variable can hold, are left
// out.
func quote(text string) string {
	text = strings.ReplaceAll(text, "\x00", "")
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// word returns text unquoted where bash would read it as just that, else quoted.
func word(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:=@%+,", r)
	}
	if text == "" || strings.TrimFunc(text, plain) != "" {
		return quote(text)
	}
	return text
}

// envWord returns the value of a variable of .travis.yml as one bash word. A value is bash, as written: quotes, $HOME and
// $(date) keep their meaning. One that would be more than a word (it came from a map, where YAML needs no quotes) is put
// in double quotes, its own quotes kept as characters; one that bash could not read at all is taken literally.
func envWord(value string) string {
	value = strings.ReplaceAll(value, "\x00", "")
	s := scanner{text: value}
	switch s.word() {
	case oneWord:
		return value
	case severalWords:
		quoted := doubleQuote(value)
		if d := (scanner{text: quoted}); d.word() == oneWord {
			return quoted
		}
	}
	return quote(value)
}

// splitWords splits text at white space that stands outside of quotes and groups, as bash would.
func splitWords(text string) []string {
	var list []string
	s := scanner{text: text}
	start := 0
	cut := func() {
		if start < s.pos {
			list = append(list, text[start:s.pos])
		}
	}
	for s.pos < len(text) {
		switch c := text[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			cut()
			s.pos++
			start = s.pos
		case '\\':
			s.pos = min(s.pos+2, len(text))
		case '\'', '"':
			if !s.quoted() {
				s.pos = len(text)
			}
		case '$', '`':
			if !s.expansion() {
				s.pos = len(text)
			}
		default:
			s.pos++
		}
	}
	cut()
	return list
}

// doubleQuote puts a value in double quotes, in which $, $(…), `…` and escapes of these keep their meaning.
func doubleQuote(value string) string {
	var b strings.Builder
	b.WriteByte('"')
	s := scanner{text: value}
	for s.pos < len(value) {
		start := s.pos
		switch c := value[s.pos]; {
		case c == '"':
			b.WriteByte('\\')
			s.pos++
		case c == '\\' && s.pos+1 == len(value):
			b.WriteByte('\\')
			s.pos++
		case c == '\\':
			s.pos += 2
		case c == '`' || c == '$':
			s.expansionInQuotes()
		default:
			s.pos++
		}
		s.pos = min(s.pos, len(value))
		b.WriteString(value[start:s.pos])
	}
	b.WriteByte('"')
	return b.String()
}

// shape is what bash would make of a value that stands unquoted after NAME=.
type shape int

const (
	oneWord      shape = iota
	severalWords       // white space, or a character that ends a command, outside of quotes
	unreadable         // a quote or a group has no end
)

// scanner walks over bash text. Its methods stand at the beginning of a thing and move behind it; they answer false where
// the thing has no end.
type scanner struct {
	text string
	pos  int
}

// word tells the shape of the whole text.
func (s *scanner) word() shape {
	result := oneWord
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; c {
		case ' ', '\t', '\n', '\r', ';', '&', '|', '<', '>', '(', ')', '{', '}':
			result = severalWords
			s.pos++
		case '\\':
			if s.pos+1 == len(s.text) {
				return severalWords
			}
			s.pos += 2
		case '\'', '"':
			if !s.quoted() {
				return severalWords
			}
		case '$', '`':
			if !s.expansion() {
				return unreadable
			}
		default:
			s.pos++
		}
	}
	return result
}

// quoted skips '…' or "…".
func (s *scanner) quoted() bool {
	if s.text[s.pos] == '\'' {
		return s.until('\'', false)
	}
	for s.pos++; s.pos < len(s.text); {
		switch s.text[s.pos] {
		case '"':
			s.pos++
			return true
		case '\\':
			s.pos += 2
		case '$', '`':
			if !s.expansionInQuotes() {
				return false
			}
		default:
			s.pos++
		}
	}
	return false
}

// expansionInQuotes is expansion inside of double quotes, where $' is just two characters.
func (s *scanner) expansionInQuotes() bool {
	if strings.HasPrefix(s.text[s.pos:], "$'") {
		s.pos += 2
		return true
	}
	return s.expansion()
}

// until skips the opening character and all up to and with the closing one.
func (s *scanner) until(end byte, escapes bool) bool {
	for s.pos++; s.pos < len(s.text); s.pos++ {
		switch c := s.text[s.pos]; {
		case c == end:
			s.pos++
			return true
		case c == '\\' && escapes:
			s.pos++
		}
	}
	return false
}

// expansion skips $name, $(…), ${…}, $'…' or `…`.
func (s *scanner) expansion() bool {
	if s.text[s.pos] == '`' {
		return s.until('`', true)
	}
	s.pos++
	if s.pos == len(s.text) {
		return true
	}
	switch s.text[s.pos] {
	case '(':
		return s.group('(', ')')
	case '{':
		return s.group('{', '}')
	case '\'':
		return s.until('\'', true)
	}
	return true
}

// group skips a group with the groups, quotes and expansions inside it.
func (s *scanner) group(open, end byte) bool {
	depth := 0
	for s.pos < len(s.text) {
		ok := true
		switch c := s.text[s.pos]; c {
		case open:
			depth++
			s.pos++
		case end:
			depth--
			s.pos++
			if depth == 0 {
				return true
			}
		case '\\':
			s.pos += 2
		case '\'', '"':
			ok = s.quoted()
		case '$', '`':
			ok = s.expansion()
		default:
			s.pos++
		}
		if !ok {
			return false
		}
	}
	return false
}

// isName reports whether text can name a shell variable.
func isName(text string) bool {
	for i, r := range text {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return text != ""
}
