package web

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headrace/headrace/assets/show"
	"github.com/headrace/headrace/platform/ci"
)

// stagesOf arranges the jobs of a build: stages in order of trouble, then in their own.
func (s *server) stagesOf(b ci.Build, waits map[int64]ci.Wait) []stageView {
	longest := time.Second
	now := s.Now()
	for _, j := range b.Jobs {
		longest = max(longest, j.Duration(now))
	}
	stages := b.Stages
	if len(stages) == 0 && len(b.Jobs) > 0 {
		stages = []ci.Stage{{Name: "Jobs", State: b.State}}
	}
	stages = slices.Clone(stages)
	slices.SortStableFunc(stages, func(x, y ci.Stage) int { return trouble(x.State) - trouble(y.State) })
	var views []stageView
	for _, st := range stages {
		jobs := stageJobs(b.Jobs, st.Number)
		v := stageView{ID: fmt.Sprintf("stage-%d", st.Number), Name: st.Name, Sum: stageSum(jobs)}
		names := jobNames(jobs)
		cells := make([]jobCell, len(jobs))
		for i, j := range jobs {
			cells[i] = s.cellOf(j, names[i], longest, waits)
		}
		if rows, cols, at, ok := grid(jobs); ok {
			v.Cols, v.Rows = cols, matrixOf(rows, cols, at, cells)
		} else {
			v.Jobs = cells
		}
		views = append(views, v)
	}
	return views
}

func trouble(st ci.State) int {
	switch st {
	case ci.Failed, ci.Errored:
		return 0
	case ci.Started, ci.Received:
		return 1
	case ci.Queued, ci.Created, ci.Passed, ci.Canceled:
	}
	return 2
}

func (s *server) cellOf(j ci.Job, name string, longest time.Duration, waits map[int64]ci.Wait) jobCell {
	now := s.Now()
	c := jobCell{ID: j.ID, Name: name, Number: j.Number(), Index: "." + strconv.Itoa(j.Index), Href: jobHref(j), State: string(j.State), Fill: string(j.State),
		Length: lengthOf(j.StartedAt, j.FinishedAt, now), Part: int(100 * j.Duration(now) / longest), Allowed: j.AllowFailure}
	c.State, c.Why = standing(j, waits)
	c.Label = fmt.Sprintf("Job %s, %s: %s", j.Number(), name, strings.ToLower(word(c.State)))
	if c.Length.Text != "" {
		c.Label += ", " + c.Length.Text
	}
	return c
}

// standing is the state of a job for people, and why it is so. One that is held by what can be named is waiting; one whose
// stage has not come is created, as it should be.
func standing(j ci.Job, waits map[int64]ci.Wait) (state, why string) {
	if j.State != ci.Created && j.State != ci.Queued {
		return string(j.State), j.Reason.Text()
	}
	w := waits[j.ID]
	if w.Held() && w.Kind != ci.WaitStage {
		return waiting, w.Text()
	}
	return string(j.State), w.Text()
}

func matrixOf(rows, cols []string, at map[[2]string]int, cells []jobCell) []matrixRow {
	var out []matrixRow
	for _, r := range rows {
		row := matrixRow{Name: r}
		allowed := true
		for _, col := range cols {
			i, ok := at[[2]string{r, col}]
			if !ok {
				if i, ok = at[[2]string{col, r}]; !ok {
					row.Cells = append(row.Cells, nil)
					continue
				}
			}
			row.Cells = append(row.Cells, &cells[i])
			allowed = allowed && cells[i].Allowed
		}
		if allowed {
			row.Note = "allowed to fail"
		}
		out = append(out, row)
	}
	return out
}

// stageSum says how the jobs of a stage stand: "12 jobs: 1 failed, 11 passed".
func stageSum(jobs []ci.Job) string {
	count := map[ci.State]int{}
	for _, j := range jobs {
		count[j.State]++
	}
	var parts []string
	for _, st := range []ci.State{ci.Failed, ci.Errored, ci.Started, ci.Received, ci.Queued, ci.Created, ci.Passed, ci.Canceled} {
		if n := count[st]; n > 0 {
			parts = append(parts, strconv.Itoa(n)+" "+strings.ToLower(word(string(st))))
		}
	}
	if len(parts) == 1 {
		return show.Count(len(jobs), "job") + " " + strings.SplitN(parts[0], " ", 2)[1]
	}
	return show.Count(len(jobs), "job") + ": " + strings.Join(parts, ", ")
}
