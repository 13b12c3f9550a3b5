package docker

import (
	"archive/tar"
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// account is who a job is within its container. It is never root, unless the queue is a privileged one.
type account struct {
	name     string
	uid, gid int
	home     string
	listed   bool // /etc/passwd has it
}

func (a account) user() string { return fmt.Sprintf("%d:%d", a.uid, a.gid) }

const (
	usualName = "travis"
	usualID   = 1000
)

// accountOf chooses: the image's own user unless that is root, else the one that the worker names, else travis, else the
// first id that people have.
func accountOf(passwd []byte, ofImage, ofWorker string) account {
	all := accounts(passwd)
	for _, want := range []string{ofImage, ofWorker, usualName, strconv.Itoa(usualID)} {
		if a, ok := find(all, want); ok && a.uid != 0 {
			return a
		}
	}
	a := account{name: usualName, uid: usualID, gid: usualID, home: "/home/" + usualName}
	for _, want := range []string{ofImage, ofWorker} { // an id that has no name
		user, group, _ := strings.Cut(want, ":")
		if uid, err := strconv.Atoi(user); err == nil && uid > 0 {
			a.uid, a.gid = uid, uid
			if gid, err := strconv.Atoi(group); err == nil {
				a.gid = gid
			}
			break
		}
	}
	return a
}

func find(all []account, want string) (account, bool) {
	user, group, _ := strings.Cut(want, ":")
	for _, a := range all {
		if user == "" || a.name != user && strconv.Itoa(a.uid) != user {
			continue
		}
		if gid, err := strconv.Atoi(group); err == nil {
			a.gid = gid
		}
		return a, true
	}
	return account{}, false
}

func accounts(passwd []byte) []account {
	var all []account
	for line := range strings.SplitSeq(string(passwd), "\n") {
		f := strings.Split(line, ":")
		if len(f) < 6 {
			continue
		}
		uid, err := strconv.Atoi(f[2])
		gid, err2 := strconv.Atoi(f[3])
		if err != nil || err2 != nil {
			continue
		}
		a := account{name: f[0], uid: uid, gid: gid, home: f[5], listed: true}
		if !strings.HasPrefix(a.home, "/") || a.home == "/" || a.home == "/nonexistent" {
			a.home = "/home/" + a.name
		}
		all = append(all, a)
	}
	return all
}

// missing is an archive with what the image lacks for the account: a home, and a line in /etc/passwd. nil: nothing.
func (a account) missing(passwd []byte, hasHome bool) ([]byte, error) {
	if a.listed && hasHome {
		return nil, nil
	}
	var b bytes.Buffer
	archive := tar.NewWriter(&b)
	if !hasHome {
		for i, c := range a.home {
			if c == '/' && i > 0 {
				if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: a.home[1:i] + "/", Mode: 0o755}); err != nil {
					return nil, err
				}
			}
		}
	}
	if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: a.home[1:] + "/", Mode: 0o755, Uid: a.uid, Gid: a.gid}); err != nil {
		return nil, err
	}
	if !a.listed {
		if len(passwd) > 0 && !bytes.HasSuffix(passwd, []byte("\n")) {
			passwd = append(passwd, '\n')
		}
		passwd = fmt.Appendf(passwd, "%s:x:%d:%d::%s:/bin/bash\n", a.name, a.uid, a.gid, a.home)
		if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "etc/passwd", Mode: 0o644, Size: int64(len(passwd))}); err != nil {
			return nil, err
		}
		if _, err := archive.Write(passwd); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), archive.Close()
}
