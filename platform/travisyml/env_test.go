package travisyml

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseEnv(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		want [][2]string
	}{
		{`A=1`, [][2]string{{"A", "1"}}},
		{`A=1 B="x y"`, [][2]string{{"A", "1"}, {"B", `"x y"`}}},
		{`C='z'`, [][2]string{{"C", "'z'"}}},
		{`A`, [][2]string{{"A", ""}}},
		{`export A=1`, [][2]string{{"export", ""}, {"A", "1"}}},
		{`A=`, [][2]string{{"A", ""}}},
		{`A==1`, [][2]string{{"A", "=1"}}},
		{`A=b=c`, [][2]string{{"A", "b=c"}}},
		{`A=1;B=2`, [][2]string{{"A", "1;B=2"}}},
		{`A=1 # c`, [][2]string{{"A", "1"}, {"#", ""}, {"c", ""}}},
		{`"A=1 B=2"`, [][2]string{{"A", "1"}}},
		{`A=$(date +"%Y %m") B=${X:-a b}`, [][2]string{{"A", `$(date +"%Y %m")`}, {"B", "${X:-a b}"}}},
		{"A=`x y`", [][2]string{{"A", "`x y`"}}},
		{`A=a\ b`, [][2]string{{"A", `a\ b`}}},
		{`A=x"y z"'w v'`, [][2]string{{"A", `x"y z"'w v'`}}},
		{`A = 1`, nil},
		{`A="b`, nil},
		{`A=$(b`, nil},
	} {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			got, err := parseEnv(tt.text)
			if (err != nil) != (tt.want == nil) {
				t.Fatalf("error %v", err)
			}
			if tt.want != nil {
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("variables (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestEnvForms(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"a map is one row", "env: {A: 1, B: true}", []string{"[{A:1,B:true}]"}},
		{"a string is one row", "env: A=1 B=2", []string{"[{A:1,B:2}]"}},
		{"numbers keep their form", "env: [{V: 1.10}]", []string{"[{V:1.10}]"}},
		{"an empty item is a row", "env: [A=1, null]", []string{"[{A:1}]", "[]"}},
		{"matrix is the old name of jobs", "env: {matrix: [A=1, A=2]}", []string{"[{A:1}]", "[{A:2}]"}},
		{"other keys beside global are a row", "env: {global: [G=1], A: 1}", []string{"[{G:1},{A:1}]"}},
		{"global alone", "env: {global: {G: 1}}", []string{"[{G:1}]"}},
		{"global in a list", "env: [{global: [G=1]}]", []string{"[{G:1}]"}},
		{"encrypted", "env: [{secure: aGVsbG8=}]", []string{"[{secure:aGVsbG8=}]"}},
		{"an item given twice counts once", "env: {global: [A=1, A=1], jobs: [A=1]}", []string{"[{A:1}]"}},
		{"an empty env in an entry keeps the row away", "env: A=1\njobs: {include: [{env: }, {name: a}]}", []string{"[]", "[{A:1}]"}},
		{"a row that cannot be read", "env: ['A = 1', B=1]", []string{"[]", "[{B:1}]"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := jobLines(t, planOf(t, tt.text, pushToMaster()), "env")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("env (-want +got):\n%s", diff)
			}
		})
	}
}
