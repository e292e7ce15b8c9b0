package network

import (
	_ "embed" // the scripts
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

// The namespaces of a host are kept by files in this directory; its network
// namespace is kept by `ip netns`.
func (h *Host) namespaces() string { return filepath.Join(h.dir(), "namespaces") }

var namespaceKinds = []string{"mount", "cgroup", "uts", "ipc"}

var (
	//go:embed boot.sh.tmpl
	bootScript string
	boots      = template.Must(template.New("boot").Parse(bootScript))
	//go:embed enter.sh.tmpl
	enterScript string
	enters      = template.Must(template.New("enter").Parse(enterScript))
)

// bootSettings are what the scripts are told.
type bootSettings struct {
	Name, DataDir, Namespaces string
	Groups                    []string // those that the host's programs start in
	V1                        []hierarchyV1
	V2                        string // where version 2 is mounted
}

type hierarchyV1 struct{ Mountpoint, Options string }

// boot makes the host's cgroups and namespaces, and last its script to enter: a host
// that has one is on.
func (h *Host) boot() error {
	settings := bootSettings{Name: h.Name(), DataDir: h.DataDir(), Namespaces: h.namespaces()}
	trees, err := hierarchies()
	if err != nil {
		return err
	}
	for _, tree := range trees {
		group, err := tree.makeGroup(h.Name(), len(trees) == 1)
		if err != nil {
			return fmt.Errorf("make a cgroup in %s: %w", tree.mountpoint, err)
		}
		settings.Groups = append(settings.Groups, group)
		if tree.v2 {
			settings.V2 = tree.mountpoint
		} else {
			settings.V1 = append(settings.V1, hierarchyV1{tree.mountpoint, tree.options})
		}
	}
	if err := os.MkdirAll(h.namespaces(), 0o700); err != nil {
		return err
	}
	for _, kind := range namespaceKinds {
		if err := os.WriteFile(filepath.Join(h.namespaces(), kind), nil, 0o600); err != nil {
			return err
		}
	}
	var boot, enter strings.Builder
	if err := boots.Execute(&boot, settings); err != nil {
		return err
	}
	if err := enters.Execute(&enter, settings); err != nil {
		return err
	}
	if err := runWith(boot.String(), "sh", "-s"); err != nil {
		return err
	}
	file := h.Enter() + ".new"
	if err := os.WriteFile(file, []byte(enter.String()), 0o700); err != nil {
		return err
	}
	return os.Rename(file, h.Enter())
}
