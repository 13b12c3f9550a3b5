// Package servers owns private PostgreSQL, PgBouncer, Redis and RabbitMQ servers and Docker engines for tests: it starts the programs that
// Debian installs on free ports of the loopback address with their data in a directory of their own, and stops them
// again. Servers that somebody else started are never touched. It must not know what the tests do with them.
//
// A server can be stopped, killed, frozen and started again on the same port and data, which is what tests of faults need.
// Servers die with the process that started them, even when that is killed.
package servers
