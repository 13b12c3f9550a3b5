package travisyml

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// maxConditionDepth bounds nested parentheses and NOTs.
const maxConditionDepth = 100

var (
	lineJoint     = regexp.MustCompile(`\\\s*[\n\r]`)
	regexRun      = regexp.MustCompile(`^\S*[^\s)]`)
	conditionVars = []string{
		"type", "repo", "head_repo", "os", "dist", "group", "sudo", "language", "sender", "fork", "draft",
		"branch", "head_branch", "tag", "commit_message",
	}
)

// parseCondition reads the text of an `if`.
func parseCondition(text string) (*condition, error) {
	p := &conditionParser{s: lineJoint.ReplaceAllString(text, " ")}
	c, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if p.space(); p.i < len(p.s) {
		return nil, p.fail("the end of the condition")
	}
	return c, nil
}

type conditionParser struct {
	s string
	i int
}

func (p *conditionParser) fail(want string) error {
	return fmt.Errorf("expected %s at character %d", want, p.i+1)
}

func (p *conditionParser) space() {
	for p.i < len(p.s) && isSpace(p.s[p.i]) {
		p.i++
	}
}

func (p *conditionParser) rest() string { return p.s[p.i:] }

// word takes a keyword in any case when no letter follows it.
func (p *conditionParser) word(word string) bool {
	p.space()
	if len(p.rest()) < len(word) || !strings.EqualFold(p.rest()[:len(word)], word) {
		return false
	}
	if after := p.rest()[len(word):]; after != "" && !isSpace(after[0]) && after[0] != '(' && after[0] != ')' {
		return false
	}
	p.i += len(word)
	return true
}

func (p *conditionParser) symbol(symbol string) bool {
	p.space()
	if !strings.HasPrefix(p.rest(), symbol) {
		return false
	}
	p.i += len(symbol)
	return true
}

func (p *conditionParser) or(depth int) (*condition, error) {
	left, err := p.and(depth)
	for err == nil && (p.word("or") || p.symbol("||")) {
		var right *condition
		right, err = p.and(depth)
		left = &condition{op: opOr, args: []*condition{left, right}}
	}
	return left, err
}

func (p *conditionParser) and(depth int) (*condition, error) {
	left, err := p.unit(depth)
	for err == nil && (p.word("and") || p.symbol("&&")) {
		var right *condition
		right, err = p.unit(depth)
		left = &condition{op: opAnd, args: []*condition{left, right}}
	}
	return left, err
}

func (p *conditionParser) unit(depth int) (*condition, error) {
	if depth > maxConditionDepth {
		return nil, errors.New("the condition is nested too deep")
	}
	if p.symbol("(") {
		c, err := p.or(depth + 1)
		if err == nil && !p.symbol(")") {
			err = p.fail("a closing parenthesis")
		}
		return c, err
	}
	if p.word("not") || p.not() {
		c, err := p.unit(depth + 1)
		return &condition{op: opNot, args: []*condition{c}}, err
	}
	return p.term()
}

// not takes a single exclamation mark.
func (p *conditionParser) not() bool {
	p.space()
	rest := p.rest()
	if !strings.HasPrefix(rest, "!") || strings.HasPrefix(rest, "!=") || strings.HasPrefix(rest, "!~") {
		return false
	}
	p.i++
	return true
}

func (p *conditionParser) term() (*condition, error) {
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	switch {
	case p.word("not in"):
		return p.list(opNotIn, left)
	case p.word("in"):
		return p.list(opIn, left)
	case p.word("is"):
		return p.is(left)
	case p.symbol("=~"), p.symbol("~="):
		return p.regex(opMatch, left)
	case p.symbol("!~"):
		return p.regex(opNotMatch, left)
	case p.symbol("=="), p.symbol("="):
		return p.compare(opEqual, left)
	case p.symbol("!="):
		return p.compare(opNotEqual, left)
	default:
		return left, nil
	}
}

func (p *conditionParser) compare(op conditionOp, left *condition) (*condition, error) {
	right, err := p.operand()
	return &condition{op: op, args: []*condition{left, right}}, err
}

