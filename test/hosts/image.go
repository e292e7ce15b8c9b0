package hosts

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// BusyboxImage holds Debian's static busybox: a shell, a web server and the
// usual small tools. It starts in a few milliseconds.
const BusyboxImage = "mainstay.dev/test/busybox:1"

// SameBusyboxImage is another name of it, for pods that go from one to the other.
const SameBusyboxImage = "mainstay.dev/test/busybox:2"

const busyboxProgram = "/bin/busybox"

// ImportBusybox makes the image and imports it on the host.
func (h *Host) ImportBusybox(t testing.TB) {
	t.Helper()
	h.Mainstay(t, "image", "import", WriteBusyboxImage(t))
}

// WriteBusyboxImage makes the image and returns the path of its tar file.
func WriteBusyboxImage(t testing.TB) string {
	t.Helper()
	return WriteImage(t, v1.Config{}, nil, BusyboxImage, SameBusyboxImage)
}

// WriteProgramImage builds a Go program, makes an image that starts it with these
// arguments, and returns the path of its tar file.
func WriteProgramImage(t testing.TB, source, image string, arguments ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "program")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", file, source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v: %s", source, err, output)
	}
	program, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return WriteImage(t, v1.Config{Entrypoint: append([]string{"/bin/program"}, arguments...)}, map[string][]byte{"bin/program": program}, image)
}

// WriteImage makes an image of busybox and more files, by their paths without the
// first slash, all of them programs. It returns the path of a tar file that has the
// image under each of the names.
func WriteImage(t testing.TB, settings v1.Config, files map[string][]byte, names ...string) string {
	t.Helper()
	layer, err := layerOf(files)
	if err != nil {
		t.Fatalf("make a test image (Debian's package busybox-static has %s): %v", busyboxProgram, err)
	}
	opened, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer)), nil },
		tarball.WithCompressionLevel(gzip.NoCompression)) // it goes nowhere but to this machine
	if err != nil {
		t.Fatal(err)
	}
	image, err := mutate.AppendLayers(empty.Image, opened)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", "amd64"
	config.Config = settings
	config.Config.Env = append(config.Config.Env, "PATH=/bin")
	if image, err = mutate.ConfigFile(image, config); err != nil {
		t.Fatal(err)
	}
	tags := map[name.Tag]v1.Image{}
	for _, text := range names {
		tag, err := name.NewTag(text)
		if err != nil {
			t.Fatal(err)
		}
		tags[tag] = image
	}
	file := filepath.Join(t.TempDir(), "image.tar")
	if err := tarball.MultiWriteToFile(file, tags); err != nil {
		t.Fatal(err)
	}
	return file
}

func layerOf(files map[string][]byte) ([]byte, error) {
	busybox, err := os.ReadFile(busyboxProgram)
	if err != nil {
		return nil, err
	}
	programs := map[string][]byte{"bin/busybox": busybox}
	maps.Copy(programs, files)
	var layer bytes.Buffer
	archive := tar.NewWriter(&layer)
	entries := []tar.Header{
		{Name: "bin/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777},
	}
	for _, applet := range []string{"sh", "httpd", "cat", "echo", "sleep", "hostname", "nslookup", "wget", "dd", "df", "sync", "kill", "date", "touch", "ls", "nc", "true", "false", "rm", "mkdir", "env", "id", "stat", "mv", "test", "printf"} {
		entries = append(entries, tar.Header{Name: "bin/" + applet, Typeflag: tar.TypeSymlink, Linkname: "busybox"})
	}
	for _, path := range slices.Sorted(maps.Keys(programs)) {
		entries = append(entries, tar.Header{Name: path, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(programs[path]))})
	}
	for _, entry := range entries {
		if err := archive.WriteHeader(&entry); err != nil {
			return nil, err
		}
		if _, err := archive.Write(programs[entry.Name]); err != nil {
			return nil, err
		}
	}
	return layer.Bytes(), archive.Close()
}
