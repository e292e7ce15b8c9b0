package controller

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/petset"
)

// petSetTests are of what a StatefulSet has not.
var petSetTests = []struct {
	name string
	run  func(*cluster)
}{
	{"reserved", testReserved},
	{"changed in place", testChangedInPlace},
	{"resized in place", testResizedInPlace},
	{"overrides", testOverrides},
	{"claims follow", testClaimsFollow},
	{"volume loss", testVolumeLoss},
	{"restored volume", testRestoredVolume},
	{"depends on", testDependsOn},
	{"drain", testDrain},
	{"conditions", testConditions},
	{"invalid", testInvalid},
	{"name taken", testNameTaken},
	{"refused by the API", testRefusedByTheAPI},
}

func testPetSets(t *testing.T, cluster func(*testing.T) *cluster) {
	for _, test := range petSetTests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(cluster(t))
		})
	}
}

func (c *cluster) petSet() *v1alpha1.PetSet {
	c.Helper()
	got, err := c.sets.client.Get(c.ctx, "web", metav1.GetOptions{})
	c.must(err)
	set := &v1alpha1.PetSet{}
	c.must(runtime.DefaultUnstructuredConverter.FromUnstructured(got.Object, set))
	return set
}

// tryPetSet changes the PetSet as a user would, or is refused.
func (c *cluster) tryPetSet(change func(*v1alpha1.PetSetSpec)) error {
	set := c.petSet()
	change(&set.Spec)
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(set)
	c.must(err)
	_, err = c.sets.client.Update(c.ctx, &unstructured.Unstructured{Object: content}, metav1.UpdateOptions{})
	return err
}

func (c *cluster) changePetSet(change func(*v1alpha1.PetSetSpec)) {
	c.Helper()
	c.eventually("the change of the set", func() error { return c.tryPetSet(change) })
}

// expectRefusal tries a change that the API server must refuse.
func (c *cluster) expectRefusal(change func(*v1alpha1.PetSetSpec), part string) {
	c.Helper()
	c.eventually("a refusal that says "+part, func() error {
		if err := c.tryPetSet(change); err == nil || !strings.Contains(err.Error(), part) {
			return fmt.Errorf("the answer is %w", err)
		}
		return nil
	})
}

// expectCondition waits for a condition with that status whose message contains
// the part.
func (c *cluster) expectCondition(kind string, status metav1.ConditionStatus, reason, part string) {
	c.Helper()
	c.eventually(fmt.Sprintf("condition %s=%s (%s)", kind, status, reason), func() error {
		got := meta.FindStatusCondition(c.petSet().Status.Conditions, kind)
		if got == nil || got.Status != status || got.Reason != reason || !strings.Contains(got.Message, part) {
			return fmt.Errorf("it is %+v", got)
		}
		return nil
	})
}

func testReserved(c *cluster) {
	c.create(webSet(3))
	c.settled()
	c.story()
	c.changePetSet(func(s *v1alpha1.PetSetSpec) { s.Ordinals = &v1alpha1.Ordinals{Reserved: []string{"1"}} })
	c.settled()
	c.expectStory("+web-3, ready web-3, deleting web-1, -web-1")
}

func inPlace(s *v1alpha1.PetSetSpec) {
	s.UpdateStrategy.RollingUpdate = &v1alpha1.RollingUpdate{InPlace: v1alpha1.InPlaceIfPossible}
}

func testChangedInPlace(c *cluster) {
	c.create(webSet(2))
	c.settled()
	before := []types.UID{c.pod("web-0").UID, c.pod("web-1").UID}
	c.story()
	c.kubelet.hold(c.namespace, "web-1", "change")
	c.changePetSet(inPlace)
	c.change(image("web:2"))
	c.expectStatus(2, 1, 1, 1, 1)
	c.never("the next pet was changed meanwhile", func() bool { return c.pod("web-0").Spec.Containers[0].Image != "web:1" })
	c.kubelet.release(c.namespace, "web-1")
	c.settled()
	c.expectStory("")
	for i, uid := range before {
		pod := c.pod(fmt.Sprint("web-", i))
		if pod.UID != uid || pod.Spec.Containers[0].Image != "web:2" || pod.Annotations[v1alpha1.InPlaceAnnotation] != "" {
			c.Errorf("%s is now %s with %s, %v", pod.Name, pod.UID, pod.Spec.Containers[0].Image, pod.Annotations)
		}
	}
	// More than images and resources: it takes another pod.
	c.change(func(set *apps.StatefulSet) {
		set.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "A", Value: "B"}}
	})
	c.settled()
	if c.pod("web-0").UID == before[0] {
		c.Error("web-0 has another environment and is the same pod")
	}
}

