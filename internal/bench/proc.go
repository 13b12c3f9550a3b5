package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// cpu is the time that a process has used, and that of those it started and that have ended.
type cpu struct{ own, children time.Duration }

func cpuOf(pid int) (cpu, error) {
	body, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return cpu{}, err
	}
	_, rest, _ := strings.Cut(string(body), ") ") // the name of the program may hold anything
	fields := strings.Fields(rest)
	const user, perTick = 11, 10 * time.Millisecond // Linux counts in hundredths
	if len(fields) < user+4 {
		return cpu{}, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	var ticks [4]time.Duration
	for i := range ticks {
		n, err := strconv.ParseInt(fields[user+i], 10, 64)
		if err != nil {
			return cpu{}, err
		}
		ticks[i] = time.Duration(n) * perTick
	}
	return cpu{own: ticks[0] + ticks[1], children: ticks[2] + ticks[3]}, nil
}

// memoryOf is what a process holds in memory, in bytes.
func memoryOf(pid int) (int64, error) {
	body, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(body)) {
		if value, found := strings.CutPrefix(line, "VmRSS:"); found {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status says nothing of memory", pid)
}
