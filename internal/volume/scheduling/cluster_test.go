package scheduling

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	storage "k8s.io/api/storage/v1"
	"k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/kube-scheduler/framework"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/profile"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/test/apiserver"
)

// cluster is an API server and kube-scheduler, with the plugin. The test plays the
// nodes.
type cluster struct {
	*testing.T
	access *rest.Config
	client kubernetes.Interface
	pools  client.Client
	plugin *plugin
}

// startCluster starts a cluster in which the kind Pool is not served yet. The
// scheduler has upstream's rights and those of Rules, and no others.
func startCluster(t *testing.T) *cluster {
	access := apiserver.Start(t, "--authorization-mode=RBAC")
	c := &cluster{T: t, access: access, client: kubernetes.NewForConfigOrDie(access)}
	scheme := runtime.NewScheme()
	c.must(v1alpha1.AddToScheme(scheme))
	inJSON := rest.CopyConfig(access)
	inJSON.ContentType = runtime.ContentTypeJSON
	var err error
	c.pools, err = client.New(inJSON, client.Options{Scheme: scheme})
	c.must(err)
	c.allow("system:kube-scheduler")
	asScheduler := rest.CopyConfig(access)
	asScheduler.Impersonate.UserName = "system:kube-scheduler"
	c.startScheduler(asScheduler)
	return c
}

func (c *cluster) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

func (c *cluster) allow(user string) {
	const name = "scheduling"
	roles := c.client.RbacV1()
	_, err := roles.ClusterRoles().Create(c.Context(), &rbac.ClusterRole{ObjectMeta: meta.ObjectMeta{Name: name}, Rules: Rules()}, meta.CreateOptions{})
	c.must(err)
	_, err = roles.ClusterRoleBindings().Create(c.Context(), &rbac.ClusterRoleBinding{
		ObjectMeta: meta.ObjectMeta{Name: name},
		RoleRef:    rbac.RoleRef{APIGroup: rbac.GroupName, Kind: "ClusterRole", Name: name},
		Subjects:   []rbac.Subject{{APIGroup: rbac.GroupName, Kind: rbac.UserKind, Name: user}},
	}, meta.CreateOptions{})
	c.must(err)
}

func (c *cluster) startScheduler(access *rest.Config) {
	client := kubernetes.NewForConfigOrDie(access)
	informers := scheduler.NewInformerFactory(client, 0)
	broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: client.EventsV1()})
	defaults, err := latest.Default()
	c.must(err)
	multiPoint := &defaults.Profiles[0].Plugins.MultiPoint
	multiPoint.Enabled = append(multiPoint.Enabled, config.Plugin{Name: Name})
	ctx, cancel := context.WithCancel(context.Background())
	s, err := scheduler.New(ctx, client, informers, nil, profile.NewRecorderFactory(broadcaster),
		scheduler.WithProfiles(defaults.Profiles...),
		scheduler.WithKubeConfig(access),
		scheduler.WithFrameworkOutOfTreeRegistry(frameworkruntime.Registry{
			Name: func(ctx context.Context, args runtime.Object, handle framework.Handle) (framework.Plugin, error) {
				made, err := New(ctx, args, handle)
				c.plugin, _ = made.(*plugin)
				return made, err
			},
		}))
	c.must(err)
	broadcaster.StartRecordingToSink(ctx.Done())
	informers.Start(ctx.Done())
	informers.WaitForCacheSync(ctx.Done())
	c.must(s.WaitForHandlersSync(ctx))
	ended := make(chan struct{})
	go func() { s.Run(ctx); close(ended) }()
	c.Cleanup(func() { cancel(); <-ended; broadcaster.Shutdown() })
}

// eventually fails the test unless there is no error any more soon. Nothing that
// passes waits for it to end, and nothing passes by an attempt that comes by itself.
func (c *cluster) eventually(what string, try func() error) {
	c.Helper()
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if err = try(); err == nil {
			return
		}
	}
	c.Fatalf("not in 20 s: %s: %v", what, err)
}

// servePools brings the kind Pool, and returns when the plugin knows.
func (c *cluster) servePools() {
	definition, err := v1alpha1.PoolDefinition()
	c.must(err)
	_, err = clientset.NewForConfigOrDie(c.access).ApiextensionsV1().CustomResourceDefinitions().Create(c.Context(), definition, meta.CreateOptions{})
	c.must(err)
	c.eventually("the plugin knows of Pools", func() error {
		if !c.plugin.known() {
			return errors.New("it does not")
		}
		return nil
	})
}

func (c *cluster) class(name string, parameters map[string]string) {
	late := storage.VolumeBindingWaitForFirstConsumer
	_, err := c.client.StorageV1().StorageClasses().Create(c.Context(), &storage.StorageClass{
		ObjectMeta: meta.ObjectMeta{Name: name}, Provisioner: volume.DriverName, VolumeBindingMode: &late, Parameters: parameters,
	}, meta.CreateOptions{})
	c.must(err)
}

