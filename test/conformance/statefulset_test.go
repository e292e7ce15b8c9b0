//go:build conformance

// Package conformance lets Kubernetes' own end-to-end tests judge Mainstay: what
// they say of StatefulSets, whoever runs them must see no difference. Run it with
// `make test-conformance`; `-args -ginkgo.focus=…` picks among the tests. It is
// built on demand alone: upstream's tests are much to compile.
package conformance

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
	"github.com/onsi/gomega"
	_ "k8s.io/kubernetes/test/e2e/apps" // the tests
	"k8s.io/kubernetes/test/e2e/framework"
	"k8s.io/kubernetes/test/e2e/framework/config"
	imageutils "k8s.io/kubernetes/test/utils/image"

	"github.com/mainstay-io/mainstay/test/hosts"
)

const (
	statefulSets = `\[sig-apps\] StatefulSet`
	// These start databases from images that only a registry has.
	needRegistry = `Deploy clustered applications`
)

// ran are the tests that ran, and how they ended.
var ran types.SpecReports

var _ = ginkgo.ReportAfterSuite("what ran", func(report ginkgo.Report) {
	ran = report.SpecReports.WithLeafNodeType(types.NodeTypeIt).WithState(types.SpecStatePassed | types.SpecStateFailureStates)
})

func TestStatefulSets(t *testing.T) {
	h := hosts.New(t, 8)
	h.Up(t)
	h.Mainstay(t, "image", "import", writeAgnhostImage(t))
	useCluster(t, h)

	gomega.RegisterFailHandler(framework.Fail)
	suite, reporter := ginkgo.GinkgoConfiguration()
	if len(suite.FocusStrings) == 0 {
		suite.FocusStrings = []string{statefulSets}
	}
	reporter.NoColor, reporter.SilenceSkips, reporter.Succinct = true, true, true
	suite.SkipStrings = append(suite.SkipStrings, needRegistry)
	ginkgo.RunSpecs(t, "Kubernetes' tests of StatefulSets", suite, reporter)
	for _, test := range ran {
		t.Logf("%s in %.0f s: %s", test.State, test.RunTime.Seconds(), test.FullText())
	}
}

// useCluster tells upstream's test framework where the API is.
func useCluster(t *testing.T, h *hosts.Host) {
	t.Helper()
	kubectl := filepath.Join(t.TempDir(), "kubectl")
	script := "#!/bin/sh\nexec '" + os.Getenv("MAINSTAY_BINARY") + "' kubectl \"$@\"\n"
	if err := os.WriteFile(kubectl, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	flags := flag.NewFlagSet("framework", flag.ContinueOnError)
	config.CopyFlags(config.Flags, flags)
	framework.RegisterCommonFlags(flags)
	framework.RegisterClusterFlags(flags)
	err := flags.Parse([]string{
		"-host=https://" + h.IP.String() + ":6443",
		"-kubeconfig=" + filepath.Join(h.DataDir, "kubeconfig"),
		"-kubectl-path=" + kubectl,
		"-provider=skeleton",
		"-kubelet-root-dir=" + filepath.Join(h.DataDir, "kubelet"),
		"-e2e-output-dir=" + t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	framework.AfterReadingAllFlags(&framework.TestContext)
}

// writeAgnhostImage makes the image that upstream's tests run everywhere, of
// upstream's program and Debian's busybox, under the names that the tests ask for.
func writeAgnhostImage(t *testing.T) string {
	t.Helper()
	const agnhost = "k8s.io/kubernetes/test/images/agnhost"
	program := filepath.Join(t.TempDir(), "agnhost")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", program, agnhost)
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // the image has no libraries
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build agnhost: %v\n%s", err, output)
	}
	source, err := exec.Command("go", "list", "-f", "{{.Dir}}", agnhost).Output()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for name, file := range map[string]string{
		"agnhost":       program,
		"localhost.crt": filepath.Join(strings.TrimSpace(string(source)), "porter", "localhost.crt"),
	} {
		if files[name], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	return hosts.WriteImage(t, v1.Config{Entrypoint: []string{"/agnhost"}, Cmd: []string{"pause"}, WorkingDir: "/"}, files,
		imageutils.GetE2EImage(imageutils.Agnhost), imageutils.GetE2EImage(imageutils.AgnhostPrev),
		imageutils.GetE2EImage(imageutils.BusyBox), imageutils.GetE2EImage(imageutils.Pause))
}
