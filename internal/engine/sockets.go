package engine

import (
	"net"
	"strings"
)

// socketOf returns the path in an endpoint unix:///path.
func socketOf(endpoint string) string { return strings.TrimPrefix(endpoint, "unix://") }

// listens tells whether something answers at a unix socket.
func listens(socket string) bool {
	connection, err := net.Dial("unix", socket)
	if err != nil {
		return false
	}
	connection.Close()
	return true
}