func (c *cluster) node(name string) {
	_, err := c.client.CoreV1().Nodes().Create(c.Context(), &core.Node{
		ObjectMeta: meta.ObjectMeta{Name: name, Labels: map[string]string{core.LabelHostname: name}},
		Status: core.NodeStatus{Allocatable: core.ResourceList{
			core.ResourceCPU: resource.MustParse("1000"), core.ResourceMemory: resource.MustParse("1000Gi"), core.ResourcePods: resource.MustParse("1000"),
		}},
	}, meta.CreateOptions{})
	c.must(err)
}

// pool writes what a node's driver would.
func (c *cluster) pool(node string, owes int64, volumes ...string) {
	wanted := poolOf(node, owes, volumes...)
	is := poolOf(node, owes, volumes...)
	if err := c.pools.Create(c.Context(), is); apierrors.IsAlreadyExists(err) {
		c.must(c.pools.Get(c.Context(), client.ObjectKeyFromObject(wanted), is))
	} else {
		c.must(err)
	}
	is.Status = wanted.Status
	c.must(c.pools.Status().Update(c.Context(), is))
}

// space writes what a node's pool has left, as its driver and the provisioner would.
func (c *cluster) space(node, left string) {
	c.Helper()
	quantity := resource.MustParse(left)
	pool := poolOf(node, 0)
	c.must(c.pools.Get(c.Context(), client.ObjectKeyFromObject(pool), pool))
	pool.Status.Available = &quantity
	c.must(c.pools.Status().Update(c.Context(), pool))
	classes, err := c.client.StorageV1().StorageClasses().List(c.Context(), meta.ListOptions{})
	c.must(err)
	for _, class := range classes.Items {
		capacity := &storage.CSIStorageCapacity{
			ObjectMeta:       meta.ObjectMeta{Name: class.Name + "-" + node},
			StorageClassName: class.Name, Capacity: &quantity,
			NodeTopology: &meta.LabelSelector{MatchLabels: map[string]string{core.LabelHostname: node}},
		}
		capacities := c.client.StorageV1().CSIStorageCapacities("default")
		if err := capacities.Delete(c.Context(), capacity.Name, meta.DeleteOptions{}); !apierrors.IsNotFound(err) {
			c.must(err)
		}
		_, err := capacities.Create(c.Context(), capacity, meta.CreateOptions{})
		c.must(err)
	}
}

