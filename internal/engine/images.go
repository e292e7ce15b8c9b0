package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/util/wait"
	remote "k8s.io/cri-client/pkg"

	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Images are the images that a node's container runtime holds.
type Images struct {
	// Socket is the path of the runtime's CRI socket.
	Socket string
}

// NodeImages are the images of the runtime that the node of a data directory uses.
func NodeImages(dataDir string) (Images, error) {
	choices, err := RememberedChoices(dataDir)
	return Images{Socket: socketOf(choices.runtimeEndpoint(Paths{DataDir: dataDir}))}, err
}

// List returns the images, as CRI tells of them.
func (i Images) List(ctx context.Context) ([]*runtimeapi.Image, error) {
	service, err := i.service(ctx)
	if err != nil {
		return nil, err
	}
	return service.ListImages(ctx, nil)
}

// importedName finds the names in what `ctr images import` prints.
var importedName = regexp.MustCompile(`(?m)^(?:unpacking )?(\S+)\s+\(?(?:sha256:[0-9a-f]+|saved)`)

// Import loads the images of a tar file (docker-archive or OCI layout) and
// returns their names. It returns only when CRI knows them too, and they are on the disk.
func (i Images) Import(ctx context.Context, file string) ([]string, error) {
	output, err := exec.CommandContext(ctx, "ctr", "--address", i.Socket, "--namespace", "k8s.io",
		"images", "import", file).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, errors.New("to import images takes containerd's program ctr (Debian's package containerd); " +
			"with another container runtime, use its own tools")
	}
	if err != nil {
		return nil, fmt.Errorf("import %s: %w: %s", file, err, strings.TrimSpace(string(output)))
	}
	var names []string
	for _, match := range importedName.FindAllStringSubmatch(string(output), -1) {
		names = append(names, match[1])
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("import %s: it names no image (give it a tag: NAME:TAG)", file)
	}
	for _, name := range names {
		if err := i.waitFor(ctx, name); err != nil {
			return nil, err
		}
	}
	return names, i.sync(ctx)
}

// sync writes the files of images to the disk. containerd 1.6 leaves that to the kernel:
// a machine that loses its power within half a minute has programs of no length then, in
// images that it takes for whole.
func (i Images) sync(ctx context.Context) error {
	service, err := i.service(ctx)
	if err != nil {
		return err
	}
	used, err := service.ImageFsInfo(ctx)
	if err != nil {
		return fmt.Errorf("ask the runtime where its images are: %w", err)
	}
	for _, where := range used.ImageFilesystems {
		if err := syncFileSystem(where.FsId.GetMountpoint()); err != nil {
			return fmt.Errorf("write the images to the disk: %w", err)
		}
	}
	return nil
}

// syncFileSystem writes all of the file system that holds a directory to its disk.
func syncFileSystem(dir string) error {
	opened, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer opened.Close()
	return os.NewSyscallError("syncfs", unix.Syncfs(int(opened.Fd())))
}

func (i Images) waitFor(ctx context.Context, name string) error {
	err := wait.PollUntilContextTimeout(ctx, 5*time.Millisecond, 10*time.Second, true, func(ctx context.Context) (bool, error) {
		return i.has(ctx, name)
	})
	if err != nil {
		return fmt.Errorf("image %s was imported but the runtime does not show it: %w", name, err)
	}
	return nil
}

func (i Images) has(ctx context.Context, name string) (bool, error) {
	service, err := i.service(ctx)
	if err != nil {
		return false, err
	}
	status, err := service.ImageStatus(ctx, &runtimeapi.ImageSpec{Image: name}, false)
	if err != nil {
		return false, err
	}
	return status.Image != nil, nil
}

func (i Images) pull(ctx context.Context, name string) error {
	service, err := i.service(ctx)
	if err != nil {
		return err
	}
	_, err = service.PullImage(ctx, &runtimeapi.ImageSpec{Image: name}, nil, nil)
	return err
}

func (i Images) service(ctx context.Context) (internalapi.ImageManagerService, error) {
	if !listens(i.Socket) {
		return nil, errors.New("the container runtime does not answer at " + i.Socket + ": start it (`mainstay up` starts Mainstay's own)")
	}
	return remote.NewRemoteImageService(ctx, "unix://"+i.Socket, time.Minute, nil, false)
}
