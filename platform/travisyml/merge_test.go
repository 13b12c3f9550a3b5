package travisyml

import "testing"

func TestMerge(t *testing.T) {
	t.Parallel()
	const base = `{"language":"go","script":["a"],"env":{"global":["G=1"],"jobs":["A=1"]}}`
	for _, tt := range []struct{ name, mode, override, want string }{
		{"replace", "replace", `script: [b]`, `{"script":["b"]}`},
		{"merge is shallow", "merge", `env: {jobs: [B=1]}`, `{"language":"go","script":["a"],"env":{"jobs":["B=1"]}}`},
		{"deep merge replaces lists", "deep_merge", `env: {jobs: [B=1]}`, `{"language":"go","script":["a"],"env":{"global":["G=1"],"jobs":["B=1"]}}`},
		{"append is the default", "", `env: {jobs: [B=1]}`, `{"language":"go","script":["a"],"env":{"global":["G=1"],"jobs":["A=1","B=1"]}}`},
		{"append", "deep-merge-append", `script: [b]`, `{"language":"go","script":["a","b"],"env":{"global":["G=1"],"jobs":["A=1"]}}`},
		{"prepend", "deep_merge_prepend", `script: [b]`, `{"language":"go","script":["b","a"],"env":{"global":["G=1"],"jobs":["A=1"]}}`},
		{"different kinds do not combine", "deep_merge_append", `env: B=1`, `{"language":"go","script":["a"],"env":"B=1"}`},
		{"a tag on a list", "deep_merge_append", `script: !seq+replace [b]`, `{"language":"go","script":["b"],"env":{"global":["G=1"],"jobs":["A=1"]}}`},
		{"a tag on a map", "deep_merge_append", `env: !map+replace {jobs: [B=1]}`, `{"language":"go","script":["a"],"env":{"jobs":["B=1"]}}`},
		{"a tag with a mode in two words", "replace", "!map+deep_merge+prepend\nscript: [b]", `{"language":"go","script":["b","a"],"env":{"global":["G=1"],"jobs":["A=1"]}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			above, _, err := Parse("request", []byte(tt.override), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			in := Input{Source: ".travis.yml", Text: []byte(base), Overrides: []Fragment{{Document: above, Mode: tt.mode}}}
			got, _, _, err := Gather(t.Context(), in, pushToMaster(), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if text := string(got.root.json()); text != tt.want {
				t.Errorf("got %s, want %s", text, tt.want)
			}
		})
	}
}

func TestMergeUnknownMode(t *testing.T) {
	t.Parallel()
	d, _, err := Parse("f", []byte("a: 1"), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	in := Input{Source: "f", Overrides: []Fragment{{Document: d, Mode: "blend"}}}
	if _, _, _, err := Gather(t.Context(), in, pushToMaster(), Limits{}); err == nil {
		t.Error("an unknown merge mode is taken")
	}
}

func TestLoadWithOverride(t *testing.T) {
	t.Parallel()
	over, _, err := Parse("request", []byte(`{"script": "b", "frobnicate": 1}`), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	in := Input{Source: ".travis.yml", Text: []byte("script: a"), Overrides: []Fragment{{Document: over, Mode: "merge"}}}
	_, plan, err := Load(t.Context(), in, pushToMaster(), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got := jobLines(t, plan, "script"); got[0] != "[b]" {
		t.Errorf("script is %q", got)
	}
	for _, m := range plan.Messages {
		if m.Code == "unknown_key" && m.Source == "request" {
			return
		}
	}
	t.Errorf("no message about the key of the request in %q", codes(plan.Messages))
}
