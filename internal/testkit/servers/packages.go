package servers

import "os"

// MissingPackages names the Debian packages that the tests need and this machine lacks.
func MissingPackages() []string {
	var missing []string
	for _, need := range []struct{ program, in, pkg string }{
		{"initdb", "/usr/lib/postgresql/*/bin", "postgresql"},
		{"pgbouncer", "", "pgbouncer"},
		{"redis-server", "", "redis-server"},
		{"rabbitmq-server", "", "rabbitmq-server"},
		{"chromium", "", "chromium"},
		{"dockerd", "", "docker.io"},
		{"iptables", "/sbin", "iptables"},
		{"ip", "/sbin", "iproute2"},
		{"git", "", "git"},
		{"gcc", "", "gcc"}, // the race detector needs it, and the C library's headers
	} {
		if _, err := lookup(need.program, need.in); err != nil {
			missing = append(missing, need.pkg)
		}
	}
	if _, err := os.Stat("/usr/include/stdlib.h"); err != nil {
		missing = append(missing, "libc6-dev")
	}
	return missing
}
