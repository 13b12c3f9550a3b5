//go:build race

package citest

// raced: the race detector is on. A schedule runs in one goroutine, so that there is little for it to find.
const raced = true
