package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// readAtOnce is how much of a log is read from the store at once.
const readAtOnce = 1 << 20

// logOf is the job that the path names and the log of the wanted attempt, of the current one where none is named.
func (a *API) logOf(ctx context.Context, c *call) (ci.Job, ci.Log, error) {
	j, err := a.job(ctx, c)
	if err != nil {
		return ci.Job{}, ci.Log{}, err
	}
	attempt, err := c.number("log.attempt", 0)
	if err != nil {
		return ci.Job{}, ci.Log{}, err
	}
	if attempt > j.Attempt {
		return ci.Job{}, ci.Log{}, gone("log")
	}
	l, err := a.Store.Log(ctx, j.ID, attempt)
	return j, l, about("log", err)
}

// patience is how long a reader of an ended job's log waits for its last parts, which travel apart from the job's state.
const patience = 2 * time.Second

// wholeLogOf is logOf, but of a job that has ended it waits a moment until the log is whole too.
func (a *API) wholeLogOf(ctx context.Context, c *call) (ci.Log, error) {
	j, l, err := a.logOf(ctx, c)
	if err != nil || l.Closed || !l.RemovedAt.IsZero() || (l.Attempt == j.Attempt && !j.State.Final()) {
		return l, err
	}
	brief, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	from := ci.LogPos{Source: ci.LogWorker, Number: l.Next}
	err = a.Live.Follow(brief, l.JobID, l.Attempt, from, func([]ci.LogPart) error { return nil })
	if err != nil && brief.Err() == nil {
		return l, about("log", err)
	}
	l, err = a.Store.Log(ctx, l.JobID, l.Attempt)
	return l, about("log", err)
}

// eachPart gives f the parts of a log from a place on, until there are no more.
func (a *API) eachPart(ctx context.Context, l ci.Log, from ci.LogPos, f func(ci.LogPart) error) error {
	for {
		parts, err := a.Store.LogParts(ctx, l.JobID, l.Attempt, from, readAtOnce)
		if err != nil || len(parts) == 0 {
			return err
		}
		for _, p := range parts {
			if err := f(p); err != nil {
				return err
			}
		}
		from = next(parts[len(parts)-1])
	}
}

// next is the place after a part.
func next(p ci.LogPart) ci.LogPos { return ci.LogPos{Source: p.Source, Number: p.Number + 1} }

// findLogText answers GET /job/{id}/log.txt with the bytes as they came.
func (a *API) findLogText(ctx context.Context, c *call) (answer, error) {
	l, err := a.wholeLogOf(ctx, c)
	if err != nil {
		return answer{}, err
	}
	return answer{write: func(w http.ResponseWriter) error {
		w = newPatient(w)
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if !l.RemovedAt.IsZero() {
			_, err := io.WriteString(w, removed(l))
			return err
		}
		w.WriteHeader(http.StatusOK)
		return a.eachPart(ctx, l, ci.LogPos{}, func(p ci.LogPart) error {
			_, err := w.Write(p.Content)
			return err
		})
	}}, nil
}

// removed stands where the content of a log was.
func removed(l ci.Log) string {
	at := l.RemovedAt.UTC().Format("2006-01-02 15:04:05 UTC")
	if l.RemovedBy == "" {
		return "Log removed by Headrace at " + at + ": it is older than logs are kept here\n"
	}
	return "Log removed by " + l.RemovedBy + " at " + at + "\n"
}

// findLog answers GET /job/{id}/log: as JSON, or as text for those who accept only that.
func (a *API) findLog(ctx context.Context, c *call) (answer, error) {
	if accept := c.header.Get("Accept"); strings.Contains(accept, "text/plain") && !strings.Contains(accept, "json") {
		return a.findLogText(ctx, c)
	}
	l, err := a.wholeLogOf(ctx, c)
	if err != nil {
		return answer{}, err
	}
	return answer{write: func(w http.ResponseWriter) error { return a.writeLog(ctx, c, w, l) }}, nil
}

