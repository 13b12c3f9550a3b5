// Package script owns how a job becomes a bash script: from a [broker.Job], whose config is the expanded .travis.yml of one
// job, to text that a worker hands to bash. It does no I/O, keeps no state and gives the same bytes for the same job; it
// must not know the platform, nor how a worker runs the script.
//
// The script is one bash process from start to end, so that cd, export, set and functions carry over from command to
// command. It has two parts: runtime.sh, the functions that are the same for every job, and below it the job itself, in the
// order in which things happen:
//
//	notices -> built-in variables -> packages, addons, services -> checkout -> settings, then .travis.yml variables -> language
//	  -> before_install -> install -> before_script      a command that fails ends the job: 2, errored
//	  -> script                                          every command runs; one that fails makes it 1, failed
//	  -> before_cache -> after_success | after_failure -> deploy -> after_script    change nothing in the result
//
// It needs bash 5, coreutils and git. HOME is the worker's to set: the checkout stands below it.
package script
