package controller

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	apps "k8s.io/api/apps/v1"
	storage "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/mainstay-io/mainstay/hack/petsetdocs/example"
	"github.com/mainstay-io/mainstay/internal/petset"
	"github.com/mainstay-io/mainstay/test/apiserver"
)

// TestExamples carries out what the comment of each example says, with the real
// kubectl against a real API server. What a command prints must be what the
// comment says. The cases below play the rest of the world, and look at what the
// commands do not show: the order of things.
func TestExamples(t *testing.T) {
	examples, err := example.All(filepath.Join(root, example.Folder))
	if err != nil {
		t.Fatal(err)
	}
	for name := range exampleTests {
		if _, ok := examples[name]; !ok {
			t.Errorf("there is no example %s", name)
		}
	}
	config := apiserver.Start(t)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	definePetSets(t, config)
	k := startKubelet(t, client)
	commands := startExec(t, client)
	defaultStorageClass(t, client)
	startController(t, config)
	t.Run("each", func(t *testing.T) {
		for name, e := range examples {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				try, ok := exampleTests[name]
				if !ok {
					t.Fatalf("nobody tries %s: add it to exampleTests", e.File())
				}
				s := newScript(newCluster(t, client, objects, k, petset.PetSetKind), config, e)
				s.execs = commands
				try(s)
				s.rest()
			})
		}
	})
}

var exampleTests = map[string]func(*script){
	"statefulset":      func(s *script) { s.rest(); s.settled() },
	"reserved":         tryReserved,
	"failover":         tryFailover,
	"volume-loss":      func(s *script) { s.rest(); s.settled() },
	"recovery":         tryRecovery,
	"growing-claims":   tryGrowingClaims,
	"attributes-class": tryGrowingClaims,
	"update-order":     tryUpdateOrder,
	"leader-last":      tryLeaderLast,
	"paused":           tryPaused,
	"in-place":         tryInPlace,
	"overrides":        tryOverrides,
	"depends-on":       tryDependsOn,
	"drain":            tryDrain,
	"conditions":       tryConditions,
}

func replaced(pod string) string {
	return fmt.Sprintf("deleting %[1]s, -%[1]s, +%[1]s, ready %[1]s", pod)
}

func tryReserved(s *script) {
	s.through("get pods")
	s.settled()
	s.story()
	s.rest()
	s.settled()
	s.expectStory("+web-4, ready web-4, deleting web-1, -web-1")
}

func tryFailover(s *script) {
	s.through("get pods")
	s.settled()
	s.story()
	s.rest()
	s.settled()
	s.expectStory(replaced("web-1"))
}

func tryRecovery(s *script) {
	s.through("wait")
	s.kubelet.hold(s.namespace, "web-2", "start") // it lacks its image
	s.story()
	s.through("get petset")
	s.expectStory("deleting web-2, -web-2, +web-2")
	s.mend("web-2")
	s.rest()
	s.expectStory("deleting web-2, -web-2, +web-2, ready web-2")
}

// mend lets the pod start that takes the place of a broken one.
func (s *script) mend(pod string) {
	s.Helper()
	broken := s.pod(pod).UID
	s.through("patch")
	s.eventually(pod+" to be replaced", func() error {
		now, err := s.client.CoreV1().Pods(s.namespace).Get(s.ctx, pod, metav1.GetOptions{})
		if err == nil && now.UID == broken {
			return errors.New("it is the same pod")
		}
		return err
	})
	s.kubelet.release(s.namespace, pod)
}

func tryGrowingClaims(s *script) {
	s.through("wait")
	s.bindClaim("data-web-0")
	s.bindClaim("data-web-1")
	s.story()
	s.rest()
	s.never("a pet was replaced: storage needs no restart", func() bool { return s.story() != "" })
}

func tryUpdateOrder(s *script) {
	s.through("wait")
	s.story()
	s.rest()
	s.expectStory(replaced("web-0") + ", " + replaced("web-1") + ", " + replaced("web-2"))
}

func tryLeaderLast(s *script) {
	s.through("wait")
	s.story()
	s.rest()
	s.expectStory(replaced("web-1") + ", " + replaced("web-0") + ", " + replaced("web-2"))
}

func tryPaused(s *script) {
	s.through("wait")
	s.story()
	s.through("get petset")
	s.expectStory("")
	s.through("get petset")
	s.expectStory(replaced("web-0"))
	s.rest()
	s.expectStory(replaced("web-2") + ", " + replaced("web-1"))
}

func tryInPlace(s *script) {
	s.through("wait")
	s.story()
	s.rest()
	s.settled()
	s.never("they are not the same pods", func() bool { return s.story() != "" })
}

func tryOverrides(s *script) {
	s.through("get pods")
	s.settled()
	s.story()
	s.rest()
	s.settled()
	s.expectStory(replaced("web-1"))
}

func tryDependsOn(s *script) {
	s.through("apply")
	s.setDeploymentStatus("db", apps.DeploymentStatus{ObservedGeneration: 1, Replicas: 1, ReadyReplicas: 1})
	s.through("get petset")
	s.setDeploymentStatus("db", apps.DeploymentStatus{ObservedGeneration: 1, Replicas: 1, ReadyReplicas: 1, AvailableReplicas: 1})
	s.rest()
	s.expectStory("+web-0, ready web-0, +web-1, ready web-1")
}

func (s *script) setDeploymentStatus(name string, status apps.DeploymentStatus) {
	s.Helper()
	deployment, err := s.client.AppsV1().Deployments(s.namespace).Get(s.ctx, name, metav1.GetOptions{})
	s.must(err)
	deployment.Status = status
	_, err = s.client.AppsV1().Deployments(s.namespace).UpdateStatus(s.ctx, deployment, metav1.UpdateOptions{})
	s.must(err)
}

func tryDrain(s *script) {
	s.through("wait")
	s.story()
	s.rest()
	s.expectStory("deleting web-2, -web-2")
	if ran := s.execs.in(s.namespace + "/web-2"); ran != "web: sh -c sleep 3; echo all is moved" {
		s.Errorf("in web-2 ran %q", ran)
	}
}

func tryConditions(s *script) {
	s.kubelet.hold(s.namespace, "web-0", "start")
	s.through("apply")
	s.eventually("a pod that lacks its image", func() error {
		waiting := `{"status":{"containerStatuses":[{"name":"web","image":"localhost/notes:none","imageID":"","ready":false,"restartCount":0,
			"state":{"waiting":{"reason":"ErrImagePull","message":"not found"}}}]}}`
		_, err := s.client.CoreV1().Pods(s.namespace).Patch(s.ctx, "web-0", types.StrategicMergePatchType, []byte(waiting), metav1.PatchOptions{}, "status")
		return err
	})
	s.through("get petset")
	s.mend("web-0")
}

func defaultStorageClass(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	expand := true
	_, err := client.StorageV1().StorageClasses().Create(t.Context(), &storage.StorageClass{
		ObjectMeta:  metav1.ObjectMeta{Name: "mainstay", Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"}},
		Provisioner: "played", AllowVolumeExpansion: &expand}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}
