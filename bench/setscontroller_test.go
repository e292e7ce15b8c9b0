package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/statefulset"
	ctrl "sigs.k8s.io/controller-runtime"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/mainstay-io/mainstay/internal/petset/controller"
)

// The controller that is measured has a process of its own, this same program, so
// that the kernel counts its processor time and nobody else's. It says "ready",
// then answers every line that it reads with what it has used since it started.

// controllerVariable holds a controllerTask, in the environment of such a process.
const controllerVariable = "MAINSTAY_BENCH_CONTROLLER"

type controllerTask struct {
	// Upstream's controller, else ours.
	Upstream bool
	Host     string
	Token    string
	TLS      rest.TLSClientConfig
}

// used is what a controller has used of the machine, and of the API server.
type used struct {
	Processor float64 // seconds
	// Writes by what was written, such as "POST pods".
	Writes map[string]int
}

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard()) // of the API server, too
	task := os.Getenv(controllerVariable)
	if task == "" {
		os.Exit(m.Run())
	}
	if err := runController(task); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runController(text string) error {
	var task controllerTask
	if err := json.Unmarshal([]byte(text), &task); err != nil {
		return err
	}
	writes := &writeCounter{counts: map[string]int{}}
	config := &rest.Config{Host: task.Host, BearerToken: task.Token, TLSClientConfig: task.TLS, QPS: -1}
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeProtobuf, runtime.ContentTypeProtobuf
	config.Wrap(writes.wrap)
	run := runOurs
	if task.Upstream {
		run = runUpstreams
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := run(ctx, config); err != nil {
		return err
	}
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		answer, err := json.Marshal(used{processorTimeOfThis(), writes.soFar()})
		if err != nil {
			return err
		}
		fmt.Println(string(answer))
	}
	return nil
}

// runOurs returns when the controller is at work.
func runOurs(ctx context.Context, config *rest.Config) error {
	manager, err := ctrl.NewManager(config, ctrl.Options{Metrics: metricsserver.Options{BindAddress: "0"}})
	if err != nil {
		return err
	}
	if err := controller.Add(ctx, manager, controller.Options{StatefulSets: true}); err != nil {
		return err
	}
	go func() {
		if err := manager.Start(ctx); err != nil {
			panic(err)
		}
	}()
	manager.GetCache().WaitForCacheSync(ctx)
	return nil
}

// upstreamsWorkers is kube-controller-manager's --concurrent-statefulset-syncs.
const upstreamsWorkers = 5

func runUpstreams(ctx context.Context, config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	controller := statefulset.NewStatefulSetController(ctx,
		factory.Core().V1().Pods(), factory.Apps().V1().StatefulSets(),
		factory.Core().V1().PersistentVolumeClaims(), factory.Apps().V1().ControllerRevisions(), client)
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	go controller.Run(ctx, upstreamsWorkers)
	return nil
}

func processorTimeOfThis() float64 {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return float64(unix.TimevalToNsec(usage.Utime)+unix.TimevalToNsec(usage.Stime)) / 1e9
}

// writeCounter counts the requests that change something.
type writeCounter struct {
	mu     sync.Mutex
	counts map[string]int
}

func (w *writeCounter) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		if request.Method != http.MethodGet {
			w.mu.Lock()
			w.counts[request.Method+" "+written(request.URL.Path)]++
			w.mu.Unlock()
		}
		return next.RoundTrip(request)
	})
}

func (w *writeCounter) soFar() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	counts := map[string]int{}
	for what, n := range w.counts {
		counts[what] = n
	}
	return counts
}

type roundTripper func(*http.Request) (*http.Response, error)

func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

// written is the resource in a path such as
// /api/v1/namespaces/NAMESPACE/pods/NAME/status.
func written(path string) string {
	_, resource, _ := strings.Cut(path, "/namespaces/")
	words := strings.Split(resource, "/")
	if len(words) < 2 {
		return path
	}
	if len(words) > 3 {
		return words[1] + "/" + words[3]
	}
	return words[1]
}

// controllerProcess is a controller at work.
type controllerProcess struct {
	ask    func() used
	finish func()
}

func startControllerProcess(b *testing.B, config *rest.Config, upstream bool) controllerProcess {
	b.Helper()
	task, err := json.Marshal(controllerTask{Upstream: upstream, Host: config.Host, Token: config.BearerToken, TLS: config.TLSClientConfig})
	if err != nil {
		b.Fatal(err)
	}
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), controllerVariable+"="+string(task))
	command.Stderr = os.Stderr
	questions, err := command.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	answers := bufio.NewScanner(output)
	answer := func() string {
		if !answers.Scan() {
			b.Fatalf("the controller's process ended: %v", command.Wait())
		}
		return answers.Text()
	}
	answer() // ready
	return controllerProcess{
		ask: func() (u used) {
			fmt.Fprintln(questions)
			if err := json.Unmarshal([]byte(answer()), &u); err != nil {
				b.Fatal(err)
			}
			return u
		},
		finish: func() {
			questions.Close()
			if err := command.Wait(); err != nil {
				b.Error(err)
			}
		},
	}
}
