// Package rabbitmq carries messages over RabbitMQ, with plain declarations that match those of the original's peers. It
// must not know what the messages say.
//
// A session is two connections, one to publish and one to consume, so that back-pressure on publishing never holds up
// acknowledgements. A session that has any trouble is thrown away whole and replaced; nothing of it is repaired but what
// one consumer can mend for itself.
//
//	Carrier.Run ── connect ──> session ── lost ──> pause, connect, …
//	                            ├─ outlet (durable)    writer ──> channel ──> confirmer, by tag
//	                            ├─ outlet (transient)  the same; quick messages do not wait for the disk
//	                            ├─ Consume: a channel each; its end gives back what is not settled
//	                            └─ Receive: a channel of the pool each, back in the pool once the delivery is settled
//
// Every call has a time limit. A call that exceeds it ends the session by closing its sockets, because the driver itself
// waits for ever on a dead network. A delivery knows its channel, so a tag is never used on another one.
package rabbitmq
