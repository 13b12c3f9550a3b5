package main

import (
	"slices"
	"strings"
	"unsafe"
)

// secretFlags are the flags whose values nobody shall see in the list of processes.
func secretFlags() []string {
	return []string{"--amqp-url", "--rabbitmq-password", "--token", "--value"}
}

// hideSecrets returns a copy of the command line, and overwrites the secrets in the memory that it was passed in: that is
// where the system reads the title of the process from. The runtime makes os.Args of that memory without copying it, so
// that args has to be os.Args itself, before anybody keeps a part of it.
func hideSecrets(args []string) []string {
	clone := make([]string, len(args))
	for i, arg := range args {
		clone[i] = strings.Clone(arg)
	}
	for i := 0; i < len(clone) && clone[i] != "--"; i++ {
		name, _, joined := strings.Cut(clone[i], "=")
		switch {
		case !slices.Contains(secretFlags(), name):
		case joined:
			overwrite(args[i], len(name)+1)
		case i+1 < len(args):
			i++
			overwrite(args[i], 0)
		}
	}
	return clone
}

// overwrite writes stars over the beginning of what follows the first bytes of s, and zeros over the rest, so that not even
// its length is left.
func overwrite(s string, from int) {
	const stars = 3
	if from >= len(s) {
		return
	}
	memory := unsafe.Slice(unsafe.StringData(s), len(s))[from:] //nolint:gosec // see hideSecrets
	for i := range memory {
		memory[i] = 0
		if i < stars {
			memory[i] = '*'
		}
	}
}
