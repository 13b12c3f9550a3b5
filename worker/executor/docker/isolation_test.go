package docker_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/worker/executor/docker"
)

func TestIsolation_rights(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	_, got := runScript(t, e, 1, `id -u; grep -E '^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp):' /proc/self/status; cat /proc/self/oom_score_adj; ulimit -c`)
	lines := strings.Split(strings.TrimSpace(got), "\n")
	want := []string{
		"1000", "CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000",
		"CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2", "500", "0",
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("the job's rights are\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// TestIsolation_attempts tries what a hostile job would; each attempt is a command that succeeds where it is not refused.
func TestIsolation_attempts(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	neighbour, out := begin(t, e, 1, "echo up; exec sleep 4711")
	out.await(t, "up")
	attempts := []struct{ name, command string }{
		{"mount", "mount -t tmpfs x /tmp"},
		{"a user namespace of its own", "unshare -Urm true"},
		{"a device", `perl -e '$f = "/tmp/sda"; exit(syscall(133, $f, 060660, 0x800) == 0 ? 0 : 1)'`}, // mknod
		{"the keys of the kernel", `perl -e 'exit(syscall(250, 0, -3, 1) >= 0 ? 0 : 1)'`},             // keyctl
		{"the clock", `perl -e '$t = pack("qq", 1, 0); exit(syscall(227, 0, $t) == 0 ? 0 : 1)'`},      // clock_settime
		{"raw packets", `perl -e 'exit(socket(S, 17, 3, 768) ? 0 : 1)'`},                              // AF_PACKET
		{"settings of the kernel", "echo 1 >/proc/sys/kernel/sysrq"},
		{"control groups", "mkdir /sys/fs/cgroup/memory/x || mkdir /sys/fs/cgroup/x"},
		{"the root user", "setsid su -c true || sudo -n true"},
		{"the engine", "ls /var/run/docker.sock || ls /run/docker.sock || ls /run/containerd"},
		{"processes of the neighbour", `for f in /proc/[0-9]*/cmdline; do [[ $(tr '\0' ' ' <"$f") != "sleep 4711 "* ]] || exit 0; done; exit 1`},
		{"to trace what it does not see", `perl -e 'for (2 .. 400) { next if -e "/proc/$_"; exit 0 if syscall(101, 16, $_, 0, 0) == 0 } exit 1'`},
		{"files of the system", "echo x >>/etc/passwd"},
		{"memory of the kernel", "head -c 1 /proc/kcore || head -c 1 /dev/mem"},
	}
	var script, want strings.Builder
	script.WriteString("export LC_ALL=C\n")
	for _, a := range attempts {
		fmt.Fprintf(&script, "if (%s) >/dev/null 2>&1; then echo '%s: done'; else echo '%s: refused'; fi\n", a.command, a.name, a.name)
		want.WriteString(a.name + ": refused\n")
	}
	_, got := runScript(t, e, 2, script.String())
	if diff := cmp.Diff(want.String(), got); diff != "" {
		t.Errorf("a hostile job (-want +got):\n%s", diff)
	}
	kill(t, neighbour)
}

func TestIsolation_bombs(t *testing.T) {
	t.Parallel()
	e := open(t, func(c *docker.Config) {
		c.Limits = docker.Limits{Memory: 64 << 20, Processes: 60, Disk: 24 << 20, CPUs: 0.5}
		c.Measure = 200 * time.Millisecond
	})
	neighbour, out := begin(t, e, 1, "echo up; while read -r -t 1 _ < <(sleep 1); [ ! -e /tmp/end ]; do :; done; exit 3")
	out.await(t, "up")

	t.Run("memory", func(t *testing.T) {
		exit, got := runScript(t, e, 2, `perl -e '$x = "a" x (1 << 30)'; echo "perl $?"; exit 1`)
		if exit.Code != 1 || !strings.Contains(got, "perl 137") || !strings.Contains(exit.Note, "Memory ran out") || !strings.Contains(exit.Note, "64 MiB") {
			t.Errorf("exit = %+v, output = %q", exit, got)
		}
	})
	t.Run("memory of the script itself", func(t *testing.T) {
		exit, _ := runScript(t, e, 3, `exec perl -e '$x = "a" x (1 << 30)'`)
		if exit.Signal != "SIGKILL" || !strings.Contains(exit.Note, "Memory ran out") {
			t.Errorf("exit = %+v", exit)
		}
	})
	t.Run("memory that looks like files", func(t *testing.T) {
		exit, got := runScript(t, e, 4, `head -c 300M /dev/zero >/dev/shm/x; head -c 300M /dev/zero >/run/headrace/x; echo end`)
		if exit.Code != 0 && !strings.Contains(exit.Note, "Memory ran out") || !strings.Contains(got+exit.Note, "No space left") && exit.Note == "" {
			t.Errorf("exit = %+v, output = %q", exit, got)
		}
	})
	t.Run("processes", func(t *testing.T) {
		exit, got := runScript(t, e, 5, `export LC_ALL=C; perl -e 'while (1) { my $p = fork(); if (!defined $p) { print "refused\n"; exit 4 } if (!$p) { sleep 600; exit } }'`)
		if exit.Code != 4 || got != "refused\n" || !strings.Contains(exit.Note, "60 processes") {
			t.Errorf("exit = %+v, output = %q", exit, got)
		}
	})
	t.Run("a fork bomb is killed like any job", func(t *testing.T) {
		p, out := begin(t, e, 6, `echo up; b() { b | b & }; b 2>/dev/null; sleep 600`)
		out.await(t, "up")
		if took := kill(t, p); took > 10*time.Second {
			t.Errorf("it took %s", took)
		}
	})
	t.Run("disk", func(t *testing.T) {
		exit, _ := runScript(t, e, 7, `head -c 64M /dev/zero >$HOME/x; sleep 600`)
		if exit.Signal != "SIGKILL" || !exit.Stopped || !strings.Contains(exit.Note, "HEADRACE_JOB_DISK") {
			t.Errorf("exit = %+v", exit)
		}
	})
	if took := kill(t, neighbour); took > 10*time.Second {
		t.Errorf("the neighbour took %s to end", took)
	}
	if exit, err := finish(t, neighbour); err != nil || exit.Note != "" {
		t.Errorf("the neighbour ended with %+v, %v", exit, err)
	}
}

func TestIsolation_otherJobs(t *testing.T) {
	t.Parallel()
	e := open(t, nil)
	// A server by raw calls: the image has no modules of perl.
	server, out := begin(t, e, 1, `grep job-1 /etc/hosts; exec perl -e '
		socket(S, 2, 1, 6) or die; bind(S, pack("SnNx8", 2, 7000, 0)) or die; listen(S, 5) or die;
		$| = 1; print "listening\n"; while (accept(C, S)) { print "reached\n"; close C }'`)
	out.await(t, "listening")
	address, _, _ := strings.Cut(out.String(), "\t")
	if !strings.HasPrefix(address, "10.213.") {
		t.Fatalf("the job's address is %q", address)
	}
	if _, got := runScript(t, e, 2, `timeout 2 bash -c 'echo x >/dev/tcp/`+address+`/7000' 2>/dev/null || echo no`); got != "no\n" {
		t.Errorf("another job was reached: %q", got)
	}
	kill(t, server)
	if strings.Contains(out.String(), "reached") {
		t.Error("the server was reached")
	}
}
