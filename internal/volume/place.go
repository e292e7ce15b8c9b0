package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation"
	utilexec "k8s.io/utils/exec"
)

// DefaultPool is the name of the pool that every node has.
const DefaultPool = "default"

// PoolParameter is the parameter of a StorageClass that names the pool of its
// volumes. A class without it means DefaultPool.
const PoolParameter = "pool"

// PoolOf gives the pool that a class with these parameters means.
func PoolOf(parameters map[string]string) string {
	if name := parameters[PoolParameter]; name != "" {
		return name
	}
	return DefaultPool
}

// Place says where one of a node's pools is.
type Place struct {
	// Name is the pool's on its node: a DNS label.
	Name string
	// Path is absolute: that of a directory, or of a block device that is the
	// pool's alone.
	Path string
}

// CheckPlaces refuses places that can be no pools of one node, whatever is there.
func CheckPlaces(places []Place) error {
	for i, p := range places {
		if len(validation.IsDNS1123Label(p.Name)) > 0 {
			return fmt.Errorf("%q cannot be a pool's name: choose one of lower case letters, digits and dashes", p.Name)
		}
		if !filepath.IsAbs(p.Path) {
			return fmt.Errorf("pool %s: %q is not an absolute path", p.Name, p.Path)
		}
		for _, other := range places[:i] {
			if other.Name == p.Name {
				return fmt.Errorf("there are two pools %s: at %s and at %s", p.Name, other.Path, p.Path)
			}
			if within(p.Path, other.Path) || within(other.Path, p.Path) {
				return fmt.Errorf("pools %s and %s cannot be one in the other: %s, %s", other.Name, p.Name, other.Path, p.Path)
			}
		}
	}
	if !slices.ContainsFunc(places, func(p Place) bool { return p.Name == DefaultPool }) {
		return fmt.Errorf("there is no pool %s, which every node has", DefaultPool)
	}
	return nil
}

// within says whether path is dir or something in it.
func within(path, dir string) bool {
	relative, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(relative)
}

// Check refuses a place that cannot become a pool, or be found to be the pool of
// that name, and changes nothing.
func (p Place) Check(ctx context.Context) error {
	s, err := os.Stat(p.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("pool %s: there is no %s: make the directory, or mount its disk there", p.Name, p.Path)
	case err != nil:
		return fmt.Errorf("pool %s: %w", p.Name, err)
	case s.IsDir():
		content, err := lookInto(p.Path)
		if err == nil {
			_, err = recognize(content, identity{Name: p.Name}, p.Path)
		}
		return err
	}
	content, err := examine(ctx, utilexec.New(), p.Path)
	if err == nil {
		_, err = mustFormat(content, identity{Name: p.Name}, p.Path)
	}
	return err
}