// pod makes a pod with a claim of the same name.
func (c *cluster) pod(name, class, attributes string) {
	claim := &core.PersistentVolumeClaim{
		ObjectMeta: meta.ObjectMeta{Name: name},
		Spec: core.PersistentVolumeClaimSpec{
			StorageClassName: &class, AccessModes: []core.PersistentVolumeAccessMode{core.ReadWriteOnce},
			Resources: core.VolumeResourceRequirements{Requests: core.ResourceList{core.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
	if attributes != "" {
		claim.Spec.VolumeAttributesClassName = &attributes
	}
	_, err := c.client.CoreV1().PersistentVolumeClaims("default").Create(c.Context(), claim, meta.CreateOptions{})
	c.must(err)
	_, err = c.client.CoreV1().Pods("default").Create(c.Context(), &core.Pod{
		ObjectMeta: meta.ObjectMeta{Name: name},
		Spec: core.PodSpec{
			Containers:  []core.Container{{Name: "main", Image: "none"}},
			Tolerations: []core.Toleration{{Operator: core.TolerationOpExists}}, // nobody makes the nodes Ready
			Volumes: []core.Volume{{Name: "data", VolumeSource: core.VolumeSource{
				PersistentVolumeClaim: &core.PersistentVolumeClaimVolumeSource{ClaimName: name},
			}}},
		},
	}, meta.CreateOptions{})
	c.must(err)
}

// lands returns the node that was chosen for a pod's claim, and plays the driver of
// that node.
func (c *cluster) lands(name string) (node string) {
	c.Helper()
	claim, node := c.chosen(name)
	c.provision(claim, node)
	return node
}

// chosen waits until the scheduler has chosen a node for a pod's claim.
func (c *cluster) chosen(name string) (claim *core.PersistentVolumeClaim, node string) {
	c.Helper()
	c.eventually("a node is chosen for "+name, func() (err error) {
		claim, err = c.client.CoreV1().PersistentVolumeClaims("default").Get(c.Context(), name, meta.GetOptions{})
		c.must(err)
		if node = claim.Annotations["volume.kubernetes.io/selected-node"]; node == "" {
			return errors.New("the claim has none")
		}
		return nil
	})
	return claim, node
}

// tracked has the scheduler look at the space that is left.
func (c *cluster) tracked() {
	_, err := c.client.StorageV1().CSIDrivers().Create(c.Context(), &storage.CSIDriver{
		ObjectMeta: meta.ObjectMeta{Name: volume.DriverName}, Spec: storage.CSIDriverSpec{StorageCapacity: ptr.To(true)},
	}, meta.CreateOptions{})
	c.must(err)
}

// refuse gives a claim back, as the driver of the node does that was chosen.
func (c *cluster) refuse(claim *core.PersistentVolumeClaim) {
	c.Helper()
	delete(claim.Annotations, "volume.kubernetes.io/selected-node")
	_, err := c.client.CoreV1().PersistentVolumeClaims(claim.Namespace).Update(c.Context(), claim, meta.UpdateOptions{})
	c.must(err)
}

// allBound waits until every pod is on the node that was chosen. Upstream looks
// only once a second whether a claim is bound.
func (c *cluster) allBound() {
	c.Helper()
	c.eventually("every pod is on a node", func() error {
		pods, err := c.client.CoreV1().Pods("default").List(c.Context(), meta.ListOptions{})
		c.must(err)
		for _, pod := range pods.Items {
			if pod.Spec.NodeName == "" {
				return fmt.Errorf("pod %s waits: %v", pod.Name, pod.Status.Conditions)
			}
		}
		return nil
	})
}

// provision makes the object of a claim's volume, and binds both.
func (c *cluster) provision(claim *core.PersistentVolumeClaim, node string) {
	c.Helper()
	v := &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{Name: "pvc-" + string(claim.UID)},
		Spec: core.PersistentVolumeSpec{
			Capacity: claim.Spec.Resources.Requests, AccessModes: claim.Spec.AccessModes, StorageClassName: *claim.Spec.StorageClassName,
			VolumeAttributesClassName: claim.Spec.VolumeAttributesClassName,
			PersistentVolumeSource: core.PersistentVolumeSource{CSI: &core.CSIPersistentVolumeSource{
				Driver: volume.DriverName, VolumeHandle: volume.IDFor("pvc-" + string(claim.UID)),
			}},
			ClaimRef: &core.ObjectReference{Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID},
			NodeAffinity: &core.VolumeNodeAffinity{Required: &core.NodeSelector{NodeSelectorTerms: []core.NodeSelectorTerm{{
				MatchFields: []core.NodeSelectorRequirement{{Key: "metadata.name", Operator: core.NodeSelectorOpIn, Values: []string{node}}},
			}}}},
		},
	}
	_, err := c.client.CoreV1().PersistentVolumes().Create(c.Context(), v, meta.CreateOptions{})
	c.must(err)
	claims := c.client.CoreV1().PersistentVolumeClaims(claim.Namespace)
	claim.Spec.VolumeName = v.Name
	claim.Annotations["pv.kubernetes.io/bind-completed"] = "yes"
	claim, err = claims.Update(c.Context(), claim, meta.UpdateOptions{})
	c.must(err)
	claim.Status.Phase = core.ClaimBound
	_, err = claims.UpdateStatus(c.Context(), claim, meta.UpdateOptions{})
	c.must(err)
}

// claimSays waits until an event about a claim says something.
func (c *cluster) claimSays(name, reason, message string) {
	c.Helper()
	c.eventually("claim "+name+" says "+message, func() error {
		all, err := c.client.CoreV1().Events("default").List(c.Context(), meta.ListOptions{
			FieldSelector: "involvedObject.kind=PersistentVolumeClaim,involvedObject.name=" + name + ",reason=" + reason,
		})
		c.must(err)
		for _, e := range all.Items {
			if strings.Contains(e.Message, message) {
				return nil
			}
		}
		return fmt.Errorf("%v", all.Items)
	})
}

// podSays waits until a pod that is not scheduled says something of it. Its condition is asked,
// for its events become a series that keeps its first words: perhaps that the scheduler did not
// know the claim yet.
func (c *cluster) podSays(name, message string) {
	c.Helper()
	c.eventually("pod "+name+" says "+message, func() error {
		pod, err := c.client.CoreV1().Pods("default").Get(c.Context(), name, meta.GetOptions{})
		c.must(err)
		_, scheduled := podutil.GetPodCondition(&pod.Status, core.PodScheduled)
		if scheduled == nil || !strings.Contains(scheduled.Message, message) {
			return fmt.Errorf("%v", scheduled)
		}
		return nil
	})
}

// volumeOf is the ID of the volume of a pod's claim.
func (c *cluster) volumeOf(name string) string {
	c.Helper()
	claim, err := c.client.CoreV1().PersistentVolumeClaims("default").Get(c.Context(), name, meta.GetOptions{})
	c.must(err)
	return volume.IDFor("pvc-" + string(claim.UID))
}
