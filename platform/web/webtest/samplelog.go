package webtest

import (
	"fmt"
	"strings"
	"time"
)

// sampleLogs writes the log of the job that runs and of the one that failed.
func (d *Demo) sampleLogs() {
	for _, p := range preparation {
		d.WriteLog(LiveJob, 1, p.at, p.text)
		d.WriteLog(FailedJob, 1, p.at, p.text)
	}
	for _, p := range running {
		d.WriteLog(LiveJob, 1, p.at, p.text)
	}
	var b strings.Builder
	for i := range 340 {
		fmt.Fprintf(&b, "=== RUN   TestStore_Case%03d\n--- \x1b[32mPASS\x1b[0m: TestStore_Case%03d (0.0%ds)\n", i, i, i%10)
	}
	d.WriteLog(FailedJob, 1, 197*time.Second, b.String())
	for _, p := range failing {
		d.WriteLog(FailedJob, 1, p.at, p.text)
	}
	d.CloseLog(FailedJob, 1)
}

type piece struct {
	at   time.Duration
	text string
}

func fold(name, command, body string, took time.Duration) string {
	return "travis_fold:start:" + name + "\r\x1b[0Ktravis_time:start:0a1b2c3d\r\x1b[0K$ " + command + "\n" + body +
		fmt.Sprintf("travis_time:end:0a1b2c3d:start=1000,finish=%d,duration=%d\r\x1b[0Ktravis_fold:end:%s\r\x1b[0K", 1000+took, took, name)
}

var preparation = []piece{
	{0, "travis_fold:start:worker_info\r\x1b[0K\x1b[33;1mWorker information\x1b[0m\nhostname: mill-03\nversion: 0.1.0\nexecutor: local, not isolated\ntravis_fold:end:worker_info\r\x1b[0K"},
	{400 * time.Millisecond, fold("git.checkout", "git clone --depth=50 --branch=main https://git.mill.example/millworks/turbine-api", "Cloning into 'turbine-api'...\nremote: Counting objects: 100% (1204/1204), done.\n", 2100*time.Millisecond)},
	{6600 * time.Millisecond, fold("install", "go mod download", "\x1b[36mRestoring cache\x1b[0m main/go-1.26 · 214 MB in 3.1 s\ngo: downloading modernc.org/sqlite v1.61.1\ngo: downloading golang.org/x/crypto v0.47.0\n", 38400*time.Millisecond)},
}

var running = []piece{
	{25 * time.Second, "travis_time:start:0e0f\r\x1b[0K$ make test TAGS=sqlite\n\x1b[90musing 8 CPUs, GOFLAGS=-trimpath, race detector on\x1b[0m\n"},
	{42 * time.Second, "go test -race -count=1 -tags sqlite ./...\n\x1b[32mok\x1b[0m      mill.example/turbine-api            \x1b[90m1.204s\x1b[0m\n"},
	{53 * time.Second, "\x1b[32mok\x1b[0m      mill.example/turbine-api/coord      \x1b[90m3.918s\x1b[0m\n\x1b[1;33mWARN\x1b[0m  dispatch: lease of job \x1b[34m88213\x1b[0m renewed late by \x1b[35m1.2s\x1b[0m\n"},
	{66 * time.Second, "\x1b[32mok\x1b[0m      mill.example/turbine-api/store      \x1b[90m12.604s\x1b[0m  coverage: 87.1%\n\x1b[38;5;208morange of the palette\x1b[0m and \x1b[38;2;90;160;220mtrue colour\x1b[0m and \x1b[41m red ground \x1b[0m\n"},
	{79 * time.Second, "    store_test.go:188: 400 claims: 399 won once, \x1b[1;33m1 returned SQLITE_BUSY (5)\x1b[0m\n\x1b[31m--- FAIL: TestStore_ClaimConcurrent (0.31s)\x1b[0m\n"},
	{112 * time.Second, "\x1b[36me2e\x1b[0m platform \x1b[34mhttp://127.0.0.1:41873\x1b[0m up in \x1b[35m94 ms\x1b[0m\n"},
	{128 * time.Second, "\x1b[36me2e\x1b[0m pushing 500 builds  \x1b[32m██████\x1b[90m░░░░░░░░░░░░░░\x1b[0m  30 %  150/500\r\x1b[36me2e\x1b[0m pushing 500 builds  \x1b[32m██████████████\x1b[90m░░░░░░\x1b[0m  \x1b[1m71 %\x1b[0m  355/500"},
}

var failing = []piece{
	{197900 * time.Millisecond, "\x1b[90m=== RUN   TestStore_ClaimConcurrent\x1b[0m\n"},
	{198200 * time.Millisecond, "    store_test.go:188: 400 claims: 397 won once, \x1b[1;33m3 returned SQLITE_BUSY (5)\x1b[0m\n\x1b[31m--- FAIL: TestStore_ClaimConcurrent (0.31s)\x1b[0m\n"},
	{198400 * time.Millisecond, "\x1b[31mFAIL\x1b[0m    mill.example/turbine-api/store    \x1b[90m12.604s\x1b[0m\n\n\x1b[31;1mThe command \"make test\" exited with 1.\x1b[0m\n\nDone. Your build exited with 1.\n"},
}
