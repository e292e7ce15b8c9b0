// Package sanity holds the driver against the suite with which CSI drivers are
// checked, on real loop devices.
package sanity

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	csisanity "github.com/kubernetes-csi/csi-test/v5/pkg/sanity"
	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/csi"
	"github.com/mainstay-io/mainstay/internal/volume/volumetest"
)

// TestSanity runs the whole suite twice: with file systems and with raw blocks.
func TestSanity(t *testing.T) {
	volumetest.RequireRoot(t)
	for _, access := range []string{"mount", "block"} {
		config, socket := serve(t)
		config.TestVolumeAccessType = access
		context := csisanity.GinkgoTest(&config)
		context.Conn = connect(t, socket)
		t.Cleanup(context.Finalize)
	}
	gomega.RegisterFailHandler(ginkgo.Fail)
	ginkgo.RunSpecs(t, "CSI sanity")
}

// connect makes the connection in the suite's stead. Left to itself, the suite
// waits a minute and fails when the driver answers before it begins to watch.
// The suite keeps a connection that it is given as long as it has no address.
func connect(t *testing.T, socket string) *grpc.ClientConn {
	t.Helper()
	connection, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	return connection
}

// serve runs a driver until the test ends. It returns what the suite has to know
// of it, and its socket.
func serve(t *testing.T) (csisanity.TestConfig, string) {
	t.Helper()
	dir := volumetest.Dir(t)
	poolDir, socket := filepath.Join(dir, "pool"), filepath.Join(dir, "csi.sock")
	pool, err := volume.Open(poolDir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		served <- csi.Driver{NodeName: "node-1", Version: "test", Pools: volume.Alone(pool)}.Serve(ctx, socket)
	}()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if err := volume.Cleanup(poolDir, dir); err != nil {
			t.Error(err)
		}
	})

	config := csisanity.NewTestConfig()
	config.TargetPath = filepath.Join(dir, "target")
	config.StagingPath = filepath.Join(dir, "staging")
	config.TestVolumeSize = 64 << 20
	config.TestVolumeExpandSize = 128 << 20
	config.TestVolumeMutableParameters = map[string]string{"maxIops": "100k"}
	config.CheckPath = checkPath
	return config, socket
}

// checkPath tells the suite what is at a path.
func checkPath(path string) (csisanity.PathKind, error) {
	info, err := os.Stat(path)
	switch {
	case os.IsNotExist(err):
		return csisanity.PathIsNotFound, nil
	case err != nil:
		return "", err
	case info.IsDir():
		return csisanity.PathIsDir, nil
	case info.Mode().IsRegular():
		return csisanity.PathIsFile, nil
	}
	return csisanity.PathIsOther, nil
}
