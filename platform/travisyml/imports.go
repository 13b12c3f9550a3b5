package travisyml

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/headrace/headrace/internal/fault"
)

// Input is the text that a build is made of.
type Input struct {
	// Source names the file in messages; its folder is what imports like ./x.yml are relative to.
	Source string
	Text   []byte
	// Overrides are laid over the file; a later one is more important. Their imports are read, too.
	Overrides []Fragment
	// Imports reads the files that the configuration imports. Nil: they are reported and left out.
	Imports Imports
}

// ErrOutOfReach says that this reader of imports does not go to that place: the file is reported and left out.
var ErrOutOfReach = errors.New("the file is out of reach")

// Imports reads files of this and of other repositories.
type Imports interface {
	// Import returns the text of the file at a place, which the file at from imports. An error says, for people, why
	// there is none; [ErrOutOfReach] lets the rest go on without it.
	Import(ctx context.Context, at, from Place) ([]byte, error)
}

// File is a file that a configuration was made of.
type File struct {
	// Source names it as messages do: a path of the repository that is built, or owner/name:path@ref.
	Source string
	Text   []byte
	// Mode is how it was merged under the file that imports it; empty for the first.
	Mode string
}

// ImportError says that a file which a configuration imports cannot be had.
type ImportError struct {
	// Code is invalid_ref, invalid_mode, too_many_imports or import_failed.
	Code string
	// Source, Line and Column are where the import is written.
	Source       string
	Line, Column int
	// Text is a sentence for people.
	Text string
	err  error
}

// Error returns the place and the sentence.
func (e *ImportError) Error() string {
	return fmt.Sprintf("%s line %d column %d: %s", e.Source, e.Line, e.Column, e.Text)
}

// Unwrap returns why the file could not be read.
func (e *ImportError) Unwrap() error { return e.err }

// maxFiles is how many files one configuration may be made of. The original gives up at as many.
const maxFiles = 25

// part is one file with the mode in which it goes under the file that imports it.
type part struct {
	root *node
	mode string
}

// gatherer walks the imports of a configuration depth first, each file once.
type gatherer struct {
	ctx     context.Context
	imports Imports
	request *Request
	limits  Limits
	eval    *evaluator
	seen    map[Place]bool
	parts   []part // of the file, or the override, that is being read
	files   []File
	msgs    []Message
}

// Gather reads a configuration with all that it imports, and merges it into one document. The error is a *[SyntaxError],
// an *[ImportError], or one about the mode of an override. Source: travis-yml-rules 4.
func Gather(ctx context.Context, in Input, r Request, l Limits) (*Document, []File, []Message, error) {
	g := &gatherer{ctx: ctx, imports: in.Imports, request: &r, limits: l, eval: newEvaluator(), seen: map[Place]bool{}}
	main, msgs, err := Parse(in.Source, in.Text, l)
	if err != nil {
		return nil, nil, nil, err
	}
	at := Place{Repo: r.Repo, Path: in.Source}
	g.seen[at] = true
	g.msgs = append(g.msgs, msgs...)
	g.files = append(g.files, File{Source: in.Source, Text: in.Text})
	if err := g.add(main, modeAppend, at); err != nil {
		return nil, g.files, g.msgs, err
	}
	root := g.merged()
	for _, o := range in.Overrides {
		if root, err = g.override(root, o, r.Repo); err != nil {
			return nil, g.files, g.msgs, err
		}
	}
	return &Document{root: root, merged: len(g.files) > 1}, g.files, g.msgs, nil
}

// override lays a fragment, with what it imports, over what there is.
func (g *gatherer) override(root *node, o Fragment, repo string) (*node, error) {
	if o.Document == nil {
		return root, nil
	}
	mode, ok := modeOf(o.Mode)
	if !ok {
		return nil, unknownMode(o.Mode)
	}
	g.parts = nil
	if err := g.add(o.Document, mode, Place{Repo: repo}); err != nil {
		return nil, err
	}
	return mergeNodes(g.merged(), root, mode), nil
}

