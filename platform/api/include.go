package api

import (
	"slices"
	"strings"

	"github.com/headrace/headrace/internal/fault"
)

// attributes lists the fields of a type that include may name.
func attributes(typ string) []string {
	switch typ {
	case "user":
		return []string{"id", "login", "name", "github_id", "vcs_id", "vcs_type", "avatar_url", "education", "email", "is_syncing", "synced_at", "created_at"}
	case "owner", "organization":
		return []string{"id", "login", "name", "github_id", "vcs_id", "vcs_type", "avatar_url", "education"}
	case "repository":
		return []string{
			"id", "name", "slug", "description", "github_id", "vcs_id", "vcs_type", "github_language", "active", "private", "owner", "owner_name", "vcs_name",
			"default_branch", "starred", "managed_by_installation", "active_on_org", "migration_status", "history_migration_status", "shared",
			"config_validation", "server_type", "scan_failed_at", "build_count", "source_url", "current_build", "last_started_build", "allow_migration", "email_subscribed",
		}
	case "branch":
		return []string{"name", "repository", "default_branch", "exists_on_github", "last_build", "recent_builds"}
	case "build":
		return []string{
			"id", "number", "state", "duration", "event_type", "previous_state", "pull_request_title", "pull_request_number", "started_at", "finished_at", "private",
			"priority", "repository", "branch", "tag", "commit", "jobs", "stages", "created_by", "updated_at", "trusted", "request", "log_complete",
		}
	case "job":
		return []string{
			"id", "allow_failure", "number", "state", "started_at", "finished_at", "build", "queue", "repository", "commit", "owner", "stage", "created_at",
			"updated_at", "private", "restarted_at", "restarted_by", "vm_size", "config", "log_complete", "name", "attempt", "reason", "waiting", "priority",
		}
	case "stage":
		return []string{"id", "number", "name", "state", "started_at", "finished_at", "jobs"}
	case "commit":
		return []string{"id", "sha", "ref", "message", "compare_url", "committed_at", "committer", "author"}
	case "request":
		return []string{
			"id", "state", "result", "message", "pull_request_mergeable", "repository", "branch_name", "commit", "builds", "owner", "created_at", "event_type",
			"base_commit", "head_commit", "messages", "config", "raw_configs", "yaml_config",
		}
	case "cron":
		return []string{
			"id", "repository", "branch", "interval", "dont_run_if_recent_build_exists", "last_run", "next_run", "created_at", "active", "schedule", "time_zone",
			"message", "last_build",
		}
	case "tag":
		return []string{"repository_id", "name", "last_build_id"}
	}
	return nil
}

// parseInclude reads include=build.commit,job.config. Names that are not known are refused.
func parseInclude(values []string) (map[string]bool, error) {
	wanted := map[string]bool{}
	for item := range strings.SplitSeq(strings.Join(values, ","), ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		typ, field, dotted := strings.Cut(item, ".")
		if !dotted || strings.Contains(field, ".") {
			return nil, fault.Field("include", "illegal format for include parameter: it takes type.field with commas between, for example build.commit,job.config")
		}
		if !slices.Contains(attributes(typ), field) {
			return nil, fault.Field("include", "no field %q to include", item)
		}
		wanted[item] = true
	}
	return wanted, nil
}
