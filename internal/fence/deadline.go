package fence

// Deadline is what a keeper leaves, in memory that outlives it but not the machine,
// to the process that stops pets when the keeper cannot, and to the keeper that
// comes after it.
//
// The keeper writes a later Until before it lets anything run by it. Whoever begins
// to stop the pets writes Until = 0 first, so that it is not lengthened any more:
// both write by compare-and-swap.
type Deadline struct {
	// Boot is the kernel's boot ID; with another one, nothing here holds.
	Boot  string
	Epoch int32
	// Until: pets may run before this instant.
	Until Instant
}

// Overdue says that no pet may run. The second process stops pets when this begins, and goes
// on stopping whatever runs for as long as it is so.
func (d Deadline) Overdue(boot string, now Instant) bool {
	return d.Boot != boot || now >= d.Until
}
