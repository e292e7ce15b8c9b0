package engine

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// pauseImage is the sandbox image: the process that holds a pod's namespaces.
// It is made on the spot from the machine's own catatonit, a static init that
// waits and reaps, so that no registry is needed.
const pauseImage = "mainstay.dev/pause:1"

const pauseProgram = "/usr/bin/catatonit"

// ensurePauseImage imports the pause image unless the runtime has it.
func ensurePauseImage(ctx context.Context, images Images, paths Paths) error {
	if present, err := images.has(ctx, pauseImage); err != nil || present {
		return err
	}
	image, err := buildPauseImage(pauseProgram)
	if err != nil {
		return fmt.Errorf("build the pause image: %w", err)
	}
	file := filepath.Join(paths.run(), "pause.tar")
	defer os.Remove(file)
	reference, err := name.NewTag(pauseImage)
	if err != nil {
		return err
	}
	if err := tarball.WriteToFile(file, reference, image); err != nil {
		return fmt.Errorf("write the pause image: %w", err)
	}
	_, err = images.Import(ctx, file)
	return err
}

func buildPauseImage(program string) (v1.Image, error) {
	content, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	var layer bytes.Buffer
	archive := tar.NewWriter(&layer)
	if err := archive.WriteHeader(&tar.Header{Name: "pause", Mode: 0o755, Size: int64(len(content))}); err != nil {
		return nil, err
	}
	if _, err := archive.Write(content); err != nil {
		return nil, err
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	files, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(layer.Bytes())), nil
	})
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, files)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = runtime.GOOS, runtime.GOARCH
	config.Config = v1.Config{Entrypoint: []string{"/pause", "-P"}, User: "65535:65535"}
	return mutate.ConfigFile(image, config)
}
