// Package hooks takes the webhooks of forges. It finds the repository that a hook is about, proves by its signature that the
// forge sent it, and stores a request for a build before the forge is answered. While the database is away it keeps what it
// could prove in a file of this node, and stores it later, in order and once.
//
// The way of a hook costs one transaction and nothing else: repositories and the secrets of their hooks are in memory, and the
// transaction refuses by the version of the secrets what was proved by ones that are not valid any more. What is in memory is
// also on the node's disk, sealed, so that a node which is started while the database is away can prove hooks too.
//
// Nothing is read from a repository here, and no git command is run. The package must not know HTTP.
package hooks
