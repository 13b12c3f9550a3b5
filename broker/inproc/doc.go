// Package inproc carries messages inside one process: the trial's broker. Nothing of it outlives the process, and nothing
// needs to: every message exists in SQL or in a worker's spool until SQL has it. Its memory is bounded; publishers wait
// for room. It must not know what the messages say.
package inproc
