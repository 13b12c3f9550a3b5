package ci_test

import (
	"testing"

	"github.com/headrace/headrace/platform/ci"
)

func TestRequest_Trusted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		request ci.Request
		want    bool
	}{
		"a push":                           {ci.Request{Event: ci.EventPush}, true},
		"an API request":                   {ci.Request{Event: ci.EventAPI}, true},
		"a schedule":                       {ci.Request{Event: ci.EventCron}, true},
		"a pull request from a fork":       {ci.Request{Event: ci.EventPullRequest, PullRequest: &ci.PullRequest{}}, false},
		"a pull request of the repository": {ci.Request{Event: ci.EventPullRequest, PullRequest: &ci.PullRequest{Own: true}}, true},
		"a pull request nobody described":  {ci.Request{Event: ci.EventPullRequest}, false},
		"an event nobody knows":            {ci.Request{Event: "release"}, false},
		"nothing":                          {ci.Request{}, false},
	} {
		if got := c.request.Trusted(); got != c.want {
			t.Errorf("%s: trusted %v, want %v", name, got, c.want)
		}
	}
}
