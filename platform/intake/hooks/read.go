package hooks

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// payload is what is read of a hook's body. GitHub and Gitea agree on most of its names.
type payload struct {
	Action      string       `json:"action"`
	Ref         string       `json:"ref"`
	Before      string       `json:"before"`
	After       string       `json:"after"`
	Deleted     bool         `json:"deleted"`
	Compare     string       `json:"compare"`     // GitHub
	CompareURL  string       `json:"compare_url"` // Gitea
	HeadCommit  *commit      `json:"head_commit"`
	Number      int64        `json:"number"`
	PullRequest *pullRequest `json:"pull_request"`
	Changes     struct {
		Base *json.RawMessage `json:"base"` // the base branch of a pull request was another
		Ref  *json.RawMessage `json:"ref"`  // the same, at Gitea
	} `json:"changes"`
	Repository *repository `json:"repository"`
	Sender     *sender     `json:"sender"`
}

type commit struct {
	ID string `json:"id"`
}

type sender struct {
	Login    string `json:"login"`
	Username string `json:"username"`
}

type repository struct {
	ID       int64  `json:"id"`
	FullName string `json:"full_name"`
	HTMLURL  string `json:"html_url"`
	CloneURL string `json:"clone_url"`
	SSHURL   string `json:"ssh_url"`
}

type pullRequest struct {
	Number  int64  `json:"number"`
	Title   string `json:"title"`
	State   string `json:"state"`
	Draft   bool   `json:"draft"`
	HTMLURL string `json:"html_url"`
	Head    side   `json:"head"`
	Base    side   `json:"base"`
}

type side struct {
	Ref  string      `json:"ref"`
	SHA  string      `json:"sha"`
	Repo *repository `json:"repo"` // nil: it was deleted
}

// about is what of a body says which repository it is about; every event has it in the same place.
type about struct {
	Repository *repository `json:"repository"`
}

// text returns the JSON of a hook: its body, or the field of a form that holds it.
func text(m ci.HookMessage) ([]byte, error) {
	kind, _, _ := strings.Cut(m.ContentType, ";")
	if !strings.EqualFold(strings.TrimSpace(kind), "application/x-www-form-urlencoded") {
		return m.Body, nil
	}
	form, err := url.ParseQuery(string(m.Body))
	if err != nil || !form.Has("payload") {
		return nil, fault.New(fault.Invalid, "The body is a form without a readable field payload. Let the forge send JSON.")
	}
	return []byte(form.Get("payload")), nil
}

func unreadable(err error) error {
	return fault.Wrap(fault.Invalid, err, "The body is not the JSON of a hook: %s.", err)
}

// step is what a hook asks for: a request, or nothing, for the reason given.
type step struct {
	request *ci.HookRequest // its repository is not filled in
	unused  string
}

func unused(why string) (step, error) { return step{unused: why}, nil }

// zero is the id that stands for no commit.
func zero(sha string) bool { return strings.Trim(sha, "0") == "" }

// read makes of a verified hook what is to be done.
func read(m ci.HookMessage, body []byte) (step, error) {
	switch m.Event {
	case "push", "pull_request", "pull_request_sync":
	case "ping":
		return unused("The forge says that it will send hooks from now on.")
	case "delete":
		return unused("A branch or a tag was deleted: there is nothing to build.")
	case "create":
		return unused("The push that made the branch or the tag has a hook of its own, which makes the build.")
	default:
		return unused("Headrace does not use this event. Pushes and pull requests are enough.")
	}
	var p payload
	if err := json.Unmarshal(body, &p); err != nil {
		return step{}, unreadable(err)
	}
	if p.Repository == nil {
		return unused("The hook names no repository.")
	}
	if m.Event == "push" {
		return p.push(m)
	}
	return p.pull(m)
}

// base is what every request of a hook has.
func (p payload) base(m ci.HookMessage, event ci.Event) *ci.HookRequest {
	h := &ci.HookRequest{Forge: forgeOf(m.Forge, p.Repository), ForgeID: strconv.FormatInt(p.Repository.ID, 10)}
	h.Event = event
	h.Hook = ci.Hook{Forge: m.Forge, Delivery: clean(m.Delivery, 200)}
	if p.Sender != nil {
		h.Hook.Sender = clean(first(p.Sender.Login, p.Sender.Username), 100)
	}
	return h
}

