package quota

import (
	"bufio"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// Our numbers. Others count from 1, or from 1048577 as kubelet does.
const (
	First = 0x4d000000
	Last  = 0x4dffffff
)

// attempts bounds the search for a free number.
const attempts = 1 << 12

// namedIn are the files in which people name projects: lines of NAME:NUMBER, and of
// NUMBER:DIRECTORY (projid(5), projects(5)).
var namedIn = []string{"/etc/projid", "/etc/projects"}

// Choose gives one of our numbers that is not taken. The search begins at a place
// that depends on the name: so those who search at one time, each for itself, do
// not meet.
func Choose(name string, taken func(id uint32) (bool, error)) (uint32, error) {
	const numbers = Last - First + 1
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // never fails
	for i := range uint32(attempts) {
		id := First + (h.Sum32()%numbers+i)%numbers
		switch is, err := taken(id); {
		case err != nil:
			return 0, err
		case !is:
			return id, nil
		}
	}
	return 0, fmt.Errorf("%d project numbers in a row are taken", attempts)
}

// Named gives the numbers that people of this machine have named.
func Named() (map[uint32]bool, error) {
	named := map[uint32]bool{}
	for _, path := range namedIn {
		text, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, id := range numbersIn(string(text)) {
			named[id] = true
		}
	}
	return named, nil
}

// numbersIn finds what may be a project's number in the lines of such a file.
func numbersIn(text string) (ids []uint32) {
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		for _, field := range strings.Split(lines.Text(), ":") {
			if id, err := strconv.ParseUint(strings.TrimSpace(field), 10, 32); err == nil {
				ids = append(ids, uint32(id))
			}
		}
	}
	return ids
}
