package volume

import (
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// foundGroups are the cgroups whose requests of a device are limited. Zero: they
// are to be looked for.
type foundGroups struct {
	names []string
	// links of the directories in which they were found: one that gets or loses a
	// directory shows it there.
	links map[string]uint64
}

// changed says whether there may be others now. A group that was replaced by
// another shows in none of the links: look again from time to time.
func (f foundGroups) changed() bool {
	for dir, links := range f.links {
		if linksOf(dir) != links {
			return true
		}
	}
	return f.links == nil
}

// linksOf a directory; zero when it is gone.
func linksOf(dir string) uint64 {
	var s unix.Stat_t
	if unix.Stat(dir, &s) != nil {
		return 0
	}
	return uint64(s.Nlink) // it is smaller on some machines
}

// find looks for the groups whose requests of a device are limited: the given
// pods have it. The first is there before any pod.
func (t throttle) find(pods []string) foundGroups {
	f := foundGroups{links: map[string]uint64{}}
	roots := t.podsRoots()
	if t.v2 {
		f.names = roots
		return f
	}
	f.names = []string{t.root}
	for _, parent := range roots {
		for _, pod := range pods {
			f.containersOf(parent, pod)
		}
	}
	return f
}

// podsRoots are the groups below which kubelet puts all pods.
func (t throttle) podsRoots() []string {
	var found []string
	for _, pattern := range []string{"kubepods", "kubepods.slice", "*/kubepods", "*/kubepods.slice"} {
		matches, _ := filepath.Glob(filepath.Join(t.root, pattern)) // the patterns are right
		found = append(found, matches...)
	}
	return found
}

// containersOf finds a pod's group, whichever of kubelet's two ways to name it
// was used, and those below.
func (f *foundGroups) containersOf(parent, uid string) {
	slice := "-pod" + strings.ReplaceAll(uid, "-", "_") + ".slice"
	_ = filepath.WalkDir(parent, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil || !entry.IsDir():
			return nil // it ended meanwhile
		case strings.Contains(path, "/pod"+uid) || strings.Contains(path, slice):
			f.names = append(f.names, path)
		case strings.HasPrefix(entry.Name(), "pod") || strings.Contains(entry.Name(), "-pod"):
			return fs.SkipDir
		}
		f.links[path] = linksOf(path)
		return nil
	})
}
