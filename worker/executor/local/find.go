package local

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// markName is the variable by whose value, a [runDir], the processes of a run are known wherever they went.
const markName = "CI_RUN_DIR="

// matcher says which processes belong to one run, or to any run of a work directory.
type matcher struct {
	// session is the process id of the script: its session's and its group's number too. 0: not known.
	session int
	// path is a run's directory. It is the value of the mark, and where processes stand that wiped their environment.
	path string
	// prefix: path is how such a directory begins.
	prefix bool
	// since is when the script started, in the machine's ticks: what is older is none of its processes. 0: not known.
	since uint64
	// began is a time before that; the zero time: not known.
	began time.Time
}

func matchRun(d runDir, pid int, began time.Time) matcher {
	m := matcher{session: pid, path: string(d), began: began}
	if st, ok := readStat(pid); ok {
		m.since = st.started
	}
	return m
}

// matchAny matches what any run in the work directory left behind.
func matchAny(base string) matcher {
	return matcher{path: filepath.Join(base, runPrefix), prefix: true}
}

// proc is a running process; its start time tells it from a later one with the same number.
type proc struct {
	pid, group int
	started    uint64
}

// find lists the running processes that match, and their descendants.
func (m matcher) find() []proc {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	children := map[int][]proc{}
	var found []proc
	dated := m.dated(time.Now())
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() || dated && m.older(pid) {
			continue
		}
		st, ok := readStat(pid)
		if !ok || st.dead {
			continue
		}
		p := proc{pid: pid, group: st.group, started: st.started}
		children[st.parent] = append(children[st.parent], p)
		if m.match(pid, st) {
			found = append(found, p)
		}
	}
	return withDescendants(found, children)
}

// lag is by how much the dates of the kernel may be behind.
const lag = time.Second

// dated reports whether dates can be compared with when the run began: the clock was not set meanwhile.
func (m matcher) dated(now time.Time) bool {
	apart := now.Round(0).Sub(m.began.Round(0)) - now.Sub(m.began)
	return !m.began.IsZero() && max(apart, -apart) < lag/10
}

// older reports whether a process is certainly older than the run. Its directory dates from the first look into it, before
// which the process was there: this costs a tenth of reading its line, for most of a machine's processes.
func (m matcher) older(pid int) bool {
	var st unix.Stat_t
	return unix.Stat(procFile(pid, ""), &st) == nil && time.Unix(st.Ctim.Unix()).Before(m.began.Round(0).Add(-lag))
}

func withDescendants(found []proc, children map[int][]proc) []proc {
	seen := map[int]bool{}
	var out []proc
	for len(found) > 0 {
		p := found[0]
		found = found[1:]
		if seen[p.pid] {
			continue
		}
		seen[p.pid] = true
		out = append(out, p)
		found = append(found, children[p.pid]...)
	}
	return out
}

func (m matcher) match(pid int, st stat) bool {
	if st.started < m.since { // most of a machine's processes: nothing more is read of them
		return false
	}
	if m.session != 0 && (st.session == m.session || st.group == m.session) {
		return true
	}
	if m.marked(pid) {
		return true
	}
	if st.terminal != 0 { // someone looks around in the directory
		return false
	}
	cwd, err := os.Readlink(procFile(pid, "cwd"))
	return err == nil && m.covers(cwd)
}

func (m matcher) marked(pid int) bool {
	env, err := os.ReadFile(procFile(pid, "environ"))
	if err != nil {
		return false
	}
	for v := range bytes.SplitSeq(env, []byte{0}) {
		if value, ok := bytes.CutPrefix(v, []byte(markName)); ok && m.covers(string(value)) {
			return true
		}
	}
	return false
}

func (m matcher) covers(path string) bool {
	return path == m.path || strings.HasPrefix(path, m.path+"/") || (m.prefix && strings.HasPrefix(path, m.path))
}

// signal sends a signal. Its handle is of one process, and the start time says that it is the one which was found.
func (p proc) signal(sig os.Signal) {
	h, err := os.FindProcess(p.pid)
	if err != nil {
		return
	}
	defer func() { _ = h.Release() }()
	if p.alive() {
		_ = h.Signal(sig) // that it is gone meanwhile is fine
	}
}

func (p proc) alive() bool {
	st, ok := readStat(p.pid)
	return ok && !st.dead && st.started == p.started
}

func procFile(pid int, name string) string { return "/proc/" + strconv.Itoa(pid) + "/" + name }

// stat is what is needed of /proc/PID/stat.
type stat struct {
	dead                             bool
	parent, group, session, terminal int
	started                          uint64 // in ticks since the machine's
}

// readStat reads a process's line. It is read of every process of the machine at the end of each job, hence without the
// detours of package os.
func readStat(pid int) (stat, bool) {
	fd, err := unix.Open(procFile(pid, "stat"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return stat{}, false
	}
	defer func() { _ = unix.Close(fd) }()
	var buf [1024]byte // the line has 52 numbers and a name of 15 characters
	for {
		n, err := unix.Read(fd, buf[:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return stat{}, false
		}
		return parseStat(string(buf[:n]))
	}
}

// parseStat reads the fields after the command's name, which stands in brackets and may hold anything.
func parseStat(text string) (stat, bool) {
	const startTime = 19
	at := strings.LastIndexByte(text, ')')
	if at < 0 {
		return stat{}, false
	}
	f := strings.Fields(text[at+1:])
	if len(f) <= startTime {
		return stat{}, false
	}
	var n [4]int
	for i := range n {
		v, err := strconv.Atoi(f[i+1])
		if err != nil {
			return stat{}, false
		}
		n[i] = v
	}
	started, err := strconv.ParseUint(f[startTime], 10, 64)
	if err != nil {
		return stat{}, false
	}
	dead := f[0] == "Z" || f[0] == "X"
	return stat{dead: dead, parent: n[0], group: n[1], session: n[2], terminal: n[3], started: started}, true
}
