//go:build !race

package citest

// raced: the race detector is off.
const raced = false
