package broker

import (
	"encoding/json"
	"fmt"
	"time"
)

// Claim asks to own an attempt. The same question asked again gets the same answer.
type Claim struct {
	JobID    int64  `json:"job_id"`
	Attempt  int    `json:"attempt"`
	Run      string `json:"run"` // random, of this try
	WorkerID string `json:"worker_id"`
	Worker   string `json:"worker"` // name
	// Redelivered: the worker has the message now, and the broker had delivered it before. Only then can it have been taken from a
	// worker that does not claim.
	Redelivered bool `json:"redelivered,omitempty"`
	// SecretsTo is the public key, made for this question, that the job's secrets are sealed to. Empty: none are wanted.
	SecretsTo string `json:"secrets_to,omitempty"`
}

// Subject is what the letter with the secrets is about: it opens for no other run.
func (c Claim) Subject() string {
	return fmt.Sprintf("secrets of job %d.%d run %s", c.JobID, c.Attempt, c.Run)
}

// CachesSubject is what the letter with the addresses of the job's cache is about.
func (c Claim) CachesSubject() string {
	return fmt.Sprintf("caches of job %d.%d run %s", c.JobID, c.Attempt, c.Run)
}

// ClaimAnswer says whether the worker owns the attempt.
type ClaimAnswer struct {
	JobID   int64  `json:"job_id"`
	Attempt int    `json:"attempt"`
	Run     string `json:"run"`
	Granted bool   `json:"granted"`
	// Reason says, for people, why it was refused.
	Reason string `json:"reason,omitempty"`
	// Next is the first log part that is not stored yet.
	Next int `json:"next"`
	// Secrets are the job's secret variables, []EnvVar as JSON, sealed to the key of the question. Empty: it has none.
	Secrets string `json:"secrets,omitempty"`
	// SecretsTrouble says, for people, why the job cannot be given its secrets. It must not run without them.
	SecretsTrouble string `json:"secrets_trouble,omitempty"`
	// Caches are the addresses of the job's cache, [Caches] as JSON, sealed to the key of the question: who has them can read
	// and write it. Empty: it has none.
	Caches string `json:"caches,omitempty"`
}

// Run names a run of an attempt.
type Run struct {
	JobID   int64  `json:"job_id"`
	Attempt int    `json:"attempt"`
	Run     string `json:"run"`
}

// Heartbeat says, every few seconds, that a worker lives and what it runs.
type Heartbeat struct {
	WorkerID string `json:"worker_id"` // random, of this process
	// Home is the id of the worker's work directory, which one process at a time may use: a heartbeat from the same home
	// under another worker id means that the worker before is dead, and its jobs need not wait for a lease to run out.
	Home string `json:"home,omitempty"`
	// Generation counts the processes that have had the home: of two, the one with the higher number is the living one.
	Generation int64  `json:"generation,omitempty"`
	Name       string `json:"name"`
	Version    string `json:"version"`
	Queue      string `json:"queue"`
	Slots      int    `json:"slots"`
	Draining   bool   `json:"draining"`
	Executor   string `json:"executor"`
	// Trouble says, in a sentence for people, why it takes no jobs now although it lives. Empty: it takes some.
	Trouble  string `json:"trouble,omitempty"`
	Sequence int64  `json:"sequence"` // counts up; the answer repeats it
	Runs     []Run  `json:"runs"`
	// Asking are the runs that it asks to own: where the answer was lost on the way, their leases are renewed all the same.
	Asking []Run `json:"asking,omitempty"`
}

// HeartbeatAnswer says what the worker still owns.
type HeartbeatAnswer struct {
	Sequence int64       `json:"sequence"`
	Runs     []RunStatus `json:"runs"`
}

// RunStatus is what the platform has stored of a run.
type RunStatus struct {
	Run
	// Owned: go on. False: kill it, forget it.
	Owned bool `json:"owned"`
	// Canceled: kill it, then complete its log and its state.
	Canceled bool `json:"canceled"`
	// State is the last state stored.
	State string `json:"state"`
	// Next is the first log part that is not stored; the worker may forget all before it.
	Next int `json:"next"`
	// Closed: the log is complete.
	Closed bool `json:"closed"`
}

// Cancel tells the workers to stop an attempt.
type Cancel struct {
	JobID   int64  `json:"job_id"`
	Attempt int    `json:"attempt"`
	Run     string `json:"run,omitempty"` // empty: any
	Reason  string `json:"reason,omitempty"`
}

// Probe goes the way of heartbeats and comes back to the node that sent it, which sees by it that it can hear them.
type Probe struct {
	Node   string `json:"node"`   // for people
	Hub    string `json:"hub"`    // random, of the process
	Number int64  `json:"number"` // counts up
}

// Encode returns v as the JSON body of a message of the type to the key (and exchange, where it is not the default one).
// Messages made by it are transient: claims, heartbeats, answers and commands are asked or said again.
func Encode(exchange, key, kind string, v any) (Message, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return Message{}, fmt.Errorf("encode %s: %w", kind, err)
	}
	return Message{Exchange: exchange, Key: key, Type: kind, Body: body, Transient: true, Expires: time.Minute}, nil
}

// Decode reads the JSON body of a message into v.
func Decode(m Message, v any) error {
	if err := json.Unmarshal(m.Body, v); err != nil {
		return fmt.Errorf("read %s: %w", m.Type, err)
	}
	return nil
}
