// Package store owns SQL, and nothing but SQL: PostgreSQL and SQLite behind one text of each statement, the migrations, and
// the one place where the state of a build, stage, job or attempt is written. It applies the rules of package ci and makes
// none of its own; it knows no network but the database's.
//
// A use case is one exported method and one transaction. What it returns without an error is committed, on disk.
//
// Two rules keep concurrent nodes apart:
//
//   - Whoever changes a job holds the row of its build first ([Store.hold]); every statement that writes a state is guarded by
//     the state and the attempt that it was computed from.
//   - Rows are locked in the order queue, repository, request, build, job, attempt, log.
//
// Jobs that come back from a change, and those of lists of builds, are without their configuration, which is large; a job, a
// build, a list of jobs and a granted claim have it.
//
// Times are the store's clock ([Store.Now]): UTC, whole microseconds, on PostgreSQL the database's.
package store
