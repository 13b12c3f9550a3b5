package seal_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/seal"
)

func keys(t *testing.T, text string) *seal.Keys {
	t.Helper()
	k, err := seal.ParseKeys(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeys_sealAndOpen(t *testing.T) {
	t.Parallel()
	old, fresh := seal.NewKey(), seal.NewKey()
	at := seal.Place{Table: "env_vars", Row: "7", Column: "value"}
	before := keys(t, old)
	first, err := before.Seal([]byte("canary-1"), at)
	if err != nil {
		t.Fatal(err)
	}
	again, err := before.Seal([]byte("canary-1"), at)
	if err != nil {
		t.Fatal(err)
	}
	if first == again || strings.Contains(first, "canary") || !strings.Contains(first, before.IDs()[0]) {
		t.Errorf("sealed twice: %q and %q, ids %v", first, again, before.IDs())
	}
	after := keys(t, fresh+", "+old)
	second, err := after.Seal(nil, at)
	if err != nil {
		t.Fatal(err)
	}
	for sealed, want := range map[string]string{first: "canary-1", second: ""} {
		got, err := after.Open(sealed, at)
		if err != nil || string(got) != want {
			t.Errorf("Open = %q, %v; want %q", got, err, want)
		}
	}
	if !strings.Contains(second, after.IDs()[0]) || after.IDs()[1] != before.IDs()[0] {
		t.Errorf("the newest of %v did not seal %q", after.IDs(), second)
	}
}

func TestKeys_openRefuses(t *testing.T) {
	t.Parallel()
	k := keys(t, seal.NewKey())
	at := seal.Place{Table: "env_vars", Row: "7", Column: "value"}
	sealed, err := k.Seal([]byte("canary"), at)
	if err != nil {
		t.Fatal(err)
	}
	changed := []byte(sealed)
	if at := len(changed) - 20; changed[at] == 'A' {
		changed[at] = 'B'
	} else {
		changed[at] = 'A'
	}
	for name, tt := range map[string]struct {
		keys   *seal.Keys
		sealed string
		at     seal.Place
		words  string
	}{
		"another key":    {keys(t, seal.NewKey()), sealed, at, k.IDs()[0]},
		"no key":         {nil, sealed, at, k.IDs()[0]},
		"another row":    {k, sealed, seal.Place{Table: "env_vars", Row: "8", Column: "value"}, "moved"},
		"another column": {k, sealed, seal.Place{Table: "env_vars", Row: "7", Column: "name"}, "moved"},
		"shifted names":  {k, sealed, seal.Place{Table: "env_vars7", Row: "", Column: "value"}, "moved"},
		"changed":        {k, string(changed), at, "changed"},
		"cut":            {k, sealed[:len(sealed)-10], at, "changed"},
		"empty":          {k, "", at, "form"},
		"plain":          {k, "canary", at, "form"},
		"no base64":      {k, "v1." + k.IDs()[0] + ".%", at, "changed"},
	} {
		plain, err := tt.keys.Open(tt.sealed, tt.at)
		if f, ok := errors.AsType[*fault.Error](err); !ok || f.Kind != seal.Kind {
			t.Errorf("%s: the fault %v is not of its kind", name, err)
		}
		if err == nil || !strings.Contains(fault.Message(err), tt.words) || plain != nil {
			t.Errorf("%s: got %q, %v; want an error that says %q", name, plain, err, tt.words)
		}
	}
	if _, err := (*seal.Keys)(nil).Seal(nil, at); !fault.Is(err, fault.Unavailable) {
		t.Errorf("sealing without a key: %v", err)
	}
}

func TestParseKeys_refuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", ",", "hunter2", seal.NewKey() + ",", seal.NewKey()[4:], seal.NewKey() + "," + seal.NewKey()[:8]} {
		_, err := seal.ParseKeys(text)
		if !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("ParseKeys(%q) = %v", text, err)
		}
	}
}

func TestLetter(t *testing.T) {
	t.Parallel()
	box, err := seal.NewLetterbox()
	if err != nil {
		t.Fatal(err)
	}
	other, err := seal.NewLetterbox()
	if err != nil {
		t.Fatal(err)
	}
	letter, err := seal.Letter(box.Address(), "job 7", []byte("canary"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := box.Open(letter, "job 7"); err != nil || string(got) != "canary" {
		t.Errorf("Open = %q, %v", got, err)
	}
	if _, err := box.Open(letter, "job 8"); err == nil {
		t.Error("a letter about something else was opened")
	}
	if _, err := other.Open(letter, "job 7"); err == nil {
		t.Error("a letter to somebody else was opened")
	}
	for _, address := range []string{"", "%", "aGVsbG8=", strings.Repeat("A", 43) + "="} {
		if _, err := seal.Letter(address, "job 7", []byte("canary")); err == nil {
			t.Errorf("a letter was written to %q", address)
		}
	}
}
