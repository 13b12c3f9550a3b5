package auth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

var (
	home     = netip.MustParseAddr("203.0.113.7")
	stranger = netip.MustParseAddr("198.51.100.66")
)

func TestSignIn(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		login, password string
		want            fault.Code
	}{
		"right":                       {"admin", password, ""},
		"login in capitals":           {" Admin ", password, ""},
		"wrong password":              {"admin", "quiet mill by the sea", fault.Unauthenticated},
		"unknown login":               {"nobody", password, fault.Unauthenticated},
		"no password":                 {"admin", "", fault.Unauthenticated},
		"user without password":       {"robot", "", fault.Unauthenticated},
		"password longer than any is": {"admin", password + strings.Repeat("x", 1<<20), fault.Unauthenticated},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, Config{})
			if _, err := b.store.CreateUser(t.Context(), ci.NewUser{Login: "robot"}); err != nil {
				t.Fatal(err)
			}
			user, err := b.SignIn(t.Context(), test.login, test.password, home)
			if got := fault.CodeOf(err); got != test.want {
				t.Fatalf("error is %v, want code %q", err, test.want)
			}
			if err == nil && user.Login != "admin" {
				t.Errorf("user is %+v", user)
			}
			if strings.Contains(b.logs.String(), "quiet mill") {
				t.Error("the log holds a password")
			}
		})
	}
}

func TestSignIn_UnknownLoginSoundsLikeWrongPassword(t *testing.T) {
	t.Parallel()
	b := setup(t, Config{})
	_, wrong := b.SignIn(t.Context(), "admin", "not this one, surely", home)
	_, unknown := b.SignIn(t.Context(), "nobody", "not this one, surely", home)
	if fault.Message(wrong) != fault.Message(unknown) || kind(wrong) != kind(unknown) {
		t.Errorf("answers differ: %v, %v", wrong, unknown)
	}
}

// TestHasher_UnknownUserCostsTheSame looks at the work, not at a clock: the stand-in hash has the cost of real ones.
func TestHasher_UnknownUserCostsTheSame(t *testing.T) {
	t.Parallel()
	h := newHasher(defaultCost())
	if h.dummy.cost != h.cost || len(h.dummy.salt) != 16 || len(h.dummy.key) != 32 {
		t.Errorf("the stand-in is %v", h.dummy)
	}
	cheap := newHasher(cost{memory: 8, rounds: 1, threads: 1})
	encoded, err := cheap.hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	p, err := parsePHC(encoded)
	if err != nil || p.cost != cheap.cost || len(p.salt) != 16 || len(p.key) != 32 {
		t.Errorf("a real one is %v (%v)", p, err)
	}
}

func TestSignIn_SlowsDownGuessingAnAccount(t *testing.T) {
	t.Parallel()
	b := setup(t, Config{})
	var waits []time.Duration
	for i := range 14 {
		// Every try comes from another network, so that only the account counts.
		ip := netip.AddrFrom4([4]byte{198, 18, byte(i), 1})
		if _, err := b.SignIn(t.Context(), "admin", "guess number x", ip); !fault.Is(err, fault.Unauthenticated) {
			t.Fatalf("try %d: %v", i, err)
		}
		wait := time.Duration(0)
		for ; limited(b.guard, netip.AddrFrom4([4]byte{198, 19, byte(i), 1}), "admin"); wait += time.Second {
			b.clock.forward(time.Second)
		}
		waits = append(waits, wait)
	}
	want := []time.Duration{0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60}
	for i := range want {
		if waits[i] != want[i]*time.Second {
			t.Errorf("after %d failures the wait is %s, want %s", i+1, waits[i], want[i]*time.Second)
		}
	}
	if _, err := b.SignIn(t.Context(), "admin", password, home); err != nil {
		t.Errorf("after the wait the right password is refused: %v", err)
	}
}

// limited asks without counting.
func limited(g *guard, ip netip.Addr, login string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range g.rules(ip, login) {
		if t, ok := g.tries.Peek(r.key); ok && t.until.After(g.now()) {
			return true
		}
	}
	return false
}

