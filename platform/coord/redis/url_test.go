package redis

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/headrace/headrace/internal/fault"
)

func TestURLs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]target{
		"redis://h":                        {scheme: "redis", hosts: []string{"h:6379"}},
		"redis://h:1/":                     {scheme: "redis", hosts: []string{"h:1"}},
		"redis://h/15":                     {scheme: "redis", hosts: []string{"h:6379"}, db: 15},
		"rediss://h:6380/1":                {scheme: "rediss", hosts: []string{"h:6380"}, db: 1, tls: true},
		"redis://:secret@h":                {scheme: "redis", hosts: []string{"h:6379"}, password: "secret"},
		"redis://u:se:cret@h":              {scheme: "redis", hosts: []string{"h:6379"}, user: "u", password: "se:cret"},
		"redis://u:a%2Fb%40c%25@h":         {scheme: "redis", hosts: []string{"h:6379"}, user: "u", password: "a/b@c%"},
		"redis://u:a/b@c#d?e+f@h:7/2":      {scheme: "redis", hosts: []string{"h:7"}, user: "u", password: "a/b@c#d?e+f", db: 2},
		"redis://[::1]":                    {scheme: "redis", hosts: []string{"[::1]:6379"}},
		"redis://[fe80::1]:7000/0":         {scheme: "redis", hosts: []string{"[fe80::1]:7000"}},
		"redis+cluster://h1:1,h2,[::1]:3/": {shape: cluster, scheme: "redis+cluster", hosts: []string{"h1:1", "h2:6379", "[::1]:3"}},
		"redis+cluster://:p@h1?tls=true":   {shape: cluster, scheme: "redis+cluster", hosts: []string{"h1:6379"}, password: "p", tls: true},
		"redis+sentinel://u:p@h1:26380, h2/3?master=main&sentinel_user=s&sentinel_password=q%26&tls=true": {
			shape: sentinel, scheme: "redis+sentinel", hosts: []string{"h1:26380", "h2:26379"}, user: "u", password: "p", db: 3, tls: true,
			master: "main", sentinelUser: "s", sentinelPassword: "q&",
		},
	} {
		got, err := parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(target{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestURLsThatDoNotDo(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                                    "redis://",
		"localhost:6379":                                      "redis://",
		"http://:hunter2@h":                                   "begins with none of",
		"redis://":                                            `""`,
		"redis://:hunter2@":                                   `""`,
		"redis://:hunter2@/0":                                 `""`,
		"redis://:hunter2@h1,h2":                              "2 hosts",
		"redis://:hunter2@h1,":                                `""`,
		"redis://:hunter2@h:port":                             `"port"`,
		"redis://:hunter2@h:0":                                "1 to 65535",
		"redis://:hunter2@h:70000":                            "65535",
		"redis://:hunter2@::1":                                "[::1]",
		"redis://:hunter2@[::1":                               `"[::1"`,
		"redis://:hunter2@0[":                                 `"0["`,
		"redis://:hunter2@[no:address]":                       `"[no:address]"`,
		"redis://:hunter2@a b":                                `"a b"`,
		"redis://:hunter2@h/x":                                `"/x"`,
		"redis://:hunter2@h/-1":                               `"/-1"`,
		"redis://:hunter2@h/0/1":                              `"/0/1"`,
		"redis://:hunter2@h/0#1":                              "#",
		"redis://:hunter2%@h":                                 "%25",
		"redis://hunter2@h":                                   ":password@",
		"redis://:hunter2@h?timeout=5s":                       "the parameter timeout, which is not known; redis:// takes none",
		"redis://:hunter2@h?master=x":                         "the parameter master",
		"redis://:hunter2@h?%zz":                              "cannot be read",
		"redis+cluster://:hunter2@h?db=1":                     "the parameter db, which is not known; redis+cluster:// takes tls",
		"redis+cluster://:hunter2@h/1":                        "only database 0",
		"redis+cluster://:hunter2@h?tls=maybe":                `"maybe"`,
		"redis+sentinel://:hunter2@h":                         "?master=NAME",
		"redis+sentinel://:hunter2@h?master=":                 "?master=NAME",
		"redis+sentinel://:hunter2@h?master=a&master=b":       "2 times",
		"redis+sentinel://:hunter2@h?master=a&max_retries=10": "the parameter max_retries",
	} {
		_, err := parse(text)
		f, ok := errors.AsType[*fault.Error](err)
		if !ok || f.Code != fault.Invalid || f.Fields["redis_url"] == "" {
			t.Errorf("%s: got %v, want a complaint", text, err)
			continue
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %q does not say %q, or says the password", text, err, want)
		}
	}
}

func FuzzURL(f *testing.F) {
	for _, text := range []string{"redis://u:p@h:1/2", "redis+sentinel://h1,h2?master=x", "redis+cluster://[::1]:1,h?tls=true", "rediss://@:?#"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parse(text)
		if err != nil {
			return
		}
		for _, h := range got.hosts {
			if host, port, err := splitHost(h, ""); err != nil || host == "" || port == "" {
				t.Errorf("%q: host %q is not one: %v", text, h, err)
			}
		}
	})
}
