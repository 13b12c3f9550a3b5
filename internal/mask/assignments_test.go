package mask

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAssignments(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"s3cret":                      nil,
		"TOKEN=s3cret":                {"s3cret"},
		`A=x B="y z" C='it''s'`:       {"x", "y z", "it"},
		`A="say \"hi\" to C:\\x" B=q`: {`say "hi" to C:\x`, "q"},
		`PASSWORD=a\ b`:               {`a b`},
		"-----BEGIN KEY-----\nab=cd":  {"cd"},
		"a b=c":                       {"c"},
		"":                            nil,
	} {
		if diff := cmp.Diff(append([]string{text}, want...), Assignments(text)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}
