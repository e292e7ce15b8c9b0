package controller

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/petset"
)

// stage is an API server on which scenarios are played, each in its namespace,
// and all that can be seen there.
type stage struct {
	config  *rest.Config
	client  kubernetes.Interface
	objects dynamic.Interface
	kubelet *kubelet
	stores  map[string]cache.Indexer // by resource

	mu sync.Mutex
	// changed is when anything last changed in a namespace.
	changed map[string]time.Time
	plays   map[string]*play // by namespace
}

func newStage(t *testing.T, config *rest.Config) *stage {
	t.Helper()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{config: config, client: client, objects: objects, kubelet: startKubelet(t, client),
		stores: map[string]cache.Indexer{}, changed: map[string]time.Time{}, plays: map[string]*play{}}
	factory := dynamicinformer.NewDynamicSharedInformerFactory(objects, 0)
	for _, resource := range []schema.GroupVersionResource{
		apps.SchemeGroupVersion.WithResource("statefulsets"),
		apps.SchemeGroupVersion.WithResource("controllerrevisions"),
		v1alpha1.GroupVersion.WithResource("petsets"),
		corev1.SchemeGroupVersion.WithResource("pods"),
		corev1.SchemeGroupVersion.WithResource("persistentvolumeclaims"),
		corev1.SchemeGroupVersion.WithResource("events"),
	} {
		informer := factory.ForResource(resource).Informer()
		s.stores[resource.Resource] = informer.GetIndexer()
		_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(obj any) { s.sees(watch.Added, obj) },
			UpdateFunc: func(_, obj any) { s.sees(watch.Modified, obj) },
			DeleteFunc: func(obj any) { s.sees(watch.Deleted, obj) },
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	t.Cleanup(func() { cancel(); factory.Shutdown() })
	return s
}

// sees remembers that something happened, and to pods, what.
func (s *stage) sees(event watch.EventType, obj any) {
	if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = gone.Obj
	}
	object := obj.(*unstructured.Unstructured)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed[object.GetNamespace()] = time.Now()
	if p := s.plays[object.GetNamespace()]; p != nil && object.GetKind() == "Pod" {
		p.tells(event, as[corev1.Pod](p, object))
	}
}

// begin returns a play in a namespace of its own.
func (s *stage) begin(t *testing.T, kind schema.GroupVersionKind) *play {
	t.Helper()
	c := &cluster{T: t, ctx: t.Context(), client: s.client, kubelet: s.kubelet}
	namespace, err := s.client.CoreV1().Namespaces().Create(c.ctx,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "side-"}}, metav1.CreateOptions{})
	c.must(err)
	c.namespace, c.sets = namespace.Name, setsOf(kind, s.objects, namespace.Name)
	p := &play{cluster: c, stage: s, facts: facts{}, last: map[types.UID]string{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plays[c.namespace] = p
	return p
}

func (s *stage) lastChange(namespace string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed[namespace]
}

// playsAtOnce sleep most of the time.
const playsAtOnce = 32

// playAll plays the scenarios side by side with sets of these kinds, and returns
// what was noted of each, by kind and name. Each is prepared first.
func (s *stage) playAll(t *testing.T, scenarios []scenario, prepare func(*play), kinds ...schema.GroupVersionKind) map[string]facts {
	var mu sync.Mutex
	played := map[string]*play{}
	group := errgroup.Group{}
	group.SetLimit(playsAtOnce)
	for _, kind := range kinds {
		for _, scenario := range scenarios {
			group.Go(func() error {
				// Not t.Parallel, which holds back all but one a processor.
				t.Run(kind.Kind+" "+scenario.name, func(t *testing.T) {
					p := s.begin(t, kind)
					prepare(p)
					scenario.play(p)
					p.end()
					mu.Lock()
					defer mu.Unlock()
					played[kind.Kind+" "+scenario.name] = p
				})
				return nil
			})
		}
	}
	_ = group.Wait()
	noted := map[string]facts{}
	s.awaitEvents()
	for name, p := range played {
		p.noteEvents()
		noted[name] = p.facts
	}
	return noted
}

// awaitEvents returns when no more events come. They are sent one after another,
// long after the deed when many are busy.
func (s *stage) awaitEvents() {
	for time.Since(s.lastChangeAnywhere()) < 2*quiet {
		time.Sleep(quiet / 10)
	}
}

func (s *stage) lastChangeAnywhere() (last time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, changed := range s.changed {
		if changed.After(last) {
			last = changed
		}
	}
	return last
}

// runsUpstream lets upstream's controller work in the play's namespace. Each play
// has one of its own: one for all would hold them up, since it tries no more
// than ten sets a second again, and has to try again after most of its writes.
func (s *stage) runsUpstream(p *play) {
	p.Helper()
	config := rest.CopyConfig(s.config)
	config.Dial = (&net.Dialer{}).DialContext // a connection of its own: one takes 100 watches
	client, err := kubernetes.NewForConfig(config)
	p.must(err)
	theirs := &cluster{T: p.T, ctx: p.ctx, client: client, namespace: p.namespace}
	p.Cleanup(theirs.runUpstream())
}

// awaitController returns when the controller is at work: what it finds when it
// starts it does after all else.
func (s *stage) awaitController(t *testing.T, kind schema.GroupVersionKind) {
	p := s.begin(t, kind)
	p.create(webSet(0))
	p.rests("awaken", settled)
	p.end()
}

// list returns the objects of a play.
func list[T any](p *play, resource string) (typed []T) {
	p.Helper()
	found, err := p.stage.stores[resource].ByIndex(cache.NamespaceIndex, p.namespace)
	p.must(err)
	for _, obj := range found {
		typed = append(typed, *as[T](p, obj.(*unstructured.Unstructured)))
	}
	return typed
}

func as[T any](p *play, object *unstructured.Unstructured) *T {
	typed := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, typed); err != nil {
		p.Error(err)
	}
	return typed
}

func resourceOf(kind schema.GroupVersionKind) string {
	if kind == petset.PetSetKind {
		return "petsets"
	}
	return "statefulsets"
}
