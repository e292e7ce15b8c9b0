package bench

import "testing"

// silent keeps a server's log out of the table.
type silent struct{ testing.TB }

func (silent) Log(...any)          {}
func (silent) Logf(string, ...any) {}
