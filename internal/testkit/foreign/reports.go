package foreign

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"

	"github.com/rabbitmq/amqp091-go"
)

// What the platform's double makes of what it is told. The caller holds its lock.

// strict reads JSON that may hold nothing but what the platform knows.
func strict(body []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON")
	}
	return nil
}

// properties of every message to this platform.
func properties(d amqp091.Delivery) error {
	if d.ContentType != "application/json" || d.DeliveryMode != amqp091.Persistent || len(d.Headers) > 0 || d.Expiration != "" {
		return fmt.Errorf("properties: content type %q, delivery mode %d, headers %v, expires %q", d.ContentType, d.DeliveryMode, d.Headers, d.Expiration)
	}
	return nil
}

var (
	timeForm = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`)
	uuidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
)

// stateReport is what workers say of a job's state.
type stateReport struct {
	ID    uint64 `json:"id"`
	State string `json:"state"`
	Meta  struct {
		Count    int    `json:"state_update_count"`
		UUID     string `json:"uuid"`
		Instance string `json:"instance_id"`
	} `json:"meta"`
	QueuedAt   string `json:"queued_at"`
	ReceivedAt string `json:"received_at"`
	StartedAt  string `json:"started_at"`
	FinishedAt string `json:"finished_at"`
}

// statesOf are the states that each type of report may say.
func statesOf(kind string) []string {
	switch kind {
	case "job:test:receive":
		return []string{"received"}
	case "job:test:start":
		return []string{"started"}
	case "job:test:finish":
		return []string{"passed", "failed", "errored", "cancelled"}
	case "job:test:reset":
		return []string{"reset"}
	}
	return nil
}

func (s stateReport) check(d amqp091.Delivery) error {
	if err := properties(d); err != nil {
		return err
	}
	if d.Exchange != "" || !slices.Contains(statesOf(d.Type), s.State) {
		return fmt.Errorf("exchange %q, state %q", d.Exchange, s.State)
	}
	if !uuidForm.MatchString(s.Meta.UUID) {
		return fmt.Errorf("the run is %q", s.Meta.UUID)
	}
	last := d.Type == "job:test:finish"
	for name, t := range map[string]struct {
		text string
		must bool
		may  bool
	}{
		"queued_at": {s.QueuedAt, false, true}, "received_at": {s.ReceivedAt, true, true},
		"started_at": {s.StartedAt, last || s.State == "started", s.State != "received"}, "finished_at": {s.FinishedAt, last, last},
	} {
		if t.text == "" && t.must || t.text != "" && (!t.may || !timeForm.MatchString(t.text)) {
			return fmt.Errorf("%s is %q", name, t.text)
		}
	}
	return nil
}

// report takes a state report. Those of one run must be in order: this worker's do not overtake one another.
func (p *Platform) report(d amqp091.Delivery) error {
	var s stateReport
	if err := strict(d.Body, &s); err != nil {
		return err
	}
	j := p.jobs[s.ID]
	if j == nil {
		return errors.New("no such job")
	}
	if err := s.check(d); err != nil {
		return err
	}
	r := j.run(s.Meta.UUID)
	if s.Meta.Count != r.count {
		return fmt.Errorf("the report has count %d, the next is %d", s.Meta.Count, r.count)
	}
	r.count++
	if d.Type != "job:test:finish" && d.Type != "job:test:reset" {
		r.States = append(r.States, s.State)
		return p.move(s, j)
	}
	return p.behindLogs(func() error {
		r.ended = true
		r.States = append(r.States, s.State)
		return p.move(s, j)
	})
}

// marker is the type of a message that this platform sends itself behind the parts of logs that are on their way.
const marker = "marker"

// behindLogs does something when every part of a log that was sent before now has been taken: those come by another queue,
// and who reads two queues learns nothing from which of two messages it happens to read first.
func (p *Platform) behindLogs(do func() error) error {
	p.marked = append(p.marked, do)
	return p.out.PublishWithContext(context.Background(), "", "reporting.jobs.logs", false, false, amqp091.Publishing{Type: marker})
}

// passed is called for each marker, in their order.
func (p *Platform) passed() error {
	do := p.marked[0]
	p.marked = p.marked[1:]
	return do()
}

// move changes the state of the job as the original hub does.
func (p *Platform) move(s stateReport, j *Job) error {
	if j.State == "canceled" {
		if s.State == "received" || s.State == "started" {
			return p.command(s.ID, "Job Cancelled again")
		}
		return nil
	}
	switch s.State {
	case "reset":
		j.State = "queued"
		j.Resets++
		return p.publish(j)
	case "cancelled":
		j.State = "canceled"
	default:
		j.State = s.State
	}
	return nil
}

// textPart is a part of a log.
type textPart struct {
	ID     uint64          `json:"id"`
	Log    string          `json:"log"`
	Number int             `json:"number"`
	UUID   string          `json:"uuid"`
	Final  bool            `json:"final"`
	Meta   json.RawMessage `json:"meta"`
}

func (p *Platform) logPart(d amqp091.Delivery) error {
	if d.Type == marker {
		return p.passed()
	}
	var t textPart
	if err := strict(d.Body, &t); err != nil {
		return err
	}
	j := p.jobs[t.ID]
	if j == nil {
		return errors.New("no such job")
	}
	if err := properties(d); err != nil {
		return err
	}
	if d.Exchange != "reporting" || d.Type != "job:test:log" || len(t.Log) > mostText || t.Final != (t.Log == "") {
		return fmt.Errorf("exchange %q, %d bytes, final %v", d.Exchange, len(t.Log), t.Final)
	}
	r := j.run(t.UUID)
	if t.Number != r.part || r.Final {
		return fmt.Errorf("part %d, the next is %d (complete: %v)", t.Number, r.part, r.Final)
	}
	if r.ended {
		r.Late++
	}
	r.part++
	r.Log += t.Log
	r.Final = t.Final
	return nil
}