func (p *conditionParser) is(left *condition) (*condition, error) {
	negated := p.word("not")
	for word, op := range map[string]conditionOp{"present": opPresent, "blank": opBlank, "true": opTrue, "false": opFalse} {
		if !p.word(word) {
			continue
		}
		c := &condition{op: op, args: []*condition{left}}
		if negated {
			c = &condition{op: opNot, args: []*condition{c}}
		}
		return c, nil
	}
	return nil, p.fail("present, blank, true or false")
}

// list reads the operands in parentheses, at least one.
func (p *conditionParser) list(op conditionOp, first ...*condition) (*condition, error) {
	if !p.symbol("(") {
		return nil, p.fail("an opening parenthesis")
	}
	c := &condition{op: op, args: first}
	for {
		arg, err := p.operand()
		if err != nil {
			return nil, err
		}
		c.args = append(c.args, arg)
		if p.symbol(")") {
			return c, nil
		}
		if !p.symbol(",") {
			return nil, p.fail("a comma")
		}
	}
}

func (p *conditionParser) operand() (*condition, error) {
	p.space()
	rest := p.rest()
	if rest == "" {
		return nil, p.fail("an operand")
	}
	if name := p.variable(); name != "" {
		return &condition{op: opVariable, text: name}, nil
	}
	if c, ok, err := p.call(); ok {
		return c, err
	}
	if quote := rest[0]; quote == '"' || quote == '\'' {
		end := strings.IndexByte(rest[1:], quote)
		if end < 0 {
			return nil, p.fail("a closing quote")
		}
		p.i += end + 2
		return &condition{op: opValue, text: rest[1 : end+1]}, nil
	}
	end := strings.IndexAny(rest, " \t\r\n()\"',=!")
	if end < 0 {
		end = len(rest)
	}
	if end == 0 || rest[0] == '$' {
		return nil, p.fail("an operand")
	}
	p.i += end
	return &condition{op: opValue, text: rest[:end]}, nil
}

// variable takes the name of a variable, which only counts as one before
// white space, a comma, an equals sign, a closing parenthesis, a bar or the
// end: type!=push compares the word "type".
func (p *conditionParser) variable() string {
	rest := p.rest()
	end := strings.IndexFunc(rest, func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' })
	if end < 0 {
		end = len(rest)
	}
	if !slices.Contains(conditionVars, rest[:end]) {
		return ""
	}
	if end < len(rest) && !isSpace(rest[end]) && !strings.ContainsRune(",=)|", rune(rest[end])) {
		return ""
	}
	p.i += end
	return rest[:end]
}

// call reads env(…) or concat(…). The names need no boundary after them, so a
// word that begins with one is read as a call.
func (p *conditionParser) call() (c *condition, ok bool, err error) {
	rest := strings.ToLower(p.rest())
	switch {
	case strings.HasPrefix(rest, "env"):
		p.i += len("env")
		c, err = p.list(opEnv)
	case strings.HasPrefix(rest, "concat"):
		p.i += len("concat")
		c, err = p.list(opConcat)
	default:
		return nil, false, nil
	}
	return c, true, err
}

// regex reads a call, /…/ with escaped slashes, or a run of characters.
func (p *conditionParser) regex(op conditionOp, left *condition) (*condition, error) {
	p.space()
	rest := p.rest()
	lower := strings.ToLower(rest)
	if strings.HasPrefix(lower, "env(") || strings.HasPrefix(lower, "concat(") {
		call, _, err := p.call()
		return &condition{op: op, args: []*condition{left, call}}, err
	}
	source := ""
	if strings.HasPrefix(rest, "/") {
		end := closingSlash(rest)
		source = strings.TrimSuffix(rest[1:end], "/")
		p.i += end
	} else {
		source = regexRun.FindString(rest)
		p.i += len(source)
	}
	if source == "" {
		return nil, p.fail("a regular expression")
	}
	return &condition{op: op, args: []*condition{left, {op: opRegex, text: source}}}, nil
}

// closingSlash returns the index behind the slash that ends a regex.
func closingSlash(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '/':
			return i + 1
		}
	}
	return len(s)
}