func testResizedInPlace(c *cluster) {
	memory := func(request, limit string) func(*apps.StatefulSet) {
		return func(set *apps.StatefulSet) {
			set.Spec.Template.Spec.Containers[0].Resources = corev1.ResourceRequirements{
				Requests: quantities(corev1.ResourceMemory, request), Limits: quantities(corev1.ResourceMemory, limit)}
		}
	}
	c.create(webSet(2, memory("10Mi", "20Mi")))
	c.settled()
	before := c.pod("web-0").UID
	c.changePetSet(inPlace)
	c.change(memory("15Mi", "30Mi"))
	c.settled()
	pod := c.pod("web-0")
	if limit := pod.Spec.Containers[0].Resources.Limits[corev1.ResourceMemory]; pod.UID != before || limit.String() != "30Mi" {
		c.Errorf("web-0 is %s (was %s) with %s", pod.UID, before, limit.String())
	}
	// A node that is too small for it is left, and so it is for another class of
	// service.
	c.change(memory("2Gi", "2500Mi"))
	c.settled()
	if c.pod("web-0").UID == before {
		c.Error("web-0 has more than its node and is the same pod")
	}
	before = c.pod("web-0").UID
	c.change(memory("30Mi", "30Mi"))
	c.change(func(set *apps.StatefulSet) {
		set.Spec.Template.Spec.Containers[0].Resources.Limits[corev1.ResourceCPU] = resource.MustParse("1")
	})
	c.settled()
	if c.pod("web-0").UID == before {
		c.Error("web-0 is the same pod")
	}
}

// An override changes its pets only, and the others get the new revision's label.
func testOverrides(c *cluster) {
	c.create(webSet(3))
	c.settled()
	before := map[string]types.UID{}
	for _, pod := range c.pods() {
		before[pod.Name] = pod.UID
	}
	c.story()
	c.changePetSet(func(s *v1alpha1.PetSetSpec) {
		s.Overrides = []v1alpha1.Override{{Ordinals: "0,2-5", Template: runtime.RawExtension{Raw: []byte(
			`{"spec":{"containers":[{"name":"web","env":[{"name":"ROLE","value":"seed"}]}]}}`)}}}
	})
	c.settled()
	c.expectStory("deleting web-2, -web-2, +web-2, ready web-2, deleting web-0, -web-0, +web-0, ready web-0")
	if env := c.pod("web-0").Spec.Containers[0].Env; len(env) != 1 || env[0].Value != "seed" {
		c.Errorf("web-0 has the environment %v", env)
	}
	if pod := c.pod("web-1"); pod.UID != before["web-1"] || len(pod.Spec.Containers[0].Env) != 0 {
		c.Errorf("web-1 was touched")
	}
}

