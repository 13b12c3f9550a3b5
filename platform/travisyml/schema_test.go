package travisyml

import (
	"slices"
	"testing"
)

func TestSchemaHoldsTogether(t *testing.T) {
	t.Parallel()
	s := theSchema()
	for name, m := range s.maps {
		if m.prefix != "" && !m.known(m.prefix) && name != "deploy.common" {
			t.Errorf("map %s: its prefix %q is no key of it", name, m.prefix)
		}
		for _, key := range m.required {
			if !m.known(key) {
				t.Errorf("map %s: the required key %q is no key of it", name, key)
			}
		}
		for alias, key := range m.aliases {
			if !m.known(key) || m.known(alias) {
				t.Errorf("map %s: %q cannot stand for %q", name, alias, key)
			}
		}
		for _, f := range m.fields {
			for _, value := range f.values {
				if !slices.Contains(s.enums[f.on].values, value) {
					t.Errorf("map %s: key %s asks for an unknown %s %q", name, f.name, f.on, value)
				}
			}
			if f.schema == nil || f.schema.shape == mapShape && f.schema.mapped == nil || f.schema.shape == enumShape && f.schema.enum == nil {
				t.Errorf("map %s: key %s has an unknown type", name, f.name)
			}
		}
	}
}

func TestExpansionKeysAreTheSchemas(t *testing.T) {
	t.Parallel()
	var marked []string
	for _, f := range theSchema().maps["root"].fields {
		if f.expand {
			marked = append(marked, f.name)
		}
	}
	listed := slices.DeleteFunc(expansionKeys(), func(key string) bool { return key == "env" })
	slices.Sort(marked)
	slices.Sort(listed)
	if !slices.Equal(marked, listed) {
		t.Errorf("the schema marks %q, the order lists %q", marked, listed)
	}
}

func TestClosest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ word, want string }{
		{"scirpt", "script"}, {"scripts", "script"}, {"befor_install", "before_install"}, {"afer_sucess", "after_success"},
		{"frobnicate", ""}, {"ab", ""}, {"brnaches", "branches"}, {"langauge", "language"}, {"so", ""},
	} {
		known := []string{"script", "before_install", "after_success", "branches", "language", "os"}
		if got := closest(known, tt.word); got != tt.want {
			t.Errorf("closest to %q is %q, want %q", tt.word, got, tt.want)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	text := []byte("language: python\npython: [3.8, 3.9, '3.10']\nos: [linux, osx]\nenv: {global: [G=1], jobs: [A=1, A=2, A=3]}\n" +
		"jobs:\n  include: [{stage: deploy, script: make, if: branch = master}]\n  exclude: [{os: osx, env: A=1}]\n" +
		"  allow_failures: [{python: 3.8}]\nscript: [make, make test]\n")
	r := pushToMaster()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Load(b.Context(), Input{Source: "f", Text: text}, r, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
