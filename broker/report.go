package broker

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// StateReport is what a worker says about a job: received, started, a final state, or reset.
type StateReport struct {
	ID         int64       `json:"id"` // of the job
	State      string      `json:"state"`
	Meta       ReportMeta  `json:"meta"`
	QueuedAt   *time.Time  `json:"queued_at,omitempty"`
	ReceivedAt *time.Time  `json:"received_at,omitempty"`
	StartedAt  *time.Time  `json:"started_at,omitempty"`
	FinishedAt *time.Time  `json:"finished_at,omitempty"`
	Headrace   *StateExtra `json:"headrace,omitempty"`
}

// ReportMeta orders the reports of a run.
type ReportMeta struct {
	StateUpdateCount int    `json:"state_update_count"` // attempt x 1000 + n
	UUID             string `json:"uuid,omitempty"`     // the run
	InstanceID       string `json:"instance_id,omitempty"`
}

// StateExtra is what Headrace's worker adds.
type StateExtra struct {
	Attempt  int    `json:"attempt"`
	Worker   string `json:"worker"` // id
	ExitCode *int   `json:"exit_code,omitempty"`
	// LogParts, of a last state, is how many parts the whole log has: the state is stored after them. 0: not said.
	LogParts int `json:"log_parts,omitempty"`
	// Reason is a code of platform/ci's reasons ("timeout"), Note a sentence for people.
	Reason string `json:"reason,omitempty"`
	Note   string `json:"note,omitempty"`
}

// Message returns the report as a message.
func (r StateReport) Message() (Message, error) {
	kind := TypeFinish
	switch r.State {
	case "received":
		kind = TypeReceive
	case "started":
		kind = TypeStart
	case "reset":
		kind = TypeReset
	}
	body, err := json.Marshal(r)
	if err != nil {
		return Message{}, fmt.Errorf("encode state report of job %d: %w", r.ID, err)
	}
	return Message{Key: StateQueue, Type: kind, Body: body}, nil
}

// DecodeStateReport reads a state report. The attempt of a report without Headrace's own fields is taken from its counter.
func DecodeStateReport(m Message) (StateReport, error) {
	var r StateReport
	if err := json.Unmarshal(m.Body, &r); err != nil {
		return r, fmt.Errorf("read state report: %w", err)
	}
	if r.ID <= 0 || r.State == "" {
		return r, fmt.Errorf("read state report: it names no job or no state")
	}
	if r.State == "cancelled" { // the original worker's spelling
		r.State = "canceled"
	}
	if r.Headrace == nil {
		r.Headrace = &StateExtra{Attempt: r.Meta.StateUpdateCount / 1000}
	}
	return r, nil
}

// LogPart is a piece of a job's log. Headrace's worker sends it raw, up to [MaxPart] bytes, with its key in headers;
// the original sends JSON text.
type LogPart struct {
	JobID   int64
	Attempt int // 0: not said (a foreign worker)
	Run     string
	Number  int
	Content []byte
	Elapsed time.Duration // since the log began
	Final   bool
}

// MaxPart is the most bytes that a part of Headrace's own worker holds.
const MaxPart = 64 << 10

// Message returns the part as a raw message.
func (p LogPart) Message() Message {
	return Message{
		Key: LogQueue, Type: TypeRawLog, ContentType: "application/octet-stream", Body: p.Content,
		Headers: map[string]string{
			"job": strconv.FormatInt(p.JobID, 10), "attempt": strconv.Itoa(p.Attempt), "run": p.Run,
			"number": strconv.Itoa(p.Number), "final": strconv.FormatBool(p.Final),
			"elapsed_ms": strconv.FormatInt(p.Elapsed.Milliseconds(), 10),
		},
	}
}

// DecodeLogPart reads a log part of either form.
func DecodeLogPart(m Message) (LogPart, error) {
	if m.Type != TypeRawLog {
		return decodeTextPart(m)
	}
	var p LogPart
	var ms int64
	for _, f := range []struct {
		name string
		set  func(string) error
	}{
		{"job", func(s string) (err error) { p.JobID, err = strconv.ParseInt(s, 10, 64); return err }},
		{"attempt", func(s string) (err error) { p.Attempt, err = strconv.Atoi(s); return err }},
		{"number", func(s string) (err error) { p.Number, err = strconv.Atoi(s); return err }},
		{"final", func(s string) (err error) { p.Final, err = strconv.ParseBool(s); return err }},
		{"elapsed_ms", func(s string) (err error) { ms, err = strconv.ParseInt(s, 10, 64); return err }},
	} {
		if err := f.set(m.Headers[f.name]); err != nil {
			return p, fmt.Errorf("read log part: header %s: %w", f.name, err)
		}
	}
	p.Run, p.Content, p.Elapsed = m.Headers["run"], m.Body, time.Duration(ms)*time.Millisecond
	return p, p.check()
}

func (p LogPart) check() error {
	if p.JobID <= 0 || p.Number < 0 || p.Attempt < 0 || len(p.Content) > MaxPart {
		return fmt.Errorf("read log part: job %d, attempt %d, part %d of %d bytes is out of range", p.JobID, p.Attempt, p.Number, len(p.Content))
	}
	return nil
}

type textPart struct {
	ID     int64  `json:"id"`
	Log    string `json:"log"`
	Number int    `json:"number"`
	UUID   string `json:"uuid"`
	Final  bool   `json:"final"`
}

func decodeTextPart(m Message) (LogPart, error) {
	var t textPart
	if err := json.Unmarshal(m.Body, &t); err != nil {
		return LogPart{}, fmt.Errorf("read log part: %w", err)
	}
	p := LogPart{JobID: t.ID, Run: t.UUID, Number: t.Number, Content: []byte(t.Log), Final: t.Final}
	return p, p.check()
}

// TextMessages returns the part in the original's form, for platforms that speak only that: JSON text cut at character
// borders into pieces of at most 1,653 bytes, numbered from first. The end of the log is a piece without text.
func (p LogPart) TextMessages(first int) ([]Message, error) {
	const most = 1653
	var out []Message
	rest := p.Content
	for last := false; !last; {
		if last = len(rest) == 0; last && !p.Final {
			break
		}
		n := min(len(rest), most)
		for n < len(rest) && n > most-utf8.UTFMax && !utf8.RuneStart(rest[n]) {
			n--
		}
		piece := textPart{ID: p.JobID, Log: string(rest[:n]), Number: first + len(out), UUID: p.Run, Final: last}
		rest = rest[n:]
		body, err := json.Marshal(piece)
		if err != nil {
			return nil, fmt.Errorf("encode log part of job %d: %w", p.JobID, err)
		}
		out = append(out, Message{Exchange: ReportingExchange, Key: LogQueue, Type: TypeLog, Body: body})
	}
	return out, nil
}
