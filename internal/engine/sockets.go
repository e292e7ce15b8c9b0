package engine

import "net"

// listens tells whether something answers at a unix socket.
func listens(socket string) bool {
	connection, err := net.Dial("unix", socket)
	if err != nil {
		return false
	}
	connection.Close()
	return true
}
