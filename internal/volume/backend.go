package volume

import "fmt"

// BackendParameter is the parameter of a class, and the option of a FlexVolume, that says
// what a volume is made of.
const BackendParameter = "backend"

// The backends: an image file with a file system of its own, or none; and a
// directory of the pool's file system.
const (
	fileBackend      = "file"
	directoryBackend = "directory"
)

// IsDirectory reads such a parameter. One that is absent, or empty, stands for a file.
func IsDirectory(backend string) (bool, error) {
	switch backend {
	case "", fileBackend:
		return false, nil
	case directoryBackend:
		return true, nil
	}
	return false, fmt.Errorf("%s is %q; there are %s and %s", BackendParameter, backend, fileBackend, directoryBackend)
}
