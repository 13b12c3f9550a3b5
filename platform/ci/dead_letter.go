package ci

import "time"

// DeadLetter is a message that nothing could be made of, kept so that people can see it, and send it again when the cause
// is gone. The same message seen again is one dead letter, with one try more.
type DeadLetter struct {
	ID int64
	// Queue is where the message came from, and where it goes when it is sent again.
	Queue       string
	Type        string
	ContentType string
	Headers     map[string]string
	// Body is the beginning of what it said; Size is how many bytes that were.
	Body []byte
	Size int
	// Whole: nothing was cut off, so that it can be sent again.
	Whole bool
	// Reason says why nothing could be made of it, the last time.
	Reason          string
	Tries           int
	FirstAt, LastAt time.Time
	// Requeued: somebody asked to send it again, and no node has done it yet.
	Requeued bool
}
