// Package e2e holds the tests that use Headrace as people do: the real binary, real processes, real servers, a real
// browser. It has no code that ships.
package e2e
