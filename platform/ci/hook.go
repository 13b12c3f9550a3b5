package ci

import (
	"net/netip"
	"time"
)

// The forges whose hooks are understood.
const (
	GitHub = "github"
	Gitea  = "gitea"
)

// HookSource is a repository as hooks find it, with the secrets that its hooks may be signed with, the newest first.
type HookSource struct {
	RepositoryID int64
	Slug         string
	SourceURL    string
	Active       bool
	// Forge and ForgeID name it at its forge ("github git.example.org", "1296269"); empty until a hook has told them.
	Forge, ForgeID string
	// Version counts the changes of the secrets.
	Version int64
	Secrets []string
}

// HookSecret is a secret that hooks are signed with.
type HookSecret struct {
	ID     string
	Secret string
	// Newest: the one to give to the forge. Another one is valid beside it until it is removed.
	Newest    bool
	CreatedAt time.Time
}

// HookRequest is a request that a hook asked for.
type HookRequest struct {
	NewRequest
	// Forge and ForgeID name the repository at its forge; they are noted where they are not known yet.
	Forge, ForgeID string
	// Version is that of the secrets by which the hook was verified; 0: whatever they are now.
	Version int64
}

// HookTaken is what became of a HookRequest.
type HookTaken struct {
	RequestID int64
	// Created is false where the same delivery came before.
	Created bool
	// Err says why there is no request: [fault.NotFound] where the repository is gone, [fault.Conflict] where it does not build
	// ("repository_inactive") or its secrets were changed since ("hook_version").
	Err error
}

// HookOutcome is what became of a delivery.
type HookOutcome string

// The outcomes of deliveries.
const (
	// HookAccepted: it made a request.
	HookAccepted HookOutcome = "accepted"
	// HookKept: it was verified, and becomes a request when the database is back.
	HookKept HookOutcome = "kept"
	// HookUnused: it was verified, and asks for nothing that Headrace does.
	HookUnused HookOutcome = "unused"
	// HookRefused: it could not be verified or read.
	HookRefused HookOutcome = "refused"
)

// HookDelivery is a message of a forge and what became of it.
type HookDelivery struct {
	RepositoryID int64
	Forge        string // github or gitea
	Event        string
	Delivery     string
	Outcome      HookOutcome
	Reason       string
	At           time.Time
	// Request is set where there is one.
	Request *Request
}

// HookMessage is a hook as it came in.
type HookMessage struct {
	Forge       string // of the address: github or gitea
	Event       string
	Delivery    string
	Signature   string
	ContentType string
	Body        []byte
	From        netip.Addr
}

// HookAnswer is what a forge is told of a hook that was not refused.
type HookAnswer struct {
	Outcome    HookOutcome
	Repository string // slug
	RequestID  int64  // of an accepted one
	Message    string
}
