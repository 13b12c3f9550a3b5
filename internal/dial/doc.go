// Package dial owns how Headrace reaches other servers: TLS settings from PEM files, addresses read by rules of our own
// instead of the drivers' (which open local files that a parameter names, and misread lists of hosts), and connections
// that notice a dead network. It must not know any of the servers.
//
// Errors are for people. None holds a password, and none wraps an error that might.
package dial
