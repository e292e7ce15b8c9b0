package chaos

import (
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/mainstay-io/mainstay/internal/fence"
	"github.com/mainstay-io/mainstay/internal/fence/agent"
)

// now reads the clock that all hosts share.
func now() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic(err) // no kernel since 2.6.39 refuses
	}
	return time.Duration(t.Nano())
}

// story is what was seen so far.
type story struct {
	mu     sync.Mutex
	events []event
}

// watch tells the story of all pets until the test ends.
func watch(t *testing.T, client kubernetes.Interface) *story {
	t.Helper()
	s := &story{}
	all := informers.NewSharedInformerFactory(client, 0)
	for _, informer := range []cache.SharedIndexInformer{
		all.Coordination().V1().Leases().Informer(), all.Core().V1().Pods().Informer(), all.Storage().V1().VolumeAttachments().Informer(),
	} {
		_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: s.see, UpdateFunc: func(_, now any) { s.see(now) }, DeleteFunc: s.seeGone,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	all.Start(t.Context().Done())
	all.WaitForCacheSync(t.Context().Done())
	t.Cleanup(all.Shutdown)
	return s
}

func (s *story) see(object any) {
	switch o := object.(type) {
	case *coordination.Lease:
		state := fence.State(o.Annotations[fence.StateAnnotation])
		if o.Namespace == agent.Namespace && state == fence.Closing {
			s.add(event{step: closed, node: o.Name})
		}
		if o.Namespace == agent.Namespace && state == fence.Fenced {
			s.add(event{step: fenced, node: o.Name})
		}
	case *storage.VolumeAttachment:
		if o.Status.Attached {
			s.add(event{step: attached, node: o.Spec.NodeName})
		}
	case *core.Pod:
		if o.Namespace != core.NamespaceDefault {
			return
		}
		s.add(event{step: created, name: o.Name, pod: o.UID})
		if o.Spec.NodeName != "" {
			s.add(event{step: scheduled, name: o.Name, pod: o.UID})
		}
		for _, container := range o.Status.ContainerStatuses {
			if container.State.Running != nil {
				s.add(event{step: started, name: o.Name, pod: o.UID})
			}
		}
		if isReady(o) {
			s.add(event{step: ready, name: o.Name, pod: o.UID})
		}
	}
}

func (s *story) seeGone(object any) {
	if last, missed := object.(cache.DeletedFinalStateUnknown); missed {
		object = last.Obj
	}
	if pod, ok := object.(*core.Pod); ok && pod.Namespace == core.NamespaceDefault {
		s.add(event{step: deleted, name: pod.Name, pod: pod.UID})
	}
}

// add adds a step, unless it was seen already.
func (s *story) add(e event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.ContainsFunc(s.events, func(before event) bool { before.at = 0; return before == e }) {
		e.at = now()
		s.events = append(s.events, e)
	}
}

// begin forgets what was before.
func (s *story) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = nil
}

func (s *story) soFar() []event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

func isReady(pod *core.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c core.PodCondition) bool {
		return c.Type == core.PodReady && c.Status == core.ConditionTrue
	})
}
