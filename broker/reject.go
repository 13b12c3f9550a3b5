package broker

import "fmt"

// RejectQueue takes the messages that a worker can make nothing of; the platform keeps them for people to see.
const RejectQueue = "headrace.rejects"

// TypeReject is the type of a [Reject].
const TypeReject = "headrace:reject"

// MostRejected is how many bytes of a message a worker hands on.
const MostRejected = 64 << 10

// Reject hands on a message that a worker took from a queue and can make nothing of.
type Reject struct {
	Queue       string            `json:"queue"`
	Type        string            `json:"type"`
	ContentType string            `json:"content_type,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	// Body is at most its first [MostRejected] bytes; Size is how many it had.
	Body   []byte `json:"body"`
	Size   int    `json:"size"`
	Reason string `json:"reason"`
	Worker string `json:"worker"` // name
}

// NewReject returns what hands on a message from a queue.
func NewReject(queue, worker string, m Message, reason error) Reject {
	return Reject{
		Queue: queue, Type: m.Type, ContentType: m.ContentType, Headers: m.Headers, Body: m.Body[:min(len(m.Body), MostRejected)], Size: len(m.Body),
		Reason: reason.Error(), Worker: worker,
	}
}

// Message returns the reject as a message, which outlives a restart of the broker.
func (r Reject) Message() (Message, error) {
	m, err := Encode("", RejectQueue, TypeReject, r)
	m.Transient, m.Expires = false, 0
	return m, err
}

// DecodeReject reads a reject.
func DecodeReject(m Message) (Reject, error) {
	var r Reject
	if err := Decode(m, &r); err != nil {
		return r, err
	}
	if r.Queue == "" {
		return r, fmt.Errorf("read reject: it names no queue")
	}
	return r, nil
}