func (p payload) push(m ci.HookMessage) (step, error) {
	branch, isBranch := strings.CutPrefix(p.Ref, "refs/heads/")
	tag, isTag := strings.CutPrefix(p.Ref, "refs/tags/")
	switch {
	case p.Deleted || zero(p.After):
		return unused("A branch or a tag was deleted: there is nothing to build.")
	case !isBranch && !isTag:
		return unused("What was pushed is neither a branch nor a tag.")
	}
	h := p.base(m, ci.EventPush)
	h.SHA = strings.ToLower(p.After)
	if p.HeadCommit != nil && p.HeadCommit.ID != "" { // of a tag with a message the id before is that of the tag itself
		h.SHA = strings.ToLower(p.HeadCommit.ID)
	}
	if isBranch {
		h.Branch = branch
		if err := ci.CheckRef("branch", branch); err != nil {
			return step{}, err
		}
	} else {
		h.Tag = tag
		if err := ci.CheckRef("tag", tag); err != nil {
			return step{}, err
		}
	}
	if !zero(p.Before) && ci.CheckSHA(p.Before) == nil {
		h.Hook.Before = strings.ToLower(p.Before)
	}
	h.Hook.CompareURL = link(first(p.Compare, p.CompareURL))
	return step{request: h}, ci.CheckSHA(h.SHA)
}

// builds says which actions on a pull request change what is built of it, or whether it is.
func (p payload) builds() bool {
	switch p.Action {
	case "opened", "reopened", "synchronize", "synchronized", "ready_for_review":
		return true
	case "edited":
		return p.Changes.Base != nil || p.Changes.Ref != nil
	}
	return false
}

func (p payload) pull(m ci.HookMessage) (step, error) {
	r := p.PullRequest
	switch {
	case r == nil:
		return step{}, fault.New(fault.Invalid, "The hook of a pull request does not hold one.")
	case !p.builds():
		return unused("This changes nothing that is built of the pull request.")
	case r.State == "closed":
		return unused("The pull request is closed.")
	}
	h := p.base(m, ci.EventPullRequest)
	h.Branch = r.Base.Ref
	number := r.Number
	if number == 0 {
		number = p.Number
	}
	pull := &ci.PullRequest{
		Number: number, Title: clean(r.Title, 1000), Draft: r.Draft, Own: p.own(), HeadSHA: strings.ToLower(r.Head.SHA), HeadRef: clean(r.Head.Ref, 250),
		URL: link(r.HTMLURL), BuildRef: "refs/pull/" + strconv.FormatInt(number, 10) + "/merge",
	}
	if m.Forge == ci.Gitea { // it keeps no merge of a pull request
		pull.BuildRef = "refs/pull/" + strconv.FormatInt(number, 10) + "/head"
	}
	if r.Head.Repo != nil {
		pull.HeadSlug, pull.HeadRepoID = clean(r.Head.Repo.FullName, 200), strconv.FormatInt(r.Head.Repo.ID, 10)
	}
	if ci.CheckSHA(r.Base.SHA) == nil {
		pull.BaseSHA = strings.ToLower(r.Base.SHA)
	}
	h.PullRequest = pull
	switch {
	case number <= 0:
		return step{}, fault.New(fault.Invalid, "The hook of a pull request does not say which one.")
	case ci.CheckSHA(pull.HeadSHA) != nil:
		return step{}, ci.CheckSHA(pull.HeadSHA)
	}
	return step{request: h}, ci.CheckRef("branch", h.Branch)
}

// own reports whether the code of a pull request is in the repository that the hook is about, by the ids of the forge. What
// does not say so is from a fork.
func (p payload) own() bool {
	head, base := p.PullRequest.Head.Repo, p.PullRequest.Base.Repo
	return head != nil && base != nil && head.ID > 0 && head.ID == base.ID && head.ID == p.Repository.ID
}

// forgeOf names the forge: its kind, and its host, since ids of two forges may be the same.
func forgeOf(kind string, r *repository) string {
	for _, raw := range []string{r.HTMLURL, r.CloneURL} {
		if u, err := url.Parse(raw); err == nil && u.Host != "" {
			return kind + " " + clean(strings.ToLower(u.Host), 250)
		}
	}
	return kind
}

// link is a URL that a page may lead to.
func link(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || len(raw) > 2000 || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return ""
	}
	return u.String()
}

// clean makes text of at most so many bytes that can be stored.
func clean(s string, most int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
