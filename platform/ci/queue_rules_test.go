package ci

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestQueueRules_Choose(t *testing.T) {
	t.Parallel()
	rules, err := ParseQueueRules("builds.big owner=Acme language=java, builds.mac os=osx\t,, builds.arm arch=arm64|ppc64le os=linux, builds.one repo=acme/app")
	if err != nil {
		t.Fatal(err)
	}
	r := QueueRules{Rules: rules, Default: "builds.linux", Named: []string{"builds.gpu"}}
	all := QueueRules{Default: "builds.linux", Named: []string{"*"}}
	for name, c := range map[string]struct {
		rules        QueueRules
		slug, config string
		want         [2]string
	}{
		"nothing matches":           {r, "other/x", `{"os":"linux","language":"go"}`, [2]string{"builds.linux"}},
		"no object":                 {r, "other/x", `null`, [2]string{"builds.linux"}},
		"by os":                     {r, "other/x", `{"os":"osx"}`, [2]string{"builds.mac"}},
		"by the first of a list":    {r, "other/x", `{"os":["osx","linux"]}`, [2]string{"builds.mac"}},
		"one of several values":     {r, "other/x", `{"os":"linux","arch":"ppc64le"}`, [2]string{"builds.arm"}},
		"all conditions must":       {r, "other/x", `{"os":"windows","arch":"arm64"}`, [2]string{"builds.linux"}},
		"the first rule counts":     {r, "ACME/app", `{"os":"osx","language":"java"}`, [2]string{"builds.big"}},
		"by repository":             {r, "acme/App", `{"os":"linux"}`, [2]string{"builds.one"}},
		"named and allowed":         {r, "acme/app", `{"os":"osx","queue":"builds.gpu"}`, [2]string{"builds.gpu"}},
		"named but not allowed":     {r, "acme/x", `{"os":"osx","queue":"builds.mine"}`, [2]string{"builds.mac", "builds.mine"}},
		"named where all may":       {all, "acme/x", `{"queue":"builds.mine"}`, [2]string{"builds.mine"}},
		"something that is no text": {r, "acme/x", `{"os":{"a":1},"arch":[]}`, [2]string{"builds.linux"}},
	} {
		queue, refused := c.rules.Choose(c.slug, Config(c.config))
		if diff := cmp.Diff(c.want, [2]string{queue, refused}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestParseQueueRules_refuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"builds.mac":           "names a queue",
		"os=osx":               "names a queue",
		"os=osx builds.mac":    "names a queue",
		"builds.mac os":        `"os" is no condition`,
		"builds.mac os=":       `"os=" is no condition`,
		"builds.mac colour=re": "owner, repo, language, os, dist, arch, group",
	} {
		if _, err := ParseQueueRules(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}
