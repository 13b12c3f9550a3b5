package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// installScript installs packages and keeps Debian from starting their services: nothing here uses those.
const installScript = `set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	trap 'exit 1' INT TERM
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -y -q --no-install-recommends "$@"
`

// install makes the packages available; without any it does nothing.
func install(ctx context.Context, packages []string, stderr io.Writer) error {
	if len(packages) == 0 {
		return nil
	}
	list := strings.Join(packages, " ")
	argv := append([]string{"sh", "-c", installScript, "install"}, packages...)
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("the tests need %s, and there is no apt-get to install them with", list)
	}
	if os.Geteuid() != 0 {
		if _, err := exec.LookPath("sudo"); err != nil {
			return fmt.Errorf("the tests need %s; install them, or run this as root", list)
		}
		argv = append([]string{"sudo", "--non-interactive"}, argv...)
	}
	fmt.Fprintln(stderr, "installing", list)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		_, writeErr := stderr.Write(out.Bytes())
		return errors.Join(fmt.Errorf("install %s: %w", list, err), writeErr)
	}
	return nil
}
