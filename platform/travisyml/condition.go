package travisyml

import "strings"

// condition is a parsed `if`: a tree of operators over operands.
type condition struct {
	op   conditionOp
	args []*condition
	text string // of a value, a variable's name, a regex
}

type conditionOp uint8

const (
	opAnd conditionOp = iota
	opOr
	opNot
	opValue
	opVariable
	opEnv
	opConcat
	opEqual
	opNotEqual
	opMatch
	opNotMatch
	opIn
	opNotIn
	opPresent
	opBlank
	opTrue
	opFalse
	opRegex
)

// conditionData is what a condition sees: the request and one node of the
// configuration.
type conditionData struct {
	request *Request
	config  *node
	env     map[string]any
}

// secret stands for the value of an encrypted variable: present, and equal to
// nothing.
type secret struct{}

// newConditionData joins the settings' variables with those of the node;
// those of the node win.
func newConditionData(r *Request, config *node) *conditionData {
	d := &conditionData{request: r, config: config, env: make(map[string]any, len(r.Env))}
	for name, value := range r.Env {
		d.env[name] = unquote(value)
	}
	d.addEnv(config.get("env"))
	return d
}

func (d *conditionData) addEnv(n *node) {
	switch {
	case n == nil:
	case n.kind == listKind:
		for _, item := range n.items {
			d.addEnv(item)
		}
	case n.kind == mapKind && (n.has("global") || n.has("jobs")):
		d.addEnv(n.get("global"))
		d.addEnv(n.get("jobs"))
	case n.kind == mapKind && !n.secure():
		for _, p := range n.pairs {
			switch {
			case p.value.secure():
				d.env[p.key] = secret{}
			case p.value.kind == nullKind:
				d.env[p.key] = nil
			default:
				d.env[p.key] = unquote(p.value.str())
			}
		}
	}
}

// unquote removes one pair of quotes around a value.
func unquote(s string) string {
	if len(s) > 1 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

// variable returns the value of a variable; nil when there is none.
func (d *conditionData) variable(name string) any {
	if v := d.config.get(name); v != nil {
		switch v.kind {
		case nullKind:
			return nil
		case boolKind:
			return v.truth
		case listKind, mapKind:
			return v
		default:
			return v.str()
		}
	}
	r := d.request
	fields := map[string]string{
		"type": r.Type, "repo": r.Repo, "head_repo": r.HeadRepo, "sender": r.Sender, "branch": r.Branch,
		"head_branch": r.HeadBranch, "tag": r.Tag, "commit_message": r.CommitMessage,
	}
	switch name {
	case "fork":
		return r.Fork
	case "draft":
		return r.Draft
	}
	if value := fields[name]; value != "" {
		return value
	}
	return nil
}

// cast turns the words true and false into booleans, as every operand is.
func cast(v any) any {
	s, ok := v.(string)
	switch {
	case ok && strings.EqualFold(s, "true"):
		return true
	case ok && strings.EqualFold(s, "false"):
		return false
	default:
		return v
	}
}

func truthy(v any) bool { return v != nil && v != false }

func present(v any) bool {
	switch t := v.(type) {
	case nil:
		return false
	case bool:
		return t
	case string:
		return t != ""
	case *node:
		return !t.missing()
	default:
		return true
	}
}

func textOf(v any) (string, bool) {
	switch t := v.(type) {
	case string:
		return t, true
	case bool:
		if t {
			return "true", true
		}
		return "false", true
	default:
		return "", false
	}
}

// evaluator evaluates conditions. It keeps parsed ones and regexes, and gives
// up on regexes once several were too slow.
type evaluator struct {
	parsed  map[string]*condition
	regexes *regexCache
}

func newEvaluator() *evaluator {
	return &evaluator{parsed: map[string]*condition{}, regexes: newRegexCache()}
}

// accepts says whether the `if` of a node holds for a request and a
// configuration; a node without one does. A condition that cannot be read is
// false.
func (e *evaluator) accepts(n *node, r *Request, config *node) bool {
	cond := n.get("if")
	if cond == nil || cond.kind == nullKind {
		return true
	}
	if !cond.scalar() {
		return false
	}
	return e.holds(cond.str(), newConditionData(r, config))
}

func (e *evaluator) holds(text string, d *conditionData) bool {
	c, ok := e.parsed[text]
	if !ok {
		c, _ = parseCondition(text)
		e.parsed[text] = c
	}
	return c != nil && truthy(e.eval(c, d))
}

func (e *evaluator) eval(c *condition, d *conditionData) any {
	switch c.op {
	case opAnd:
		return truthy(e.eval(c.args[0], d)) && truthy(e.eval(c.args[1], d))
	case opOr:
		return truthy(e.eval(c.args[0], d)) || truthy(e.eval(c.args[1], d))
	case opNot:
		return !truthy(e.eval(c.args[0], d))
	case opValue:
		return cast(c.text)
	case opVariable:
		return cast(d.variable(c.text))
	case opEnv:
		name, _ := textOf(e.eval(c.args[0], d))
		return cast(d.env[name])
	case opConcat:
		var b strings.Builder
		for _, arg := range c.args {
			text, _ := textOf(e.eval(arg, d))
			b.WriteString(text)
		}
		return cast(b.String())
	default:
		return e.predicate(c, d)
	}
}

// predicate evaluates the operators that compare or test an operand.
func (e *evaluator) predicate(c *condition, d *conditionData) any {
	left := e.eval(c.args[0], d)
	switch c.op {
	case opEqual:
		return same(left, e.eval(c.args[1], d))
	case opNotEqual:
		return !same(left, e.eval(c.args[1], d))
	case opMatch:
		return e.match(left, c.args[1], d)
	case opNotMatch:
		return !e.match(left, c.args[1], d)
	case opIn, opNotIn:
		found := false
		for _, arg := range c.args[1:] {
			found = found || same(left, e.eval(arg, d))
		}
		return found == (c.op == opIn)
	case opPresent:
		return present(left)
	case opBlank:
		return !present(left)
	case opTrue:
		return truthy(left)
	default:
		return !truthy(left)
	}
}

func same(a, b any) bool {
	switch a.(type) {
	case nil, bool, string:
		return a == b
	default:
		return false
	}
}

func (e *evaluator) match(left any, pattern *condition, d *conditionData) bool {
	text, ok := textOf(left)
	if !ok {
		return false
	}
	source := pattern.text
	if pattern.op != opRegex {
		if source, ok = textOf(e.eval(pattern, d)); !ok {
			return false
		}
	}
	matched, err := e.regexes.match(source, text)
	return err == nil && matched
}
