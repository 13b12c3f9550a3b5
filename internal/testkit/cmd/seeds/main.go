// Command seeds prints, for each feature of the documents that Headrace began with, the test that holds it, and which have
// none yet.
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"text/tabwriter"
)

// features are the rows: document, feature, and the name of its test after TestSeed_.
func features() [][3]string {
	return [][3]string{
		{"Travis CI Enterprise", "a platform node serves pages and takes builds; they run when a worker is there", "TravisBuildNeedsAWorker"},
		{"Travis CI Enterprise", "admin dashboard at an address of its own", "TravisDashboard"},
		{"Travis CI Enterprise", "installation by a script per machine", "TravisInstall"},
		{"Travis CI Enterprise", "Enable HA: paste PostgreSQL, Redis and RabbitMQ URLs", "TravisEnableHA"},
		{"Travis CI Enterprise", "upload a RabbitMQ client certificate", "TravisClientCertificate"},
		{"Travis CI Enterprise", "Save and restart", "TravisSaveAndRestart"},
		{"Travis CI Enterprise", "a second platform installation joins", "TravisSecondPlatform"},
		{"Travis CI Enterprise", "a licence entitles to HA", "TravisLicence"},
		{"Travis CI Enterprise", "worker installed with the RabbitMQ password", "TravisWorkerPassword"},
		{"Semaphore", "every node serves pages, API, schedules and builds", "SemaphoreEveryNodeServes"},
		{"Semaphore", "a node fails, the others go on", "SemaphoreNodeFails"},
		{"Semaphore", "live updates on every node, by Redis", "SemaphoreLiveOnEveryNode"},
		{"Semaphore", "SQLite is refused for HA", "SemaphoreSQLiteRefused"},
		{"Semaphore", "each job runs once", "SemaphoreRunsOnce"},
		{"Semaphore", "schedules fire once over all nodes", "SemaphoreCronOnce"},
		{"Semaphore", "the ha block of the configuration, and its variables", "SemaphoreHAConfig"},
		{"Semaphore", "behind nginx, nodes restarted one by one without downtime", "SemaphoreLoadBalancer"},
		{"Ansible Tower", "ping says instances, HA, role and version", "TowerPing"},
		{"Ansible Tower", "a secondary redirects to the primary", "TowerRedirect"},
		{"Ansible Tower", "promote a secondary", "TowerPromote"},
		{"Ansible Tower", "on fail-over queued and running jobs end", "TowerFailover"},
		{"Ansible Tower", "remove a secondary", "TowerRemove"},
		{"Ansible Tower", "a licence is needed on every instance", "TowerLicence"},
	}
}

func main() {
	found, err := tests()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "seeds:", err)
		os.Exit(1)
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "document\tfeature\ttest")
	held := 0
	for _, f := range features() {
		test := "none yet"
		if found["TestSeed_"+f[2]] {
			test = "TestSeed_" + f[2]
			held++
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\n", f[0], f[1], test)
	}
	_, _ = fmt.Fprintf(table, "\n%d of %d features are held by a test\n", held, len(features()))
	if err := table.Flush(); err != nil {
		os.Exit(1)
	}
}

// tests finds the names of all seed tests in the files that git knows.
func tests() (map[string]bool, error) {
	out, err := exec.Command("git", "grep", "-hoE", `^func TestSeed_[A-Za-z0-9]+`, "--", "*_test.go").Output()
	if err != nil && len(out) == 0 {
		return nil, fmt.Errorf("git grep: %w", err)
	}
	found := map[string]bool{}
	for line := range bytes.Lines(out) {
		found[strings.TrimSpace(strings.TrimPrefix(string(line), "func "))] = true
	}
	return found, nil
}
