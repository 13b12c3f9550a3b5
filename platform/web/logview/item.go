package logview

import (
	"html/template"
	"time"
)

// Kind says what an [Item] is.
type Kind int

// The kinds of items.
const (
	// KindLine is a line of text.
	KindLine Kind = iota
	// KindFold begins a fold; its line is the summary.
	KindFold
	// KindTook says how long the innermost open fold took.
	KindTook
	// KindEnd ends the fold of that name, and folds inside it.
	KindEnd
	// KindGap stands for lines From to To, which are stored and left out here.
	KindGap
)

// Item is one step in drawing a log.
type Item struct {
	Kind Kind
	Line Line
	// Fold is the name of the fold that begins or ends.
	Fold     string
	Took     time.Duration
	From, To int
}

// Line is a line of a log.
type Line struct {
	Number int           // from 1
	At     time.Duration // since the start of the log
	HTML   template.HTML
	// Text is what the line says, without colours.
	Text string
	// Bad: it reads like the report of a failure.
	Bad bool
	// Cut: it is longer than what is shown.
	Cut bool
}