func TestSignIn_StrangersCannotLockAnOwnerOut(t *testing.T) {
	t.Parallel()
	b := setup(t, Config{})
	if _, err := b.SignIn(t.Context(), "admin", password, home); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		_, _ = b.SignIn(t.Context(), "admin", "a stranger's guess", stranger)
		b.clock.forward(time.Second)
	}
	if _, err := b.SignIn(t.Context(), "admin", password, stranger); !fault.Is(err, fault.Limited) {
		t.Errorf("the stranger is not slowed down: %v", err)
	}
	if _, err := b.SignIn(t.Context(), "admin", password, home); err != nil {
		t.Errorf("the owner is locked out: %v", err)
	}
}

func TestSignIn_SuccessForgivesTypos(t *testing.T) {
	t.Parallel()
	b := setup(t, Config{})
	for range 4 {
		for range 3 {
			if _, err := b.SignIn(t.Context(), "admin", "quiet mill by teh river", home); !fault.Is(err, fault.Unauthenticated) {
				t.Fatal(err)
			}
		}
		if _, err := b.SignIn(t.Context(), "admin", password, home); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSignIn_AnOutageIsNobodysMistake(t *testing.T) {
	t.Parallel()
	b := setup(t, Config{})
	b.store.fail = errors.New("database is away")
	for range 30 {
		if _, err := b.SignIn(t.Context(), "admin", password, home); err == nil || fault.Is(err, fault.Limited) || fault.Is(err, fault.Unauthenticated) {
			t.Fatalf("while the store is away: %v", err)
		}
	}
	b.store.fail = nil
	if _, err := b.SignIn(t.Context(), "admin", password, home); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestSignIn_SlowsDownAnAddress(t *testing.T) {
	t.Parallel()
	b := setup(t, Config{})
	try := func(i int, ip string) error {
		_, err := b.SignIn(t.Context(), fmt.Sprintf("user%d", i), "spray and pray", netip.MustParseAddr(ip))
		return err
	}
	for i := range 20 {
		// Addresses of one /64 are one place.
		if err := try(i, fmt.Sprintf("2001:db8:0:1::%x", i+1)); !fault.Is(err, fault.Unauthenticated) {
			t.Fatalf("try %d: %v", i, err)
		}
	}
	if err := try(20, "2001:db8:0:1:ffff::1"); !fault.Is(err, fault.Limited) || !strings.Contains(err.Error(), "1 second.") {
		t.Errorf("try 21 of one /64: %v", err)
	}
	if err := try(21, "2001:db8:0:2::1"); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("the next /64 is slowed down too: %v", err)
	}
	b.clock.forward(31 * time.Minute)
	for i := range 20 {
		if err := try(100+i, "2001:db8:0:1::1"); !fault.Is(err, fault.Unauthenticated) {
			t.Fatalf("half an hour later, try %d: %v", i, err)
		}
	}
}

func TestGuard_MemoryIsBounded(t *testing.T) {
	t.Parallel()
	g := newGuard(time.Now)
	for i := range 3 * guardMemory {
		g.begin(netip.AddrFrom4([4]byte{1, byte(i >> 16), byte(i >> 8), byte(i)}), fmt.Sprint(i))
	}
	if n := g.tries.Len(); n > guardMemory {
		t.Errorf("%d entries are kept, want at most %d", n, guardMemory)
	}
}

func TestHasher_BoundsWhatRunsAndWhatWaits(t *testing.T) {
	t.Parallel()
	h := newHasher(cost{memory: 8, rounds: 1, threads: 1})
	h.slots <- struct{}{}
	h.slots <- struct{}{} // both places are taken
	ctx, cancel := context.WithCancel(t.Context())
	errs := make(chan error, hashesWaiting)
	for range hashesWaiting {
		go func() { _, err := h.verify(ctx, "", "x"); errs <- err }()
	}
	for len(h.waiting) < hashesWaiting {
		select {
		case err := <-errs:
			t.Fatalf("one did not wait: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	if _, err := h.verify(t.Context(), "", "x"); !fault.Is(err, fault.Limited) {
		t.Errorf("one too many: %v", err)
	}
	cancel()
	for range hashesWaiting {
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("one that gave up: %v", err)
		}
	}
}

func TestParsePHC_RefusesWhatCouldHurt(t *testing.T) {
	t.Parallel()
	good := "$argon2id$v=19$m=65536,t=3,p=2$c2FsdHNhbHRzYWx0c2FsdA$a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5"
	if _, err := parsePHC(good); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{
		"", "x", "$2a$10$abc", strings.Replace(good, "argon2id", "argon2i", 1), strings.Replace(good, "v=19", "v=16", 1),
		strings.Replace(good, "m=65536", "m=4294967295", 1), strings.Replace(good, "t=3", "t=4000000", 1), strings.Replace(good, "p=2", "p=0", 1),
		strings.Replace(good, "c2FsdHNhbHRzYWx0c2FsdA", "", 1), good[:len(good)-30], good + "$x",
	} {
		if p, err := parsePHC(bad); err == nil {
			t.Errorf("%q was read as %v", bad, p)
		}
	}
}

func TestCheckPassword(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		password string
		ok       bool
	}{
		"11":              {strings.Repeat("x", 11), false},
		"12":              {strings.Repeat("x", 12), true},
		"128":             {strings.Repeat("x", 128), true},
		"129":             {strings.Repeat("x", 129), false},
		"12 wide letters": {strings.Repeat("é", 12), true},
		"not text":        {strings.Repeat("\xff", 12), false},
	}
	for name, test := range tests {
		if err := CheckPassword(test.password); (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEnsureAdmin(t *testing.T) {
	t.Parallel()
	a, err := New(newMemory(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	generated, err := a.EnsureAdmin(t.Context(), "")
	if err != nil || CheckPassword(generated) != nil {
		t.Fatalf("first start gives password %q: %v", generated, err)
	}
	user, err := a.SignIn(t.Context(), AdminLogin, generated, home)
	if err != nil || !user.Admin {
		t.Fatalf("the generated password does not sign in: %+v, %v", user, err)
	}
	if again, err := a.EnsureAdmin(t.Context(), "another good password"); again != "" || err != nil {
		t.Errorf("second start: %q, %v", again, err)
	}
	if _, err := a.SignIn(t.Context(), AdminLogin, "another good password", home); err == nil {
		t.Error("the second start changed the password")
	}
	b, err := New(newMemory(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.EnsureAdmin(t.Context(), "short"); !fault.Is(err, fault.Invalid) {
		t.Errorf("a short password: %v", err)
	}
}

func TestResetPassword(t *testing.T) {
	t.Parallel()
	b := setup(t, Config{})
	generated, err := b.ResetPassword(t.Context(), "admin", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.SignIn(t.Context(), "admin", password, home); err == nil {
		t.Error("the old password still signs in")
	}
	if _, err := b.SignIn(t.Context(), "admin", generated, home); err != nil {
		t.Errorf("the new password: %v", err)
	}
	if _, err := b.ResetPassword(t.Context(), "nobody", ""); !fault.Is(err, fault.NotFound) {
		t.Errorf("unknown login: %v", err)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	b := setup(t, Config{})
	secret, token, err := b.CreateToken(t.Context(), b.admin.ID, " deploy ")
	if err != nil || !strings.HasPrefix(secret, "hr_") || len(secret) != 46 || token.Name != "deploy" {
		t.Fatalf("%q, %+v, %v", secret, token, err)
	}
	for hash := range b.store.tokens {
		if strings.Contains(hash, secret) || len(hash) != 32 {
			t.Error("the store holds the secret")
		}
	}
	for _, name := range []string{"", "  ", strings.Repeat("x", 101)} {
		if _, _, err := b.CreateToken(t.Context(), b.admin.ID, name); !fault.Is(err, fault.Invalid) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	if err := b.DeleteToken(t.Context(), b.admin.ID, token.ID); err != nil {
		t.Fatal(err)
	}
	r := get()
	r.Header.Set("Authorization", "token "+secret)
	if _, err := b.who(t, r); kind(err) != "wrong_credentials" {
		t.Errorf("a deleted token: %v", err)
	}
	before := b.store.finds
	r.Header.Set("Authorization", "token hr_short")
	if _, _ = b.who(t, r); b.store.finds != before {
		t.Error("a token that cannot be one is sought in the store")
	}
}
