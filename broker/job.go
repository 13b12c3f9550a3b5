package broker

import (
	"encoding/json"
	"fmt"
	"time"
)

// Job is the message that offers an attempt to the workers. Field names and types are the original scheduler's.
type Job struct {
	Type       string          `json:"type"`
	Job        JobDetails      `json:"job"`
	Source     Source          `json:"source"`
	Repository Repository      `json:"repository"`
	Queue      string          `json:"queue"`
	Config     json.RawMessage `json:"config"` // an object, never null: null makes foreign workers crash
	EnvVars    []EnvVar        `json:"env_vars"`
	Timeouts   Timeouts        `json:"timeouts"`
	Meta       JobMeta         `json:"meta"`
	Host       string          `json:"host,omitempty"` // of the web pages
	Headrace   *JobExtra       `json:"headrace,omitempty"`
	// Caches is for the script only: it is in no message.
	Caches *Caches `json:"-"`
}

// Caches are the addresses at which a job gets what jobs before it kept, and puts what those after it shall have.
type Caches struct {
	Fetch CacheLink `json:"fetch"`
	// Store is empty where the job may only read.
	Store CacheLink `json:"store"`
	// MaxBytes is the most that is taken.
	MaxBytes int64 `json:"max_bytes"`
}

// CacheLink is an address that is its own proof.
type CacheLink struct {
	URL string `json:"url,omitempty"`
	// Pin is the key of the certificate that the node has made itself, as curl names keys.
	Pin string `json:"pin,omitempty"`
}

// JobDetails is what the job is and which commit it builds.
type JobDetails struct {
	ID               int64     `json:"id"`
	Number           string    `json:"number"` // "12.3"
	Commit           string    `json:"commit"`
	CommitRange      string    `json:"commit_range,omitempty"`
	CommitMessage    string    `json:"commit_message"`
	Branch           string    `json:"branch"`
	Ref              string    `json:"ref,omitempty"`
	Tag              string    `json:"tag,omitempty"`
	PullRequest      any       `json:"pull_request"` // number or false
	PullHeadBranch   string    `json:"pull_request_head_branch,omitempty"`
	PullHeadSHA      string    `json:"pull_request_head_sha,omitempty"`
	PullHeadSlug     string    `json:"pull_request_head_slug,omitempty"`
	PullDraft        bool      `json:"pull_request_is_draft,omitempty"`
	State            string    `json:"state"`
	SecureEnvEnabled bool      `json:"secure_env_enabled"`
	QueuedAt         time.Time `json:"queued_at"`
	AllowFailure     bool      `json:"allow_failure"`
	StageName        string    `json:"stage_name,omitempty"`
	Name             string    `json:"name,omitempty"`
	RestartedBy      string    `json:"restarted_by,omitempty"`
}

// Source is the build; the original calls it so.
type Source struct {
	ID        int64  `json:"id"`
	Number    string `json:"number"`
	EventType string `json:"event_type"`
}

// Repository is what is built.
type Repository struct {
	ID            int64  `json:"id"`
	Slug          string `json:"slug"`
	SourceURL     string `json:"source_url"` // without user name and password
	DefaultBranch string `json:"default_branch"`
	Private       bool   `json:"private"`
}

// EnvVar is a variable of the repository's settings.
type EnvVar struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Public bool   `json:"public"`
	// Secure, if set, is an encrypted text in the job's config that Value stands for; the variable has no name then. It is
	// in no message: only in what a claim is answered with.
	Secure string `json:"secure,omitempty"`
	// SSHKey: Value is the private key that the job fetches with; the variable has no name then. It, too, is in no message.
	SSHKey bool `json:"ssh_key,omitempty"`
}

// Timeouts are limits in seconds, null = the worker's own.
type Timeouts struct {
	HardLimit  *int `json:"hard_limit"`
	LogSilence *int `json:"log_silence"`
}

// JobMeta starts the counter of state reports: attempt x 1000, by which a foreign worker's attempt is known.
type JobMeta struct {
	StateUpdateCount int `json:"state_update_count"`
}

// JobExtra is what Headrace adds. Workers that know it claim the attempt before they run it.
type JobExtra struct {
	Attempt int `json:"attempt"`
	// Untrusted: the code is from a fork, anybody may have written it.
	Untrusted bool `json:"untrusted,omitempty"`
	// ScriptToken shows, where a worker that does not claim asks for the script, that it was given this message: the job's
	// secrets are in the script of this attempt only.
	ScriptToken string `json:"script_token,omitempty"`
	// LogLimit bounds the bytes of the log, 0 = the worker's own.
	LogLimit int64  `json:"log_limit,omitempty"`
	WebURL   string `json:"web_url,omitempty"` // of the job's page
	BuildURL string `json:"build_url,omitempty"`
}

// Message returns the job as a message to its queue.
func (j Job) Message() (Message, error) {
	body, err := json.Marshal(j)
	if err != nil {
		return Message{}, fmt.Errorf("encode job %s: %w", j.Job.Number, err)
	}
	return Message{Key: j.Queue, Type: TypeJob, Body: body}, nil
}

// DecodeJob reads a job message and checks that it has what a worker needs.
func DecodeJob(m Message) (Job, error) {
	var j Job
	if err := json.Unmarshal(m.Body, &j); err != nil {
		return j, fmt.Errorf("read job message: %w", err)
	}
	if j.Job.ID <= 0 {
		return j, fmt.Errorf("read job message: it names no job")
	}
	if len(j.Config) == 0 || string(j.Config) == "null" {
		j.Config = json.RawMessage("{}")
	}
	return j, nil
}
