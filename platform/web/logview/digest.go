package logview

import (
	"context"
	"strings"
	"time"
)

// excerptLines is how many lines at the end of a log are searched for what failed.
const excerptLines = 1000

// Excerpt is the lines around what made a job fail.
type Excerpt struct {
	Lines []Line
	// At is the number of the failing line.
	At int
}

// FindFailure looks at the end of a log for the line that says what failed: the first such line of the last command, or
// the last such line, or just the end.
func FindFailure(ctx context.Context, src Source, jobID int64, attempt int) (Excerpt, error) {
	log, err := src.Log(ctx, jobID, attempt)
	if err != nil {
		return Excerpt{}, err
	}
	items, err := Range(ctx, src, jobID, log.Attempt, max(log.Lines-excerptLines, 1), log.Lines+1)
	if err != nil {
		return Excerpt{}, err
	}
	var lines []Line
	for _, it := range items {
		if (it.Kind == KindLine || it.Kind == KindFold) && strings.TrimSpace(it.Line.Text) != "" {
			lines = append(lines, it.Line)
		}
	}
	if len(lines) == 0 {
		return Excerpt{}, nil
	}
	at := failing(lines)
	return Excerpt{Lines: lines[max(at-3, 0):min(at+2, len(lines))], At: lines[at].Number}, nil
}

// failing is the index of the line that tells most.
func failing(lines []Line) int {
	for i, l := range lines {
		if l.Bad && !strings.HasPrefix(l.Text, `The command "`) {
			return i
		}
	}
	for i, l := range lines {
		if l.Bad {
			return i
		}
	}
	return len(lines) - 1
}

// Phase is a stretch of a job, as the folds of its log tell.
type Phase struct {
	Name string
	Line int // where it begins
	At   time.Duration
	Took time.Duration
	Bad  bool
	// Open: its end has not been seen.
	Open bool
}

// phaseNames maps how the names of folds begin to what people call that phase.
var phaseNames = []struct{ prefix, name string }{
	{"worker", "Worker"}, {"system", "Worker"}, {"services", "Services"}, {"git", "Clone"}, {"cache.1", "Restore cache"}, {"cache.setup", "Restore cache"},
	{"cache", "Save cache"}, {"before_install", "Before install"}, {"install", "Install"}, {"before_script", "Before script"},
	{"after_success", "After success"}, {"after_failure", "After failure"}, {"after_script", "After script"},
	{"before_deploy", "Before deploy"}, {"deploy", "Deploy"}, {"dpl", "Deploy"}, {"after_deploy", "After deploy"},
}

// Phases finds the phases in the items of a log. Lines outside of all folds, after the first fold, are the script.
func Phases(items []Item) []Phase {
	var phases []Phase
	depth := ""
	var began time.Duration
	for _, it := range items {
		switch it.Kind {
		case KindFold:
			name := phaseName(it.Fold)
			if depth != "" || name == "" {
				break
			}
			depth, began = it.Fold, it.Line.At
			phases = enter(phases, name, it.Line)
		case KindTook:
			if depth != "" {
				phases[len(phases)-1].Took += it.Took
				began = -1
			}
		case KindEnd:
			if it.Fold == depth {
				last := &phases[len(phases)-1]
				last.Open = false
				if began >= 0 && last.Took == 0 {
					last.Took = max(it.Line.At-began, 0)
				}
				depth = ""
			}
		case KindLine:
			phases = lineOf(phases, it.Line, depth)
		case KindGap:
		}
	}
	return phases
}

func lineOf(phases []Phase, l Line, fold string) []Phase {
	if len(phases) == 0 {
		return phases
	}
	if fold == "" && isCommand(l.Text) && !hasPhase(phases, "Script") {
		phases = append(phases, Phase{Name: "Script", Line: l.Number, At: l.At, Open: true})
	}
	last := &phases[len(phases)-1]
	last.Bad = last.Bad || l.Bad
	if last.Name == "Script" && last.Open {
		last.Took = max(l.At-last.At, 0)
	}
	return phases
}

// isCommand says whether a line outside of folds shows a command: those of the script are the only ones that are not
// folded, but for the variables that are set before.
func isCommand(text string) bool {
	return strings.HasPrefix(text, "$ ") && !strings.HasPrefix(text, "$ export ")
}

func hasPhase(phases []Phase, name string) bool {
	for _, p := range phases {
		if p.Name == name {
			return true
		}
	}
	return false
}

// enter begins a phase, or goes on with the last one of that name.
func enter(phases []Phase, name string, l Line) []Phase {
	if n := len(phases); n > 0 {
		if phases[n-1].Name == name {
			phases[n-1].Open = true
			return phases
		}
		if phases[n-1].Open && phases[n-1].Took == 0 {
			phases[n-1].Took = max(l.At-phases[n-1].At, 0)
		}
		phases[n-1].Open = false
	}
	return append(phases, Phase{Name: name, Line: l.Number, At: l.At, Open: true})
}

func phaseName(fold string) string {
	for _, p := range phaseNames {
		if strings.HasPrefix(fold, p.prefix) {
			return p.name
		}
	}
	return ""
}