func testClaimsFollow(c *cluster) {
	class := c.expandableClass()
	c.create(webSet(1, withData, func(set *apps.StatefulSet) { set.Spec.VolumeClaimTemplates[0].Spec.StorageClassName = &class }))
	c.settled()
	c.bindClaim("data-web-0")
	before := c.pod("web-0").UID
	grow := func(to string) func(*v1alpha1.PetSetSpec) {
		return func(s *v1alpha1.PetSetSpec) {
			s.VolumeClaimTemplates[0].Spec.Resources.Requests[corev1.ResourceStorage] = resource.MustParse(to)
		}
	}
	c.changePetSet(grow("2Gi"))
	c.eventually("the claim to grow", func() error {
		if got := c.claim("data-web-0").Spec.Resources.Requests[corev1.ResourceStorage]; got.String() != "2Gi" {
			return fmt.Errorf("it requests %s", got.String())
		}
		return nil
	})
	c.expectRefusal(grow("1Gi"), "cannot shrink")
	other := "other"
	c.expectRefusal(func(s *v1alpha1.PetSetSpec) { s.VolumeClaimTemplates[0].Spec.StorageClassName = &other }, "another name")

	// A template that is added waits for the pet's next pod.
	c.changePetSet(func(s *v1alpha1.PetSetSpec) {
		log := *s.VolumeClaimTemplates[0].DeepCopy()
		log.Name = "log"
		s.VolumeClaimTemplates = append(s.VolumeClaimTemplates, log)
	})
	c.never("the pod was replaced", func() bool { return c.pod("web-0").UID != before })
	c.story()
	c.deletePod("web-0")
	c.expectStory("deleting web-0, -web-0, +web-0, ready web-0")
	if volumes := c.pod("web-0").Spec.Volumes; len(volumes) != 2 || c.claim("log-web-0") == nil {
		c.Errorf("web-0 has the volumes %v", volumes)
	}
	// One that is removed leaves the claim, or not, as the policy says.
	c.change(retention(remove, retain))
	c.changePetSet(func(s *v1alpha1.PetSetSpec) { s.VolumeClaimTemplates = s.VolumeClaimTemplates[:1] })
	c.expectOwners("log-web-0", "Pod/web-0")
	c.expectOwners("data-web-0", "")
}

func (c *cluster) expandableClass() string {
	c.Helper()
	expand := true
	class, err := c.client.StorageV1().StorageClasses().Create(c.ctx, &storage.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: c.namespace}, Provisioner: "played", AllowVolumeExpansion: &expand}, metav1.CreateOptions{})
	c.must(err)
	return class.Name
}

// bindClaim plays the provisioner, of a class that allows expansion.
func (c *cluster) bindClaim(name string, change ...func(*corev1.PersistentVolumeSpec)) (volumeName string) {
	c.Helper()
	claim := c.claim(name)
	volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: c.namespace + "-" + name}, Spec: corev1.PersistentVolumeSpec{
		Capacity: quantities(corev1.ResourceStorage, "1Gi"), AccessModes: claim.Spec.AccessModes, StorageClassName: ptr.Deref(claim.Spec.StorageClassName, ""),
		ClaimRef:               &corev1.ObjectReference{Namespace: c.namespace, Name: name, UID: claim.UID},
		PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: "played", VolumeHandle: name}}}}
	for _, c := range change {
		c(&volume.Spec)
	}
	_, err := c.client.CoreV1().PersistentVolumes().Create(c.ctx, volume, metav1.CreateOptions{})
	c.must(err)
	claim.Spec.VolumeName = volume.Name
	claim, err = c.client.CoreV1().PersistentVolumeClaims(c.namespace).Update(c.ctx, claim, metav1.UpdateOptions{})
	c.must(err)
	claim.Status.Phase, claim.Status.Capacity = corev1.ClaimBound, volume.Spec.Capacity
	_, err = c.client.CoreV1().PersistentVolumeClaims(c.namespace).UpdateStatus(c.ctx, claim, metav1.UpdateOptions{})
	c.must(err)
	return volume.Name
}

func testDependsOn(c *cluster) {
	c.create(webSet(0))
	c.settled()
	c.changePetSet(func(s *v1alpha1.PetSetSpec) {
		s.DependsOn = []v1alpha1.Dependency{{APIVersion: "apps/v1", Kind: "Deployment", Name: "db"}}
	})
	c.change(replicas(1))
	c.expectCondition(v1alpha1.ConditionStuck, metav1.ConditionTrue, v1alpha1.ReasonDependency, "Deployment db, which is not there")
	spec := webSet(1).Spec
	deployment := &apps.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "db"}, Spec: apps.DeploymentSpec{Selector: spec.Selector, Template: spec.Template}}
	deployment, err := c.client.AppsV1().Deployments(c.namespace).Create(c.ctx, deployment, metav1.CreateOptions{})
	c.must(err)
	c.expectCondition(v1alpha1.ConditionProgressing, metav1.ConditionTrue, "Working", "nobody has looked at")
	deployment.Status = apps.DeploymentStatus{ObservedGeneration: deployment.Generation, Replicas: 1, ReadyReplicas: 1, AvailableReplicas: 1}
	_, err = c.client.AppsV1().Deployments(c.namespace).UpdateStatus(c.ctx, deployment, metav1.UpdateOptions{})
	c.must(err)
	c.settled()
	c.expectCondition(v1alpha1.ConditionStuck, metav1.ConditionFalse, "NothingStuck", "")
}

