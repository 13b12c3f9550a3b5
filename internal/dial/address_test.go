package dial_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/headrace/headrace/internal/dial"
	"github.com/headrace/headrace/internal/fault"
)

func rules() dial.Rules {
	return dial.Rules{
		Field: "amqp_url", Server: "RabbitMQ", Ports: map[string]int{"amqp": 5672, "amqps": 5671},
		Params: []string{"heartbeat"}, Example: "amqps://travis:password@rabbit.example.com/travis",
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		raw  string
		want dial.Address
	}{
		{"amqp://host", dial.Address{Scheme: "amqp", Hosts: []string{"host:5672"}}},
		{" AMQPS://u:p%40%2F@host:1/a%2Fb \n", dial.Address{Scheme: "amqps", User: "u", Password: "p@/", Hosts: []string{"host:1"}, Path: "a/b"}},
		{"amqp://u:a,b@one,two:7,[::1]/v?heartbeat=5", dial.Address{
			Scheme: "amqp", User: "u", Password: "a,b", Hosts: []string{"one:5672", "two:7", "[::1]:5672"}, Path: "v",
			Params: map[string]string{"heartbeat": "5"},
		}},
		{"amqp://u@host?heartbeat=5", dial.Address{Scheme: "amqp", User: "u", Hosts: []string{"host:5672"}, Params: map[string]string{"heartbeat": "5"}}},
	}
	for _, tt := range tests {
		t.Run(tt.raw, func(t *testing.T) {
			t.Parallel()
			got, err := dial.Parse(tt.raw, rules())
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Params) == 0 {
				got.Params = nil
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for raw, says := range map[string]string{
		"":                                   "begins with amqp:// or amqps://",
		"host:5672":                          "begins with",
		"redis://host":                       "begins with",
		"amqp://":                            "host that cannot be read",
		"amqp://one,,two":                    "host that cannot be read",
		"amqp://host:0/":                     "port 0",
		"amqp://host:70000/":                 "port 70000",
		"amqp://u:geheim%@host/":             "cannot be read",
		"amqp://u:ge/heim@host/":             "cannot be read",
		"amqp://u:geheim@one,u:geheim@two/":  "cannot be read",
		"amqp://u:geheim@h/#x":               "cannot be read",
		"amqp://u:geheim@h/?cacertfile=/etc": `parameter "cacertfile", which Headrace does not take. It takes: heartbeat.`,
		"amqp://h/?heartbeat=1&heartbeat=2":  "more than once",
	} {
		t.Run(raw, func(t *testing.T) {
			t.Parallel()
			_, err := dial.Parse(raw, rules())
			f, ok := errors.AsType[*fault.Error](err)
			if !ok || f.Code != fault.Invalid || f.Fields["amqp_url"] == "" {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains(err.Error(), says) {
				t.Errorf("says %q, want %q", err, says)
			}
			if strings.Contains(err.Error(), "heim") {
				t.Errorf("shows the password: %v", err)
			}
		})
	}
}

func TestAddressHidesPassword(t *testing.T) {
	t.Parallel()
	a, err := dial.Parse("amqp://u:geheim@one,two/v", rules())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff("amqp://u@one:5672,two:5672/v", a.String()); d != "" {
		t.Error(d)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("amqp://u:p@h1,h2:1/v?heartbeat=1")
	f.Fuzz(func(t *testing.T, raw string) {
		a, err := dial.Parse(raw, rules())
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%q: %v", raw, err)
			}
			return
		}
		if len(a.Hosts) == 0 {
			t.Errorf("%q: no host", raw)
		}
	})
}
