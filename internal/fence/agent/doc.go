// Package agent carries out what package fence decides.
//
// On each node two processes share the work, each in a session of its own, so that neither an
// engine nor a kubelet that ends takes them along. The keeper talks to the API and to
// the other members. The executioner talks to nobody: when the deadline passes that
// they share, whoever should have prolonged it, it stops the pets by their cgroups.
package agent
