package flex

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

// DriverName is the driver's name in volumes.
const DriverName = "mainstay.dev/volume"

// Installation is what the installed driver runs.
type Installation struct {
	// Program is the absolute path of mainstay; Arguments come before the callout's.
	Program   string
	Arguments []string
	// ErrorLog takes what the program says when the Go runtime ends it. Its
	// directory must exist.
	ErrorLog string
}

//go:embed driver.sh
var script string

var scriptTemplate = template.Must(template.New("driver.sh").Funcs(template.FuncMap{"quote": quote}).Parse(script))

// Install writes the driver where kubelet looks for it below its plugin
// directory, for root alone. Kubelet watches that directory and runs what it sees:
// so the file appears complete, and one that is as it should be is left alone.
func Install(pluginDir string, i Installation) error {
	content, err := i.script()
	if err != nil {
		return err
	}
	vendor, name, _ := strings.Cut(DriverName, "/")
	file := filepath.Join(pluginDir, vendor+"~"+name, name)
	if current, err := os.ReadFile(file); err == nil && bytes.Equal(current, content) && executable(file) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("install the FlexVolume driver: %w", err)
	}
	// Kubelet passes over names that begin with a dot.
	temporary := filepath.Join(filepath.Dir(file), "."+name)
	if err := writeExecutable(temporary, content); err != nil {
		return fmt.Errorf("install the FlexVolume driver: %w", err)
	}
	return os.Rename(temporary, file)
}

func (i Installation) script() ([]byte, error) {
	var text bytes.Buffer
	err := scriptTemplate.Execute(&text, map[string]any{
		"Init":    strings.TrimSpace(string(initialized().line())),
		"Moved":   strings.TrimSpace(string(failed(errors.New("mainstay is not where it was when it started; put it back, or start it again: mainstay down, then mainstay up")).line())),
		"Program": i.Program, "Arguments": i.Arguments, "ErrorLog": i.ErrorLog,
	})
	return text.Bytes(), err
}

// quote makes one word of a text for a shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

func executable(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().Perm() == 0o700
}

func writeExecutable(file string, content []byte) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o700)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(content); err != nil {
		return err
	}
	return f.Sync()
}
