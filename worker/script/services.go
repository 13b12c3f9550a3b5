package script

import (
	_ "embed"
	"fmt"
)

// servicesText are the functions for services; only scripts of jobs that ask for some have them.
//
//go:embed services.sh
var servicesText string

// service is what a name in .travis.yml stands for in an image.
type service struct {
	unit string // of systemd, or below /etc/init.d
	port int    // where it answers once it is ready
}

// known returns a service by its name in .travis.yml. Source: travis-yml-rules 10.
func known(name string) (service, bool) {
	s, ok := map[string]service{
		"cassandra": {"cassandra", 9042}, "couchdb": {"couchdb", 5984}, "elasticsearch": {"elasticsearch", 9200},
		"memcached": {"memcached", 11211}, "mongodb": {"mongod", 27017}, "mysql": {"mysql", 3306}, "mariadb": {"mariadb", 3306},
		"neo4j": {"neo4j", 7474}, "postgresql": {"postgresql", 5432}, "rabbitmq": {"rabbitmq-server", 5672},
		"redis": {"redis-server", 6379}, "riak": {"riak", 8087},
	}[name]
	return s, ok
}

// services starts what the job asks for, or says why it is not there. What runs beside the job, the worker names in
// HEADRACE_SERVICES.
func (g *generator) services() {
	names := g.config.list("services")
	if len(names) == 0 {
		return
	}
	g.section("services")
	for i, name := range names {
		fold := fmt.Sprintf("services.%d", i+1)
		s, ok := known(name)
		switch {
		case name == "docker":
			g.run(step{fold: fold, command: "headrace_docker", shown: "docker version"})
		case name == "xvfb":
			g.run(step{fold: fold, command: "headrace_xvfb", shown: "Xvfb :99 -screen 0 1280x1024x24 & export DISPLAY=:99.0"})
		case ok:
			g.run(step{fold: fold, command: fmt.Sprintf("headrace_service %s %s %d", word(name), word(s.unit), s.port), shown: "service " + s.unit + " start"})
		default:
			g.say("services: Headrace knows no %s.", name)
		}
	}
}
