// Package citest holds a model of the ownership of jobs: the rules of package ci between a model of the database, the broker,
// nodes and workers, explored by seeded simulation in virtual time. Each schedule draws faults (servers, nodes and workers that
// stop, pause and come back; messages that are lost, doubled, late; clocks that jump; people who cancel and restart) and checks
// that every job has one owner, ends once, and loses nothing.
//
// Beside our workers there may be some on the queue that do not claim, the open-source travis-worker.
//
// The steps of nodes and workers follow platform/store, platform/hub, platform/dispatch and worker as they are written, without
// their I/O: whoever changes the protocol there changes the model here first. A difference that the simulation asks for and
// the code does not have yet is a field of [Cures].
package citest
