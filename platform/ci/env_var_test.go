package ci_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

func TestOfBranch(t *testing.T) {
	t.Parallel()
	all := []ci.EnvVar{
		{Name: "A", Value: "all", Public: true}, {Name: "A", Value: "main", Branch: "main"}, {Name: "B", Value: "next", Branch: "next", Public: true},
		{Name: "C", Value: "main", Branch: "main", Public: true}, {Name: "C", Value: "all"}, {Name: "D", Value: "all"},
	}
	for _, tt := range []struct {
		branch  string
		secrets bool
		want    string
	}{
		{"main", true, "A=main C=main D=all"},
		{"main", false, "C=main"}, // the secret of the branch hides the public one of all
		{"next", true, "A=all B=next C=all D=all"},
		{"other", false, "A=all"},
	} {
		var got []string
		for _, v := range ci.OfBranch(all, tt.branch, tt.secrets) {
			got = append(got, v.Name+"="+v.Value)
		}
		if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s, secrets %t (-want +got):\n%s", tt.branch, tt.secrets, diff)
		}
	}
}

func TestNewEnvVar_Check(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		v     ci.NewEnvVar
		field string
	}{
		{ci.NewEnvVar{Name: "_A1", Value: "x\ny", Branch: "feature/ü"}, ""},
		{ci.NewEnvVar{}, "name"},
		{ci.NewEnvVar{Name: "1A"}, "name"},
		{ci.NewEnvVar{Name: "A B"}, "name"},
		{ci.NewEnvVar{Name: "A\n"}, "name"},
		{ci.NewEnvVar{Name: strings.Repeat("A", 201)}, "name"},
		{ci.NewEnvVar{Name: "A", Value: "x\x00"}, "value"},
		{ci.NewEnvVar{Name: "A", Value: "\xff"}, "value"},
		{ci.NewEnvVar{Name: "A", Value: strings.Repeat("x", ci.MaxEnvVarBytes)}, ""},
		{ci.NewEnvVar{Name: "A", Value: strings.Repeat("x", ci.MaxEnvVarBytes+1)}, "value"},
		{ci.NewEnvVar{Name: "A", Branch: "\xff"}, "branch"},
	} {
		err := tt.v.Check()
		if f, ok := asFault(err); (tt.field == "") != (err == nil) || ok && f.Fields[tt.field] == "" {
			t.Errorf("%.40s: got %v, want a fault of %q", tt.v.Name, err, tt.field)
		}
	}
}

func TestEnvVar_With(t *testing.T) {
	t.Parallel()
	yes, value := true, "new"
	secret := ci.EnvVar{Name: "A", Value: "old", Branch: "main"}
	if _, err := secret.With(ci.EnvVarChange{Public: &yes}); !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), "old") {
		t.Errorf("a secret became public without a new value: %v", err)
	}
	got, err := secret.With(ci.EnvVarChange{Public: &yes, Value: &value})
	if want := (ci.NewEnvVar{Name: "A", Value: "new", Public: true, Branch: "main"}); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

func asFault(err error) (*fault.Error, bool) {
	f, ok := err.(*fault.Error) //nolint:errorlint // Check returns it as it is
	return f, ok
}
