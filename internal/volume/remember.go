package volume

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// memoryVersion rises when an older Mainstay would misread a newer memory.
const memoryVersion = 1

// memory is what a node remembers of one of its pools, elsewhere than in the pool:
// by it a pool that was lost is told from one that never was.
type memory struct {
	Version int `json:"version"`
	// ID is the pool's own.
	ID string `json:"id"`
	// Path is where the pool was declared to be, and Directory where its files are.
	Path      string `json:"path"`
	Directory string `json:"directory"`
	// Device is mounted there. Empty: the pool is a directory.
	Device string `json:"device,omitempty"`
}

func (m memory) version() int { return m.Version }

const memorySuffix = ".json"

func memoryFile(stateDir, name string) string { return filepath.Join(stateDir, name+memorySuffix) }

// recall gives what is remembered of a pool; nothing if it never was there, or if
// nothing is remembered.
func recall(stateDir, name string) (memory, error) {
	var m memory
	if stateDir == "" {
		return m, nil
	}
	err := readVersioned(memoryFile(stateDir, name), "pool", memoryVersion, &m)
	if errors.Is(err, ErrNotFound) {
		return memory{}, nil
	}
	return m, err
}

func remember(stateDir, name string, m memory) error {
	m.Version = memoryVersion
	return writeJSON(memoryFile(stateDir, name), m)
}

// recallAll gives what is remembered of all pools that the node ever had.
func recallAll(stateDir string) ([]memory, error) {
	entries, err := os.ReadDir(stateDir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var all []memory
	for _, e := range entries {
		name, isMemory := strings.CutSuffix(e.Name(), memorySuffix)
		if !isMemory || e.IsDir() {
			continue
		}
		m, err := recall(stateDir, name)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, err
}
