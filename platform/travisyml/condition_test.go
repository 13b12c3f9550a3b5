package travisyml

import "testing"

func TestConditions(t *testing.T) {
	t.Parallel()
	request := Request{
		Type: "push", Repo: "owner/name", HeadRepo: "owner/name", Branch: "master", CommitMessage: "first\n[deploy] it",
		Sender: "ann", Env: map[string]string{"S": "settings", "Q": `"quoted"`, "O": "lost"},
	}
	config := newMap([]pair{
		{key: "os", value: newString("linux", position{})},
		{key: "sudo", value: newBool(false, position{})},
		{key: "env", value: newList([]*node{
			newMap([]pair{{key: "O", value: newString("won", position{})}, {key: "T", value: newString("true", position{})}}, position{}),
			newMap([]pair{{key: "K", value: newMap([]pair{{key: "secure", value: newString("x", position{})}}, position{})}}, position{}),
		}, position{})},
	}, position{})
	for _, tt := range []struct {
		text string
		want bool
	}{
		{"branch = master", true}, {"branch == master", true}, {"branch = Master", false}, {"branch != master", false},
		{"NOT branch = master", false}, {"not branch = other", true}, {"! branch = other", true},
		{"branch = master AND type = pull_request", false}, {"branch = master OR type = pull_request", true},
		{"branch = other && x = y || type = push", true}, {"NOT branch = other AND type = push", true},
		{"NOT (branch = master AND type = push)", false},
		{"type IN (push, api)", true}, {"type in (api)", false}, {"type NOT IN (api, cron)", true}, {"type IN ()", false},
		{"type IN (push api)", false},
		{"tag IS blank", true}, {"tag IS present", false}, {"tag IS NOT present", true}, {"branch IS present", true},
		{"fork IS true", false}, {"fork IS false", true}, {"sudo = false", true}, {"sudo = FALSE", true}, {"os = linux", true},
		{"branch =~ ^mas", true}, {"branch ~= ^mas", true}, {"branch !~ ^mas", false}, {"branch =~ /^MASTER$/", false},
		{"branch =~ /(?i:MASTER)/", true}, {"branch =~ /a\\/b|master/", true}, {"tag =~ .*", false}, {"tag !~ .*", true},
		{"commit_message =~ ^\\[deploy\\]", true}, {"commit_message =~ /first$/", true}, {"branch =~ (unclosed", false},
		{"branch =~ /^(?!release)/", true}, {"branch =~ ^(?!release)", false}, {"(branch =~ ^mas)", true}, {"branch =~ [[:alpha:]]+", true},
		{"env(O) = won", true}, {"env(S) = settings", true}, {"env(Q) = quoted", true}, {"env(NONE) IS blank", true},
		{"env(T)", true}, {"env(T) = true", true}, {"env(K) IS present", true}, {"env(K) = x", false},
		{"concat(env(S), '-', branch) = 'settings-master'", true}, {"branch =~ concat('^mas', ter)", true},
		{"fork", false}, {"draft", false}, {"draft IS false", true}, {"NOT draft", true}, {"true", true}, {"false", false}, {"'text'", true},
		{"TRAVIS_BRANCH = master", false}, {"Branch = master", false}, {"type!=push", true}, {"$BRANCH = master", false},
		{"branch = (master)", false}, {"branch = ", false}, {"branch = 'master", false}, {"branch = master AND", false},
		{"branch = master \\\n AND type = push", true}, {"environment = x", false}, {"branch = \"master\"", true},
		{"branch=master", true}, {"type = push||type = api", false}, {"type = push || type = api", true}, {"sender = ann", true}, {"repo = owner/name", true},
	} {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			if got := newEvaluator().holds(tt.text, newConditionData(&request, config)); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