// A pet drains before it goes: here by a request that is answered 202 first.
func testDrain(c *cluster) {
	asked := atomic.Int32{}
	address := serveDrain(c, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/leave" || r.URL.Query().Get("how") != "gently" {
			w.WriteHeader(http.StatusNotFound)
		} else if asked.Add(1) == 1 {
			w.WriteHeader(http.StatusAccepted)
		}
	})
	c.create(webSet(2))
	c.settled()
	for _, name := range []string{"web-0", "web-1"} {
		patch := fmt.Sprintf(`{"status":{"podIP":%q,"podIPs":[{"ip":%q}]}}`, address.IP, address.IP)
		_, err := c.client.CoreV1().Pods(c.namespace).Patch(c.ctx, name, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}, "status")
		c.must(err)
	}
	c.story()
	c.changePetSet(func(s *v1alpha1.PetSetSpec) {
		s.Drain = &v1alpha1.Drain{HTTPGet: &corev1.HTTPGetAction{Path: "/leave?how=gently", Port: intstr.FromInt(address.Port), Scheme: corev1.URISchemeHTTP}}
	})
	c.change(replicas(1))
	c.expectCondition(v1alpha1.ConditionProgressing, metav1.ConditionTrue, "Working", "drain")
	c.settled()
	c.expectStory("deleting web-1, -web-1")
	if asked.Load() < 2 {
		c.Errorf("it was asked %d times", asked.Load())
	}
	// One that cannot is held, and says so.
	c.changePetSet(func(s *v1alpha1.PetSetSpec) { s.Drain.HTTPGet.Path, s.Drain.TimeoutSeconds = "/nowhere", 1 })
	c.change(replicas(0))
	c.expectCondition(v1alpha1.ConditionStuck, metav1.ConditionTrue, v1alpha1.ReasonDrain, "web-0 did not drain")
	c.never("it was removed", func() bool { return len(c.pods()) == 0 })
	c.changePetSet(func(s *v1alpha1.PetSetSpec) { s.Drain.OnTimeout = v1alpha1.DrainProceed })
	c.settled()
	c.expectEventLike("ReplacedOrRemoved", "web-0 did not drain in 1s")
}

// serveDrain answers on an address that the API server is allowed to ask.
func serveDrain(c *cluster, handle http.HandlerFunc) *net.TCPAddr {
	c.Helper()
	listener, err := net.Listen("tcp4", ":0")
	c.must(err)
	server := &http.Server{Handler: handle}
	go func() { _ = server.Serve(listener) }()
	c.Cleanup(func() { _ = server.Close() })
	addresses, err := net.InterfaceAddrs()
	c.must(err)
	port, err := strconv.Atoi(listener.Addr().String()[strings.LastIndex(listener.Addr().String(), ":")+1:])
	c.must(err)
	for _, address := range addresses {
		if network, ok := address.(*net.IPNet); ok && network.IP.To4() != nil && network.IP.IsGlobalUnicast() {
			return &net.TCPAddr{IP: network.IP, Port: port}
		}
	}
	c.Skip("this machine has no address but loopback")
	return nil
}

