package logview

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"github.com/headrace/headrace/assets/show"
)

// longFold is how long a fold must have taken to stay open.
const longFold = 30 * time.Second

// Op is an instruction to a page that is open: draw this at the end.
type Op struct {
	// Do is "line", "fold", "took", "end" or "gap".
	Do string `json:"do"`
	// HTML is the line, the fold with its summary, or the gap.
	HTML string `json:"html,omitempty"`
	// Fold is the name of the fold that begins or ends.
	Fold string `json:"fold,omitempty"`
	// Took is how long the fold took, in words.
	Took string `json:"took,omitempty"`
	// Keep: the fold stays open at its end, because it took long.
	Keep bool `json:"keep,omitempty"`
}

// Ops turns items into instructions.
func Ops(items []Item) []Op {
	ops := make([]Op, 0, len(items))
	for _, it := range items {
		switch it.Kind {
		case KindLine:
			ops = append(ops, Op{Do: "line", HTML: string(it.Line.Draw())})
		case KindFold:
			ops = append(ops, Op{Do: "fold", Fold: it.Fold, HTML: foldOpen(it, true, 0) + foldClose})
		case KindTook:
			ops = append(ops, Op{Do: "took", Took: show.Short(it.Took), Keep: it.Took >= longFold})
		case KindEnd:
			ops = append(ops, Op{Do: "end", Fold: it.Fold})
		case KindGap:
			ops = append(ops, Op{Do: "gap", HTML: drawGap(it)})
		}
	}
	return ops
}

// HTML draws items in one go. Folds that have no end among them stay open, as do long and failing ones.
func HTML(items []Item) template.HTML {
	d := drawing{frames: []*frame{{}}}
	for _, it := range items {
		d.add(it)
	}
	for len(d.frames) > 1 {
		d.frames[len(d.frames)-1].unended = true
		d.pop()
	}
	return template.HTML(d.frames[0].done()) //nolint:gosec // made of drawn lines and numbers only
}

// Draw is the line with its number and time.
func (l Line) Draw() template.HTML { return l.draw("L" + strconv.Itoa(l.Number)) }

// DrawOpen is a line whose end has not come, under an id by which its next state takes its place.
func (l Line) DrawOpen() template.HTML { return l.draw("open-line") }

func (l Line) draw(id string) template.HTML {
	class := "ln"
	switch {
	case l.Bad:
		class = "ln ln-bad"
	case strings.HasPrefix(l.Text, "$ "):
		class = "ln ln-cmd"
	}
	n := strconv.Itoa(l.Number)
	more := ""
	if l.Cut {
		more = `<span class="more"> … This line goes on. The raw log has all of it.</span>`
	}
	return template.HTML(`<div class="` + class + `" id="` + id + `"><a href="#L` + n + `" aria-label="Line ` + n + `">` + n + `</a><time>` + //nolint:gosec // numbers and painted text
		show.Clock(l.At) + `</time><code>` + string(l.HTML) + more + `</code></div>`)
}

const foldClose = `</details>`

func foldOpen(it Item, open bool, took time.Duration) string {
	n := strconv.Itoa(it.Line.Number)
	name := template.HTMLEscapeString(it.Fold)
	title := string(it.Line.HTML)
	if title == "" {
		title = name
	}
	attr, length, class := "", "", ""
	if strings.HasPrefix(it.Line.Text, "$ ") {
		class = ` class="cmd"`
	}
	if open {
		attr = " open"
	}
	if took > 0 {
		length = show.Short(took)
	}
	return `<details class="fold" data-fold="` + name + `"` + attr + `><summary id="L` + n + `"><a href="#L` + n + `" aria-label="Line ` + n + `">` + n +
		`</a><time>` + show.Clock(it.Line.At) + `</time><b` + class + `>` + title + `</b><span class="len"><em>` + length + `</em></span></summary>`
}

func drawGap(it Item) string {
	last := min(it.From+BlockLines-1, it.To)
	return fmt.Sprintf(`<p class="gap" data-from="%d" data-to="%d"><span>%s lines are left out here: %s to %s.</span> <a class="a" href="?line=%d#L%d">Show %s to %s</a></p>`,
		it.From, it.To, show.Number(it.To-it.From+1), show.Number(it.From), show.Number(it.To), it.From+BlockLines/2, it.From, show.Number(it.From), show.Number(last))
}

// drawing nests folds.
type drawing struct{ frames []*frame }

// frame is a fold that is being drawn, or the log itself.
type frame struct {
	item    Item
	took    time.Duration
	bad     bool
	unended bool
	body    strings.Builder
	inBlock int
}

func (d *drawing) top() *frame { return d.frames[len(d.frames)-1] }

func (d *drawing) add(it Item) {
	switch it.Kind {
	case KindLine:
		if it.Line.Bad {
			d.top().bad = true
		}
		d.top().put(string(it.Line.Draw()))
	case KindFold:
		d.frames = append(d.frames, &frame{item: it, bad: it.Line.Bad})
	case KindTook:
		d.top().took = it.Took
	case KindGap:
		d.top().put(drawGap(it))
	case KindEnd:
		for i := len(d.frames) - 1; i > 0; i-- {
			if d.frames[i].item.Fold != it.Fold {
				continue
			}
			for len(d.frames) > i {
				d.pop()
			}
			break
		}
	}
}

func (d *drawing) pop() {
	f := d.top()
	d.frames = d.frames[:len(d.frames)-1]
	open := f.bad || f.unended || f.took >= longFold
	if f.bad {
		d.top().bad = true
	}
	html := foldOpen(f.item, open, f.took)
	if f.unended {
		html = strings.Replace(html, ` data-fold=`, ` data-unended data-fold=`, 1)
	}
	d.top().put(html + f.done() + foldClose)
}

// put adds to blocks of BlockLines, which browsers may skip while they are out of sight.
func (f *frame) put(html string) {
	if f.inBlock == 0 {
		f.body.WriteString(`<div class="blk">`)
	}
	f.body.WriteString(html)
	f.inBlock++
	if f.inBlock == BlockLines {
		f.body.WriteString(`</div>`)
		f.inBlock = 0
	}
}

func (f *frame) done() string {
	if f.inBlock > 0 {
		f.body.WriteString(`</div>`)
		f.inBlock = 0
	}
	return f.body.String()
}
