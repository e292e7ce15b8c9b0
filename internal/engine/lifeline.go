package engine

import (
	"errors"
	"net"
	"net/http"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/connrotation"
	"k8s.io/kubernetes/pkg/kubelet"
)

// lifeline is kubelet's connection to the API. Until it is opened, requests
// wait, so that kubelet may start before the API server answers, and goes on the
// moment it does. Once cut, they fail at once: a kubelet that stops its pods
// because the machine goes down must not record that (it would read as if they
// had finished), nor wait for an API that is going down too.
type lifeline struct {
	open        chan struct{}
	cut         chan struct{}
	connections *connrotation.Dialer
}

func newLifeline() lifeline {
	return lifeline{
		open: make(chan struct{}), cut: make(chan struct{}),
		connections: connrotation.NewDialer((&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext),
	}
}

// sever cuts the lifeline, under requests that wait for their answer as well.
func (l lifeline) sever() {
	close(l.cut)
	l.connections.CloseAll()
}

var errLifelineCut = errors.New("the engine is stopping")

func (l lifeline) wrap(next http.RoundTripper) http.RoundTripper {
	next = insist(untilKnown(next), l.cut)
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		select {
		case <-l.cut:
			return nil, errLifelineCut
		default:
		}
		select {
		case <-l.open:
			return next.RoundTrip(request)
		case <-l.cut:
			return nil, errLifelineCut
		case <-request.Context().Done():
			return nil, request.Context().Err()
		}
	})
}

const (
	// learning is how long an API server may take to know what a node may see. Kubelet waits
	// as long for what is forbidden for good, as is all of a pod that was deleted.
	learning = 400 * time.Millisecond
	// askedMeanwhile is how often it is asked.
	askedMeanwhile = 50 * time.Millisecond
)

// untilKnown asks again for a moment what is forbidden. That a pod is a node's lets the
// node see the pod's claims and secrets; but the API server may tell kubelet of the pod
// before it knows that itself (its node authorizer has a watch of its own). Kubelet would try
// again after 10 to 15 s.
func untilKnown(next http.RoundTripper) roundTripper {
	return func(request *http.Request) (*http.Response, error) {
		for begun := time.Now(); ; {
			response, err := next.RoundTrip(request)
			if err != nil || response.StatusCode != http.StatusForbidden || request.Method != http.MethodGet || time.Since(begun) > learning {
				return response, err
			}
			select {
			case <-time.After(askedMeanwhile):
				response.Body.Close()
			case <-request.Context().Done():
				return response, nil
			}
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

// connect gives kubelet its clients: as kubelet would make them itself, but
// through the lifeline.
func (l lifeline) connect(access *rest.Config, dependencies *kubelet.Dependencies, heartbeat time.Duration) error {
	access = rest.CopyConfig(access)
	access.Wrap(l.wrap)
	access.Dial = l.connections.DialContext
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