// add takes a file and what it imports. The key itself goes no further.
func (g *gatherer) add(d *Document, mode string, at Place) error {
	imports, rest, msgs := importsOf(d.root)
	g.msgs = append(g.msgs, msgs...)
	g.parts = append(g.parts, part{root: rest, mode: mode})
	for i, entry := range imports {
		if err := g.follow(entry, i, at); err != nil {
			return err
		}
	}
	return nil
}

// A key that could mean import is not longer, and a file has not more that need looking at.
const (
	longestMisspelling = 12
	mostMisspelled     = 100
)

// importsOf takes the key import out of a file, also where it is misspelled, and brings it into its normal form.
func importsOf(root *node) (imports []*node, rest *node, msgs []Message) {
	n := &normaliser{}
	m := theSchema().maps["root"]
	rest = root.without("merge_mode")
	looked := 0
	for _, p := range root.pairs {
		if p.key != "import" {
			if m.known(p.key) || private(p.key) || len(p.key) > longestMisspelling || looked == mostMisspelled {
				continue
			}
			looked++
			if name := n.key(m, p, root, ""); name != "import" {
				n.msgs = nil
				continue
			}
		}
		rest = rest.without(p.key)
		for _, entry := range n.value(m.field("import").schema, p.value, "import").list() {
			if entry.kind == mapKind && !entry.get("source").blank() {
				imports = append(imports, entry)
			}
		}
		msgs = append(msgs, n.msgs...)
		n.msgs = nil
	}
	return imports, rest, msgs
}

// follow reads the file of one entry of import, unless it was read before or its condition is false.
func (g *gatherer) follow(entry *node, index int, from Place) error {
	source := entry.get("source")
	if !g.eval.accepts(entry, g.request, entry) {
		g.msgs = append(g.msgs, newMessage(Info, "import", "skip_import", entry.at,
			args{"number": index + 1, "source": source.str(), "condition": entry.get("if").str()}))
		return nil
	}
	written := strings.ReplaceAll(source.str(), "%{commit_message}", g.request.CommitMessage)
	at, ok := parsePlace(written, from)
	if !ok {
		return importError("invalid_ref", source, nil, "%q is no file to import. Write path.yml, path.yml@branch or owner/name:path.yml@branch.", show(written))
	}
	mode, ok := modeOf(entry.get("mode").str())
	if !ok {
		return importError("invalid_mode", entry.get("mode"), nil, "%s", unknownMode(entry.get("mode").str()))
	}
	switch {
	case g.seen[at]:
		return nil
	case len(g.files) >= maxFiles-1:
		return importError("too_many_imports", source, nil, "A configuration can be made of at most %d files, and there are more. Put several of them into one.", maxFiles-1)
	}
	g.seen[at] = true
	return g.read(at, from, source, mode)
}

// read takes the file at a place.
func (g *gatherer) read(at, from Place, source *node, mode string) error {
	text, err := []byte(nil), ErrOutOfReach
	if g.imports != nil {
		text, err = g.imports.Import(g.ctx, at, from)
	}
	if errors.Is(err, ErrOutOfReach) {
		g.msgs = append(g.msgs, newMessage(Warn, "import", "not_read", source.at, args{"source": at.String()}))
		return nil
	}
	if err != nil {
		return importError("import_failed", source, err, "%s cannot be imported: %s", at, fault.Message(err))
	}
	name := at.String()
	if strings.EqualFold(at.Repo, g.request.Repo) && at.Ref == "" {
		name = at.Path
	}
	doc, msgs, err := Parse(name, text, g.limits)
	if err != nil {
		return err
	}
	g.msgs = append(g.msgs, msgs...)
	g.files = append(g.files, File{Source: name, Text: text, Mode: mode})
	return g.add(doc, mode, at)
}

// merged folds the parts from the last to the first; the more important side wins. A file goes under those before it in the
// mode of its import.
func (g *gatherer) merged() *node {
	last := len(g.parts) - 1
	root := g.parts[last].root
	for i := last - 1; i >= 0; i-- {
		root = mergeNodes(g.parts[i].root, root, g.parts[i+1].mode)
	}
	return root
}

func importError(code string, at *node, cause error, format string, a ...any) *ImportError {
	return &ImportError{Code: code, Source: at.at.source, Line: at.at.line, Column: at.at.column, Text: fmt.Sprintf(format, a...), err: cause}
}
