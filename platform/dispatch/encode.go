package dispatch

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/platform/ci"
)

// statesPerAttempt is how far apart the counters of state reports of two attempts begin.
const statesPerAttempt = 1000

// encode makes the message that offers an attempt to the workers. It holds no secret.
func (d *Dispatch) encode(q ci.QueuedJob) ([]byte, error) {
	m, err := d.message(q).Message()
	return m.Body, err
}

func (d *Dispatch) message(q ci.QueuedJob) broker.Job {
	j, b, r := q.Job, q.Build, q.Repository
	web := d.config.WebURL()
	m := broker.Job{
		Type:  broker.TypeJob,
		Queue: j.Queue,
		Job: broker.JobDetails{
			ID: j.ID, Number: j.Number(), Commit: b.Commit.SHA, CommitMessage: b.Commit.Message, CommitRange: b.Commit.Range, Branch: b.Branch, Tag: b.Tag,
			PullRequest: false, State: string(ci.Queued), SecureEnvEnabled: b.Trusted,
			QueuedAt: j.QueuedAt.UTC().Truncate(time.Second), AllowFailure: j.AllowFailure, StageName: j.StageName, Name: j.Name, RestartedBy: j.RestartedBy,
		},
		Source:     broker.Source{ID: b.ID, Number: strconv.FormatInt(b.Number, 10), EventType: string(b.Event)},
		Repository: broker.Repository{ID: r.ID, Slug: r.Slug, SourceURL: publicURL(r), DefaultBranch: r.DefaultBranch, Private: r.Private},
		Config:     json.RawMessage(j.Config),
		EnvVars:    variables(q.EnvVars),
		Timeouts:   broker.Timeouts{HardLimit: seconds(d.config.JobTimeout), LogSilence: seconds(d.config.LogSilence)},
		Meta:       broker.JobMeta{StateUpdateCount: j.Attempt * statesPerAttempt},
		Host:       host(web),
		Headrace:   &broker.JobExtra{Attempt: j.Attempt, ScriptToken: d.config.ScriptToken(j.ID, j.Attempt), LogLimit: d.config.LogLimit, Untrusted: !b.Trusted},
	}
	m.Config = plain(m.Config)
	if b.Event == ci.EventPullRequest {
		m.Job.PullRequest, m.Job.Ref = b.PullNumber, b.Commit.Ref
	}
	if p := b.PullRequest; p != nil {
		m.Job.PullHeadBranch, m.Job.PullHeadSHA, m.Job.PullHeadSlug, m.Job.PullDraft = p.HeadRef, p.HeadSHA, p.HeadSlug, p.Draft
	}
	if web != "" {
		m.Headrace.WebURL = fmt.Sprintf("%s/r/%s/jobs/%s", web, r.Slug, j.Number())
		m.Headrace.BuildURL = fmt.Sprintf("%s/r/%s/builds/%d", web, r.Slug, b.Number)
	}
	return m
}

// variables are those that may stand in a message.
func variables(all []ci.EnvVar) []broker.EnvVar {
	shown := make([]broker.EnvVar, 0, len(all))
	for _, v := range all {
		if v.Public {
			shown = append(shown, broker.EnvVar{Name: v.Name, Value: v.Value, Public: true})
		}
	}
	return shown
}

// publicURL is where the worker fetches from. The short form of ssh has no password to leave out.
func publicURL(r ci.Repository) string {
	if u := r.PublicURL(); u != "" {
		return withSSHUser(r.SourceURL, u)
	}
	return r.SourceURL
}

// withSSHUser puts the user of an ssh address back: it says which account to ask, and is no secret.
func withSSHUser(source, public string) string {
	u, err := url.Parse(source)
	if err != nil || u.Scheme != "ssh" || u.User == nil {
		return public
	}
	u.User = url.User(u.User.Username())
	return u.String()
}

func seconds(d time.Duration) *int {
	if d <= 0 {
		return nil
	}
	n := int(d / time.Second)
	return &n
}

func host(web string) string {
	u, err := url.Parse(web)
	if err != nil {
		return ""
	}
	return u.Host
}
