// Package petset holds the rules by which a set of pets is run: which pod is
// created, repaired or deleted next, which claims it gets and what becomes of
// them, which revision it runs, and what the set's status says.
//
// Everything here is a function of values. There is no client, clock, log,
// context or randomness in it, and nothing that is handed in is changed: the
// caller may pass objects straight from a shared cache.
//
// Decide is the way in. What the caller owes:
//
//   - Every pod whose controller is the set, and no other (see IsMember).
//   - A view that holds all that was written for this set before. A view may be
//     old, but not older than the last actions: else an action is taken twice.
//   - To carry out the actions by stage, and to stop after a stage that failed.
//   - To create by name, and to delete with the pod's UID as precondition, so
//     that any action may be repeated after a crash.
package petset
