package storetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

var settingsTests = map[string]func(*testing.T, *node){
	"a repository begins with the usual settings": testSettingsDefault,
	"settings change all or not at all":           testSettingsChange,
}

func testSettingsDefault(t *testing.T, n *node) {
	got, err := n.RepositorySettings(n.ctx(), n.repository("acme/app").ID)
	n.ok(err)
	if diff := cmp.Diff(ci.DefaultRepositorySettings(), got); diff != "" {
		t.Fatal(diff)
	}
	equal(t, "code", fault.NotFound, fault.CodeOf(second(n.RepositorySettings(n.ctx(), 99))))
}

func testSettingsChange(t *testing.T, n *node) {
	r, other := n.repository("acme/app"), n.repository("acme/other")
	set := func(name string, value any) error {
		return second(n.ChangeRepositorySettings(n.ctx(), r.ID, ci.Setting{Name: ci.SettingCancelPushes, Value: true}, ci.Setting{Name: name, Value: value}))
	}
	for _, bad := range []struct {
		name  string
		value any
		code  fault.Code
	}{
		{"build_releases", true, fault.NotFound}, {ci.SettingMaxJobs, -1, fault.Invalid}, {ci.SettingMaxJobs, true, fault.Invalid},
		{ci.SettingMaxJobs, 1 << 40, fault.Invalid}, {ci.SettingBuildPushes, 1, fault.Invalid}, {ci.SettingOnlyWithConfig, false, fault.Invalid},
	} {
		equal(t, "code of "+bad.name, bad.code, fault.CodeOf(set(bad.name, bad.value)))
	}
	n.ok(set(ci.SettingMaxJobs, 7))
	n.ok(set(ci.SettingBuildPullRequests, false))
	n.ok(set(ci.SettingBuildPushes, false))
	n.ok(set(ci.SettingCancelPullRequests, true))
	n.ok(set(ci.SettingOnlyWithConfig, true))
	got, err := n.RepositorySettings(n.ctx(), r.ID)
	n.ok(err)
	if diff := cmp.Diff(ci.RepositorySettings{MaxJobs: 7, CancelPushes: true, CancelPullRequests: true}, got); diff != "" {
		t.Fatal(diff)
	}
	got, err = n.RepositorySettings(n.ctx(), other.ID)
	n.ok(err)
	equal(t, "of another repository", ci.DefaultRepositorySettings(), got)
	equal(t, "code", fault.NotFound, fault.CodeOf(second(n.ChangeRepositorySettings(n.ctx(), 99))))
}
