package broker

// Exchange is an exchange as every peer declares it.
type Exchange struct {
	Name    string
	Fanout  bool // else a topic exchange
	Durable bool
}

// Binding leads messages of an exchange with a key into a queue.
type Binding struct {
	Exchange, Key, Queue string
}

// Layout is what exists on every broker that platform and workers use. All queues are durable and nothing has arguments:
// declarations of the original's peers must match, so whatever goes beyond is set by policies on the broker.
type Layout struct {
	Exchanges []Exchange
	Queues    []string
	Bindings  []Binding
}

// Topology returns the [Layout]. Job queues, the queues of workers and those of who listens come on top; see [Carrier].
func Topology() Layout {
	return Layout{
		Exchanges: []Exchange{
			{Name: ReportingExchange, Durable: true},
			{Name: ForeignCommands, Fanout: true},
			{Name: CommandsExchange, Fanout: true, Durable: true},
			{Name: HeartbeatExchange, Fanout: true, Durable: true},
		},
		Queues: []string{StateQueue, LogQueue, ClaimQueue, RejectQueue},
		Bindings: []Binding{
			{Exchange: ReportingExchange, Key: StateQueue, Queue: StateQueue},
			{Exchange: ReportingExchange, Key: LogQueue, Queue: LogQueue},
		},
	}
}
