package broker

import (
	"encoding/json"
	"fmt"
)

// AttemptOf is the attempt that a report without Headrace's own fields speaks of: that of the job message which the worker
// was given. The worker counts its reports on from where that message began.
func (r StateReport) AttemptOf() int { return r.Meta.StateUpdateCount / 1000 }

// ForeignCancel tells the workers that do not claim to stop a job. It names no attempt; who does not have the job now
// forgets it at once.
type ForeignCancel struct {
	JobID  int64
	Reason string // for people, in the job's log
}

// TypeForeignCancel is what the body of a [ForeignCancel] names as its type.
const TypeForeignCancel = "cancel_job"

// DecodeForeignCancel reads a command to foreign workers; ok says whether it is a cancel.
func DecodeForeignCancel(m Message) (c ForeignCancel, ok bool, err error) {
	var body struct {
		Type   string `json:"type"`
		JobID  int64  `json:"job_id"`
		Reason string `json:"reason"`
	}
	if err := json.Unmarshal(m.Body, &body); err != nil {
		return c, false, fmt.Errorf("read a command: %w", err)
	}
	return ForeignCancel{JobID: body.JobID, Reason: body.Reason}, body.Type == TypeForeignCancel, nil
}

// Message returns the command as a message to every foreign worker.
func (c ForeignCancel) Message() (Message, error) {
	body, err := json.Marshal(struct {
		Type   string `json:"type"`
		JobID  int64  `json:"job_id"`
		Source string `json:"source"`
		Reason string `json:"reason"`
	}{TypeForeignCancel, c.JobID, "headrace", c.Reason})
	if err != nil {
		return Message{}, fmt.Errorf("encode the cancel of job %d: %w", c.JobID, err)
	}
	return Message{Exchange: ForeignCommands, Type: TypeForeignCancel, Body: body, Transient: true}, nil
}