func testConditions(c *cluster) {
	c.kubelet.hold(c.namespace, "web-1", "start")
	c.create(webSet(2))
	c.expectCondition(v1alpha1.ConditionAvailable, metav1.ConditionFalse, "PetsUnavailable", "1 of 2 pets are available")
	c.expectCondition(v1alpha1.ConditionProgressing, metav1.ConditionTrue, "Working", "web-1: its pod is not ready")
	waiting := `{"status":{"containerStatuses":[{"name":"web","image":"web:1","imageID":"","ready":false,"restartCount":0,
		"state":{"waiting":{"reason":"ErrImagePull","message":"no such image"}}}]}}`
	_, err := c.client.CoreV1().Pods(c.namespace).Patch(c.ctx, "web-1", types.StrategicMergePatchType, []byte(waiting), metav1.PatchOptions{}, "status")
	c.must(err)
	c.expectCondition(v1alpha1.ConditionStuck, metav1.ConditionTrue, v1alpha1.ReasonImage, "web-1 lacks the image of container web: no such image")
	c.kubelet.release(c.namespace, "web-1")
	c.expectCondition(v1alpha1.ConditionAvailable, metav1.ConditionTrue, "AllAvailable", "all 2 pets")
	c.expectCondition(v1alpha1.ConditionProgressing, metav1.ConditionFalse, "Done", "")
	c.expectCondition(v1alpha1.ConditionStuck, metav1.ConditionFalse, "NothingStuck", "")
}

func testInvalid(c *cluster) {
	c.create(webSet(1))
	c.settled()
	c.changePetSet(func(s *v1alpha1.PetSetSpec) {
		s.Overrides = []v1alpha1.Override{{Ordinals: "0", Template: runtime.RawExtension{Raw: []byte(`{"metadata":{"labels":{"app":"other"}}}`)}}}
	})
	c.expectCondition(v1alpha1.ConditionStuck, metav1.ConditionTrue, v1alpha1.ReasonInvalid, "spec.overrides[0].template changes a label")
	c.changePetSet(func(s *v1alpha1.PetSetSpec) { s.Overrides, s.Template.Labels = nil, map[string]string{"app": "other"} })
	c.expectCondition(v1alpha1.ConditionStuck, metav1.ConditionTrue, v1alpha1.ReasonInvalid, "must have the labels that spec.selector asks for: app=web")
	c.changePetSet(func(s *v1alpha1.PetSetSpec) { s.Template.Labels = webLabels })
	c.settled()
	c.expectCondition(v1alpha1.ConditionStuck, metav1.ConditionFalse, "NothingStuck", "")
}

// The younger of two sets of one name waits, and takes the pods over as they are
// when the older is gone.
func testNameTaken(c *cluster) {
	petSets := c.sets
	c.sets = sets{petset.StatefulSetKind, c.statefulSets}
	c.create(webSet(2, withData))
	c.settled()
	before := c.pods()
	older := c.set()
	c.sets = petSets
	made := webSet(2, withData)
	made.Spec.Template = older.Spec.Template
	set := c.create(made)
	c.expectCondition(v1alpha1.ConditionProgressing, metav1.ConditionTrue, "Working", "the StatefulSet web has the same pods")

	c.sets = sets{petset.StatefulSetKind, c.statefulSets}
	orphan := metav1.DeletePropagationOrphan
	c.must(c.sets.delete(c.ctx, "web", metav1.DeleteOptions{PropagationPolicy: &orphan}))
	c.playGarbageCollector()
	c.sets = petSets
	c.story()
	c.settled()
	for _, pod := range before {
		if now := c.pod(pod.Name); now.UID != pod.UID || !metav1.IsControlledBy(now, set) {
			c.Errorf("%s was not taken over as it was", pod.Name)
		}
	}
	if got := c.set().Status.UpdateRevision; got != older.Status.UpdateRevision {
		c.Errorf("the revision was %s and is %s", older.Status.UpdateRevision, got)
	}
}

// What the API server refuses stands in the status.
func testRefusedByTheAPI(c *cluster) {
	const restricted = `{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"restricted"}}}`
	_, err := c.client.CoreV1().Namespaces().Patch(c.ctx, c.namespace, types.MergePatchType, []byte(restricted), metav1.PatchOptions{})
	c.must(err)
	c.create(webSet(1))
	c.expectCondition(v1alpha1.ConditionStuck, metav1.ConditionTrue, v1alpha1.ReasonRefused, "violates PodSecurity")
}
