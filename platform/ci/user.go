package ci

import "time"

// User is a person, or a program, that signs in.
type User struct {
	ID        int64
	Login     string
	Name      string
	Email     string
	Admin     bool
	CreatedAt time.Time
}

// NewUser is what creating a user needs.
type NewUser struct {
	Login, Name, Email string
	Admin              bool
	PasswordHash       string // PHC string, empty: cannot sign in by password
}

// Token is an API token. Its secret is shown once and kept as a hash.
type Token struct {
	ID        int64
	UserID    int64
	Name      string
	CreatedAt time.Time
	UsedAt    time.Time // zero: never
}
