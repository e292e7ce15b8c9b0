// Package node carries out on a machine what package fence decides.
//
// Two processes share the work, each in a session of its own, so that neither an
// engine nor a kubelet that ends takes them along. The keeper talks to the API and to
// the other members. The executioner talks to nobody: when the deadline passes that
// they share, whoever should have prolonged it, it stops the pets by their cgroups.
package node
