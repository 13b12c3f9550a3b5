// Package broker owns the wire between platform and workers: what the messages say, the names of queues and exchanges, and
// [Carrier], the interface of what carries them. It must not know the platform, nor how a worker runs a job.
//
// Messages of jobs, state reports and log parts keep the shape that the open-source travis-worker speaks (queues, types,
// fields); what Headrace adds (claims, attempts, heartbeats) stands in the object "headrace", in headers, or on queues of
// its own, so that a foreign peer can ignore it.
//
//	platform --- job ------------> queue builds.linux ------------------> worker
//	worker ----- claim ----------> queue headrace.claims ---------------> platform --- answer ---> queue headrace.worker.ID
//	worker ----- state ----------> queue reporting.jobs.builds ---------> platform
//	worker ----- log part -------> queue reporting.jobs.logs -----------> platform
//	worker ----- heartbeat ------> exchange headrace.heartbeats (fanout) -> every node: one answers -> queue headrace.worker.ID
//	worker ----- no job ---------> queue headrace.rejects --------------> platform
//	platform --- cancel ---------> exchange headrace.commands (fanout) -> every queue headrace.worker.ID
//
// Truth is in SQL: every message exists outside the broker until SQL has it, so a lost or doubled message costs time only.
package broker