// deleteLog answers DELETE /job/{id}/log with what is left of it.
func (a *API) deleteLog(ctx context.Context, c *call) (answer, error) {
	j, l, err := a.logOf(ctx, c)
	if err != nil {
		return answer{}, err
	}
	switch {
	case !j.State.Final():
		return answer{}, fault.New(fault.Conflict, "Job %s has not ended; its log can be removed afterwards.", j.Number()).Named("job_unfinished")
	case !l.RemovedAt.IsZero():
		return answer{}, fault.New(fault.Conflict, "The log of job %s was removed already.", j.Number()).Named("log_already_removed")
	}
	if err := a.Store.DeleteLog(ctx, j.ID, c.user.Login); err != nil {
		return answer{}, err
	}
	return a.findLog(ctx, c)
}

// writeLog writes a log as JSON without ever holding the whole of it. One that is closed is a single part, as v3 has it.
func (a *API) writeLog(ctx context.Context, c *call, w http.ResponseWriter, l ci.Log) error {
	v := a.view(c)
	href := "/job/" + id(l.JobID) + "/log"
	head := v.object("log", href, standard).set("@permissions", jobPermissions()).set("id", l.JobID).set("attempt", l.Attempt)
	head.set("@raw_log_href", v.mount+href+".txt")
	j := &jsonWriter{w: newPatient(w)}
	if err := j.open(head); err != nil {
		return err
	}
	j.raw(`,"content":`)
	j.text(a.wholeText(ctx, l))
	j.raw(`,"log_parts":[`)
	if l.Closed || !l.RemovedAt.IsZero() {
		j.raw(`{"content":`)
		j.text(a.wholeText(ctx, l))
		j.raw(`,"final":true,"number":0}`)
	} else {
		j.list(a.parts(ctx, l, ci.LogPos{}, true))
	}
	j.raw("]}\n")
	return j.err
}

// wholeText gives the pieces of a log, as text.
func (a *API) wholeText(ctx context.Context, l ci.Log) func(yield func(string) error) error {
	return func(yield func(string) error) error {
		if !l.RemovedAt.IsZero() {
			return yield(removed(l))
		}
		var s stitcher
		if err := a.eachPart(ctx, l, ci.LogPos{}, func(p ci.LogPart) error { return yield(s.text(p)) }); err != nil {
			return err
		}
		return yield(s.rest())
	}
}

// parts gives the parts of a log from a place on, as v3 shows them.
func (a *API) parts(ctx context.Context, l ci.Log, from ci.LogPos, content bool) func(yield func(*object) error) error {
	return func(yield func(*object) error) error {
		s, err := a.stitcherAt(ctx, l, from)
		if err != nil {
			return err
		}
		return a.eachPart(ctx, l, from, func(p ci.LogPart) error {
			return yield(new(object).setIf(content, "content", s.text(p)).set("final", false).set("number", partNumber(p)))
		})
	}
}

// listLogParts answers GET /job/{id}/log_parts. A closed log ends with an empty part that is final.
func (a *API) listLogParts(ctx context.Context, c *call) (answer, error) {
	_, l, err := a.logOf(ctx, c)
	if err != nil {
		return answer{}, err
	}
	q, err := readPartsQuery(c)
	if err != nil {
		return answer{}, err
	}
	if q.requireAll {
		if err := a.haveAll(ctx, l, q); err != nil {
			return answer{}, err
		}
	}
	return answer{write: func(w http.ResponseWriter) error {
		j := &jsonWriter{w: newPatient(w)}
		if err := j.open(newObject("log_parts").set("@representation", standard)); err != nil {
			return err
		}
		j.raw(`,"log_parts":[`)
		j.list(a.chosenParts(ctx, l, q))
		j.raw("]}\n")
		return j.err
	}}, nil
}

