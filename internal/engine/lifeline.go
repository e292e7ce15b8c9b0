package engine

import (
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/kubernetes/pkg/kubelet"
)

// lifeline is kubelet's connection to the API, which can be cut for good. A
// kubelet that stops its pods because the machine goes down must not record
// that: it would read as if they had finished. And it must not wait for an API
// that is going down too; a cut lifeline fails at once.
type lifeline struct{ isCut atomic.Bool }

var errLifelineCut = errors.New("the engine is stopping")

func (l *lifeline) cut() { l.isCut.Store(true) }

func (l *lifeline) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		if l.isCut.Load() {
			return nil, errLifelineCut
		}
		return next.RoundTrip(request)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

// connect gives kubelet its clients: as kubelet would make them itself, but
// through the lifeline.
func (l *lifeline) connect(access *rest.Config, dependencies *kubelet.Dependencies, heartbeat time.Duration) error {
	access = rest.CopyConfig(access)
	access.Wrap(l.wrap)
	beating := rest.CopyConfig(access)
	beating.Timeout = heartbeat
	var err error
	if dependencies.KubeClient, err = kubernetes.NewForConfig(access); err != nil {
		return err
	}
	if dependencies.HeartbeatClient, err = kubernetes.NewForConfig(beating); err != nil {
		return err
	}
	dependencies.EventClient = dependencies.KubeClient.CoreV1()
	return nil
}
