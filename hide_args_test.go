package main

import (
	"bytes"
	"slices"
	"testing"
	"unsafe"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

func TestHideSecrets(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ args, left []string }{
		"none":           {[]string{"headrace", "status", "--json"}, []string{"headrace", "status", "--json"}},
		"joined":         {[]string{"headrace", "worker", "--amqp-url=amqp://u:p@h"}, []string{"headrace", "worker", "--amqp-url=***"}},
		"apart":          {[]string{"headrace", "worker", "--rabbitmq-password", "hunter2", "--queue", "q"}, []string{"headrace", "worker", "--rabbitmq-password", "***", "--queue", "q"}},
		"short":          {[]string{"headrace", "--token=x"}, []string{"headrace", "--token=*"}},
		"empty":          {[]string{"headrace", "--token=", "--token", ""}, []string{"headrace", "--token=", "--token", ""}},
		"missing":        {[]string{"headrace", "worker", "--token"}, []string{"headrace", "worker", "--token"}},
		"a file's name":  {[]string{"headrace", "--token-file", "t.txt"}, []string{"headrace", "--token-file", "t.txt"}},
		"after the end":  {[]string{"headrace", "--", "--token", "x"}, []string{"headrace", "--", "--token", "x"}},
		"twice the same": {[]string{"headrace", "--token", "--token=x"}, []string{"headrace", "--token", "***"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			given := make([]string, len(c.args))
			for i, arg := range c.args {
				if memory := []byte(arg); len(memory) > 0 { // a string that may be written to, as os.Args is
					given[i] = unsafe.String(&memory[0], len(memory))
				}
			}
			if diff := cmp.Diff(c.args, hideSecrets(given)); diff != "" {
				t.Errorf("returned (-want +got):\n%s", diff)
			}
			for i, arg := range given {
				if left := string(bytes.TrimRight([]byte(arg), "\x00")); left != c.left[i] {
					t.Errorf("argument %d shows %q, want %q", i, left, c.left[i])
				}
			}
		})
	}
}

// Every flag that has a twin which reads a file holds a secret.
func TestSecretFlags(t *testing.T) {
	t.Parallel()
	parser, err := kong.New(&commands{})
	if err != nil {
		t.Fatal(err)
	}
	flags := map[string]bool{}
	if err := kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		if f, ok := node.(*kong.Flag); ok {
			flags[f.Name] = true
		}
		return next(nil)
	}); err != nil {
		t.Fatal(err)
	}
	var want []string
	for name := range flags {
		if flags[name+"-file"] {
			want = append(want, "--"+name)
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, secretFlags()); diff != "" {
		t.Errorf("flags with a file twin, and those that are hidden:\n%s", diff)
	}
}
