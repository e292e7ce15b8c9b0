package hosts

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
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
	layer, err := busyboxLayer()
	if err != nil {
		t.Fatalf("make the test image (Debian's package busybox-static has %s): %v", busyboxProgram, err)
	}
	files, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer)), nil })
	if err != nil {
		t.Fatal(err)
	}
	image, err := mutate.AppendLayers(empty.Image, files)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", "amd64"
	config.Config = v1.Config{Env: []string{"PATH=/bin"}}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		t.Fatal(err)
	}
	tags := map[name.Tag]v1.Image{}
	for _, text := range []string{BusyboxImage, SameBusyboxImage} {
		tag, err := name.NewTag(text)
		if err != nil {
			t.Fatal(err)
		}
		tags[tag] = image
	}
	file := filepath.Join(t.TempDir(), "busybox.tar")
	if err := tarball.MultiWriteToFile(file, tags); err != nil {
		t.Fatal(err)
	}
	return file
}

func busyboxLayer() ([]byte, error) {
	program, err := os.ReadFile(busyboxProgram)
	if err != nil {
		return nil, err
	}
	var layer bytes.Buffer
	archive := tar.NewWriter(&layer)
	entries := []tar.Header{
		{Name: "bin/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777},
		{Name: "bin/busybox", Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(program))},
	}
	for _, applet := range []string{"sh", "httpd", "cat", "echo", "sleep", "hostname", "nslookup", "wget", "dd", "df", "sync", "kill", "date", "touch", "ls", "nc", "true", "false", "rm", "mkdir", "env", "id", "stat"} {
		entries = append(entries, tar.Header{Name: "bin/" + applet, Typeflag: tar.TypeSymlink, Linkname: "busybox"})
	}
	for _, entry := range entries {
		if err := archive.WriteHeader(&entry); err != nil {
			return nil, err
		}
		if entry.Typeflag == tar.TypeReg {
			if _, err := archive.Write(program); err != nil {
				return nil, err
			}
		}
	}
	return layer.Bytes(), archive.Close()
}
