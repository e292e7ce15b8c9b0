package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// Version is Mainstay's own. The build sets it.
var Version = "dev"

// dataVersion numbers the layout of the data directory. It rises when an older
// engine could not read what a newer one has written.
const dataVersion = 1

func (p Paths) dataVersion() string { return p.configFile("data-version") }

// checkDataVersion refuses data that a newer engine has written.
func checkDataVersion(paths Paths) error {
	content, err := os.ReadFile(paths.dataVersion())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	found, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return fmt.Errorf("%s should hold a number: %w", paths.dataVersion(), err)
	}
	if found > dataVersion {
		return fmt.Errorf("the data in %s is of version %d, written by a newer mainstay; this one reads up to %d: "+
			"install the newer mainstay, or choose another --data-dir", paths.DataDir, found, dataVersion)
	}
	return nil
}

func writeDataVersion(paths Paths) error {
	return writeFile(paths.dataVersion(), []byte(strconv.Itoa(dataVersion)+"\n"))
}
