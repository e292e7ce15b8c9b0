// Mainstay runs stateful applications in containers: a whole Kubernetes in one
// program, with its own controllers for pets and their volumes.
package main

import (
	"os"

	"github.com/mainstay-io/mainstay/internal/cli"
)

func main() { os.Exit(cli.Main()) }
