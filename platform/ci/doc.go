// Package ci owns the nouns of the platform and their rules: repositories, requests, builds, stages, jobs, attempts, their
// states and how one thing follows from another. It does no I/O and knows no other room; all others speak in its terms.
//
// A job's life:
//
//	created -> queued -> received -> started -> passed | failed | errored | canceled
//	   ^          |          |           |
//	   +----------+----------+-----------+   reset, lost worker, restart: the next attempt of the same job
//
// State names and meanings are those of the Travis API v3.
package ci
