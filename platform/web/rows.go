package web

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/headrace/headrace/assets/show"
	"github.com/headrace/headrace/platform/ci"
)

// moment is a time as pages show it.
type moment struct {
	At    time.Time
	Text  string
	Moves bool // young enough to be rewritten while the page is open
}

func momentOf(t, now time.Time) *moment {
	if t.IsZero() {
		return nil
	}
	return &moment{At: t, Text: show.Ago(t, now), Moves: now.Sub(t) < 24*time.Hour}
}

// length is a duration as pages show it; a running one goes on while the page is open.
type length struct {
	Text    string
	Running bool
	Since   time.Time
}

func lengthOf(from, to, now time.Time) length {
	if from.IsZero() {
		return length{}
	}
	end := to
	if to.IsZero() {
		end = now
	}
	return length{Text: show.Duration(end.Sub(from)), Running: to.IsZero(), Since: from}
}

// bar is one build of a sparkline: above the water line what passed or runs, below it the rest.
type bar struct {
	State   string
	X, Y, H int
}

type spark struct {
	Bars  []bar
	Width int
	Label string
}

const (
	sparkStep  = 7
	sparkLine  = 20 // where bars above end
	sparkAbove = 19 // the longest above, below half of it
)

func sparkOf(recent []ci.BuildBrief) spark {
	recent = recent[max(len(recent)-sparkBuilds, 0):]
	bars, passed := barsOf(recent, sparkStep, sparkLine, sparkAbove)
	return spark{Bars: bars, Width: max(len(bars), 5)*sparkStep - 2, Label: fmt.Sprintf("Last %s: %d passed", show.Count(len(bars), "build"), passed)}
}

// barsOf gives heights against the longest of all.
func barsOf(recent []ci.BuildBrief, step, line, above int) (bars []bar, passed int) {
	longest := time.Second
	for _, b := range recent {
		longest = max(longest, b.Duration)
	}
	for i, b := range recent {
		part := float64(b.Duration) / float64(longest)
		x := bar{State: string(b.State), X: i * step, H: max(int(part*float64(above)), 4)}
		switch b.State {
		case ci.Passed:
			passed++
			x.Y = line - x.H
		case ci.Started, ci.Received, ci.Queued, ci.Created:
			x.State, x.Y = "started", line-x.H
		case ci.Failed, ci.Errored, ci.Canceled:
			x.H, x.Y = max(x.H/2, 4), line+2
		}
		bars = append(bars, x)
	}
	return bars, passed
}

// pager is the foot of a list that has more than one page.
type pager struct {
	Older, Newer string
	From, To     int
	Total        int
}

func pagerOf(path string, q url.Values, page ci.Page, shown, total int) pager {
	p := pager{From: page.Offset + 1, To: page.Offset + shown, Total: total}
	link := func(offset int) string {
		v := url.Values{}
		for k, vals := range q {
			if k != "offset" {
				v[k] = vals
			}
		}
		if offset > 0 {
			v.Set("offset", strconv.Itoa(offset))
		}
		if len(v) == 0 {
			return path
		}
		return path + "?" + v.Encode()
	}
	if p.To < total {
		p.Older = link(page.Offset + page.Limit)
	}
	if page.Offset > 0 {
		p.Newer = link(max(page.Offset-page.Limit, 0))
	}
	return p
}

// pageOf reads the offset of a list from the address.
func pageOf(q url.Values, limit int) ci.Page {
	n, err := strconv.Atoi(q.Get("offset"))
	if err != nil || n < 0 {
		n = 0
	}
	return ci.Page{Limit: limit, Offset: n}
}

// choice is one link of a segmented filter, or a tab.
type choice struct {
	Name, Href string
	Here       bool
	N          int
}

// gate is one stage in a row's small flow.
type gate struct {
	State, Label string
	Wet          bool // the stage before let the water through
}

func gatesOf(b ci.Build) []gate {
	var gates []gate
	wet := true
	for _, st := range b.Stages {
		gates = append(gates, gate{State: string(st.State), Label: st.Name + ": " + strings.ToLower(word(string(st.State))), Wet: wet})
		wet = st.State == ci.Passed
	}
	return gates
}

func slugHref(slug string) string { return "/r/" + slug }

func buildHref(slug string, number int64) string {
	return slugHref(slug) + "/builds/" + strconv.FormatInt(number, 10)
}

func jobHref(j ci.Job) string { return slugHref(j.Slug) + "/jobs/" + j.Number() }
