package chaos

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	"k8s.io/client-go/informers"
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
	stop   func()
	mu     sync.Mutex
	events []event
}

// watch begins the story of all pets anew. It does so with watches of its own: those of
// before may be waiting until they ask a server again that was away.
func (c *cluster) watch(t *testing.T) {
	t.Helper()
	if c.story != nil {
		c.story.stop()
	}
	ctx, cancel := context.WithCancel(t.Context())
	s, all := &story{}, informers.NewSharedInformerFactory(c.api, 0)
	c.story, s.stop = s, func() { cancel(); all.Shutdown() }
	t.Cleanup(s.stop)
	for _, informer := range []cache.SharedIndexInformer{
		all.Coordination().V1().Leases().Informer(), all.Core().V1().Pods().Informer(), all.Storage().V1().VolumeAttachments().Informer(),
	} {
		_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: s.see, UpdateFunc: func(_, now any) { s.see(now) }, DeleteFunc: s.seeGone,
		})
		must(t, err)
	}
	all.Start(ctx.Done())
	all.WaitForCacheSync(ctx.Done())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = nil // what was before
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
