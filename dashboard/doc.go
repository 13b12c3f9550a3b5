// Package dashboard owns the pages of the operator on :8800: whether this installation works, and what to do where it
// does not. It must not wait for what it reports on: health is given to it by a function that answers within a second,
// also while the database is away.
package dashboard
