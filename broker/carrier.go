package broker

import (
	"context"
	"errors"
	"time"
)

// Errors of a [Carrier], to be matched with errors.Is.
var (
	// ErrUnroutable: no queue took the message.
	ErrUnroutable = errors.New("no queue takes this message")
	// ErrUnavailable: the broker does not answer, or the deadline passed before it confirmed.
	ErrUnavailable = errors.New("the message broker does not answer")
	// ErrClosed: the carrier was closed.
	ErrClosed = errors.New("the carrier is closed")
	// ErrGone: the delivery belongs to a connection that is gone; the broker will deliver the message again.
	ErrGone = errors.New("the delivery is gone with its connection")
)

// Message is what is carried.
type Message struct {
	// Exchange is empty for the default exchange, where Key is the name of the queue.
	Exchange string
	Key      string
	// Type says what the body is; see the Type constants.
	Type string
	// ID is for tracing; it makes nothing unique.
	ID      string
	Headers map[string]string
	// ContentType defaults to application/json.
	ContentType string
	Body        []byte
	// Transient: need not survive a restart of the broker (heartbeats, answers).
	Transient bool
	// Expires is how long it may wait in a queue; 0 = for ever.
	Expires time.Duration
}

// Delivery is a message that was taken from a queue and not yet settled. Ack and Requeue may be called from any
// goroutine; only the first call counts. Unsettled deliveries go back to their queue when the consumer ends.
type Delivery interface {
	Message() Message
	// Redelivered: the broker has delivered it before.
	Redelivered() bool
	// Ack says that the message is done with. [ErrGone] when its connection is gone.
	Ack(ctx context.Context) error
	// Requeue puts it back. [ErrGone] when its connection is gone.
	Requeue(ctx context.Context) error
}

// Held is a [Delivery] that says when it is gone with its connection or channel: the broker gives the message to somebody else
// then.
type Held interface {
	// Gone is closed then, at the latest with the connection.
	Gone() <-chan struct{}
}

// QueueInfo is how a queue stands.
type QueueInfo struct {
	Ready     int // messages that wait
	Consumers int
}

// State is how a carrier stands, for people.
type State struct {
	Connected bool
	// Blocked: the broker takes no messages for now (memory or disk alarm).
	Blocked bool
	// Since is when it became so.
	Since time.Time
	// LastError says why it is not connected; it holds no password.
	LastError string
	// Tries counts the attempts to connect since the connection was lost.
	Tries int
}

// Carrier moves messages. It connects by itself, reconnects without limit with growing, jittered pauses, and declares
// the [Topology] on each connection. All methods are safe for concurrent use. The contract is held by package brokertest.
type Carrier interface {
	// Run keeps the connections up until ctx ends; it returns nil then. Nothing is carried before it runs.
	Run(ctx context.Context) error
	// Publish returns when the broker has taken responsibility for the message, or with [ErrUnroutable],
	// [ErrUnavailable], or the context's error. It waits for a connection as long as ctx allows, at most 10 s.
	Publish(ctx context.Context, m Message) error
	// Receive takes one message off the queue and stops consuming before it returns: a delivery that is being worked on
	// keeps no other message from other consumers. It waits, over reconnects, until there is one or ctx ends.
	Receive(ctx context.Context, queue string) (Delivery, error)
	// Consume hands the queue's messages to handle, one after another in order, with at most prefetch of them unsettled,
	// over reconnects, until ctx ends; then it returns nil. handle may settle a delivery later, from anywhere.
	Consume(ctx context.Context, queue string, prefetch int, handle func(context.Context, Delivery)) error
	// Listen hands over what is said to all who listen at a fanout exchange, from now on and until ctx ends; then it returns nil.
	// It is like Consume on a queue of its own, which goes with the connection or with the call, and which never holds
	// publishers up: when it is full the oldest message is dropped.
	Listen(ctx context.Context, exchange string, prefetch int, handle func(context.Context, Delivery)) error
	// Bind declares the exclusive queue of a worker ([WorkerQueue]) and binds it to [CommandsExchange]
	// and to [ForeignCommands], on this and on
	// every later connection, until ctx ends.
	Bind(ctx context.Context, queue string) error
	// DeclareQueue declares a durable job queue, on this and on every later connection.
	DeclareQueue(ctx context.Context, queue string) error
	// Inspect says how a queue stands; an unknown queue has neither messages nor consumers.
	Inspect(ctx context.Context, queue string) (QueueInfo, error)
	// State says how the carrier stands.
	State() State
	// Changed returns a channel that is closed at the next change of State.
	Changed() <-chan struct{}
}

// Names of queues and exchanges. Those named reporting and worker.commands, and their properties (durable, no
// arguments), are the open-source travis-worker's.
const (
	DefaultJobQueue   = "builds.linux"
	StateQueue        = "reporting.jobs.builds"
	LogQueue          = "reporting.jobs.logs"
	ReportingExchange = "reporting"       // topic, durable
	ForeignCommands   = "worker.commands" // fanout, not durable
	ClaimQueue        = "headrace.claims"
	HeartbeatExchange = "headrace.heartbeats" // fanout, durable: every node listens
	CommandsExchange  = "headrace.commands"   // fanout, durable
	workerQueuePrefix = "headrace.worker."
)

// What waits at most for one who listens.
const (
	ListenerMessages = 10_000
	ListenerBytes    = 8 << 20
)

// WorkerQueue is the exclusive queue on which a worker takes answers and commands.
func WorkerQueue(workerID string) string { return workerQueuePrefix + workerID }

// Message types.
const (
	TypeJob             = "test" // sic: the original's word for a job
	TypeReceive         = "job:test:receive"
	TypeStart           = "job:test:start"
	TypeFinish          = "job:test:finish"
	TypeReset           = "job:test:reset"
	TypeLog             = "job:test:log"
	TypeRawLog          = "headrace:log"
	TypeClaim           = "headrace:claim"
	TypeClaimAnswer     = "headrace:claim-answer"
	TypeHeartbeat       = "headrace:heartbeat"
	TypeHeartbeatAnswer = "headrace:heartbeat-answer"
	TypeProbe           = "headrace:probe"
	TypeCancel          = "headrace:cancel"
)