// chosenParts gives the parts that a query wants.
func (a *API) chosenParts(ctx context.Context, l ci.Log, q partsQuery) func(yield func(*object) error) error {
	return func(yield func(*object) error) error {
		all := a.parts(ctx, l, q.from, q.content)
		if !l.RemovedAt.IsZero() {
			all = func(yield func(*object) error) error {
				return yield(new(object).setIf(q.content, "content", removed(l)).set("final", false).set("number", 0))
			}
		}
		err := all(func(o *object) error {
			if !q.wants(o.values[len(o.values)-1]) {
				return nil
			}
			return yield(o)
		})
		if err == nil && l.Closed && q.wants(lastPart) && q.after < lastPart {
			err = yield(new(object).setIf(q.content, "content", "").set("final", true).set("number", lastPart))
		}
		return err
	}
}

func (a *API) haveAll(ctx context.Context, l ci.Log, q partsQuery) error {
	var have []any
	collect := func(o *object) error { have = append(have, o.values[len(o.values)-1]); return nil }
	if err := a.chosenParts(ctx, l, partsQuery{numbers: q.numbers, after: -1})(collect); err != nil {
		return err
	}
	for _, n := range q.numbers {
		if !slices.Contains(have, any(n)) {
			return gone("log_part")
		}
	}
	return nil
}

// partsQuery says which parts are wanted.
type partsQuery struct {
	from       ci.LogPos
	after      int // -1: all
	numbers    []int
	requireAll bool
	content    bool
}

func (q partsQuery) wants(number any) bool {
	n, isInt := number.(int)
	return len(q.numbers) == 0 || (isInt && slices.Contains(q.numbers, n))
}

func readPartsQuery(c *call) (q partsQuery, err error) {
	q = partsQuery{after: -1, content: true}
	if after, err := c.text("log_parts.after"); err != nil {
		return q, err
	} else if after != "" {
		if q.after, err = c.number("log_parts.after", 0); err != nil {
			return q, err
		}
		q.after = min(q.after, lastPart)
		q.from = partAt(q.after + 1)
	}
	numbers, err := c.list("log_parts.part_numbers")
	if err != nil {
		return q, err
	}
	for _, s := range numbers {
		n, err := strconv.Atoi(s)
		if err != nil {
			return q, fault.Field("part_numbers", "part_numbers must be integers with commas between.")
		}
		q.numbers = append(q.numbers, n)
	}
	all, err := c.truth("log_parts.require_all")
	if err != nil {
		return q, err
	}
	q.requireAll = all != nil && *all
	content, err := c.truth("log_parts.content")
	q.content = content == nil || *content
	return q, err
}

// jsonWriter writes JSON piece by piece and keeps the first error.
type jsonWriter struct {
	w   http.ResponseWriter
	err error
}

// open answers with the fields of an object and leaves it open.
func (j *jsonWriter) open(head *object) error {
	b, err := json.Marshal(head)
	if err != nil {
		return err
	}
	j.w.Header().Set("Content-Type", "application/json")
	j.w.WriteHeader(http.StatusOK)
	j.raw(string(bytes.TrimSuffix(b, []byte("}"))))
	return j.err
}

func (j *jsonWriter) raw(s string) {
	if j.err == nil {
		_, j.err = io.WriteString(j.w, s)
	}
}

// text writes pieces as one string.
func (j *jsonWriter) text(pieces func(yield func(string) error) error) {
	j.raw(`"`)
	if j.err == nil {
		j.err = pieces(func(s string) error {
			var b bytes.Buffer
			if err := encode(&b, s); err != nil {
				return err
			}
			_, err := j.w.Write(b.Bytes()[1 : b.Len()-1])
			return err
		})
	}
	j.raw(`"`)
}

// list writes objects with commas between.
func (j *jsonWriter) list(objects func(yield func(*object) error) error) {
	if j.err != nil {
		return
	}
	comma := "\n"
	j.err = objects(func(o *object) error {
		var b bytes.Buffer
		b.WriteString(comma)
		comma = ",\n"
		if err := encode(&b, o); err != nil {
			return err
		}
		_, err := j.w.Write(b.Bytes())
		return err
	})
}
