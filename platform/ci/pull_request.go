package ci

// PullRequest is a pull request as the forge's hook told of it. The branch that it goes to is the branch of the request and
// of the build.
type PullRequest struct {
	Number int64  `json:"number"`
	Title  string `json:"title"`
	Draft  bool   `json:"draft,omitempty"`
	// Own: the code is on a branch of the very repository, by the repository's id at the forge. What is not known to be so is
	// from a fork, where anybody may have written it.
	Own bool `json:"own"`
	// HeadSHA is the commit that is proposed, HeadRef the name of its branch, HeadSlug and HeadRepoID the repository of that
	// branch: both are empty where it was deleted.
	HeadSHA    string `json:"head_sha"`
	HeadRef    string `json:"head_ref"`
	HeadSlug   string `json:"head_slug,omitempty"`
	HeadRepoID string `json:"head_repo_id,omitempty"`
	BaseSHA    string `json:"base_sha,omitempty"`
	// BuildRef is what is built: refs/pull/5/merge, what the base branch would be with it, or refs/pull/5/head at a forge that
	// keeps no such merge.
	BuildRef string `json:"build_ref"`
	URL      string `json:"url,omitempty"` // of its page
}

// Fork reports whether the code may be anybody's.
func (p PullRequest) Fork() bool { return !p.Own }

// Trusted reports whether what a request builds was written by somebody who may write to the repository: pushes, schedules and
// what a user asked for; of pull requests only those from the repository itself. An event that is not known is not trusted.
func (q Request) Trusted() bool {
	switch q.Event {
	case EventPush, EventAPI, EventCron:
		return true
	case EventPullRequest:
		return q.PullRequest != nil && q.PullRequest.Own
	}
	return false
}
