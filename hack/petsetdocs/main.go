// Command petsetdocs writes docs/petset.md: the frame petset.md.tmpl, with the
// examples of examples/petset, and with the reference, which is made of the
// comments in api/v1alpha1 and of what the custom resource definition asks for.
// `make generate` runs it, after the definition is made.
//
// Usage: petsetdocs FILE, in the repository's root. FILE is what is written.
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "petsetdocs:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) != 1 {
		return fmt.Errorf("name the file to write: docs/petset.md")
	}
	text, err := page(".")
	if err != nil {
		return err
	}
	return os.WriteFile(arguments[0], text, 0o644) //nolint:gosec // part of the repository
}
