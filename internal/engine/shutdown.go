package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	kubetypes "k8s.io/kubernetes/pkg/kubelet/types"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/engine/drain"
)

// shutdownWaves says in which order the pods of a machine are stopped. First
// all that belong to no set: they use the databases, not the other way round.
// Then the sets side by side, each from its highest ordinal down, as when it is
// scaled to nothing; a set with podManagementPolicy Parallel all at once.
func shutdownWaves(pods []corev1.Pod, parallel sets.Set[types.UID]) [][]corev1.Pod {
	others, bySet := []corev1.Pod{}, map[types.UID][]corev1.Pod{}
	for _, pod := range pods {
		if !drain.IsPet(pod) {
			others = append(others, pod)
			continue
		}
		set := metav1.GetControllerOf(&pod).UID
		bySet[set] = append(bySet[set], pod)
	}
	waves := [][]corev1.Pod{others}
	for set, pets := range bySet {
		slices.SortFunc(pets, func(a, b corev1.Pod) int { return cmp.Compare(drain.Ordinal(b), drain.Ordinal(a)) })
		for rank, pet := range pets {
			wave := rank + 1
			if parallel.Has(set) {
				wave = 1
			}
			for len(waves) <= wave {
				waves = append(waves, nil)
			}
			waves[wave] = append(waves[wave], pet)
		}
	}
	return slices.DeleteFunc(waves, func(wave []corev1.Pod) bool { return len(wave) == 0 })
}

// apiPatience is how long the API may take to tell what runs here, and petSetPatience
// that part of it in which it tells of PetSets.
const apiPatience, petSetPatience = 5 * time.Second, 2 * time.Second

// Stop ends the engine and all pods of this machine, in order. The pods stay in
// the API as they are: the next engine starts them again, as after a reboot.
// It tells each step to report.
func (e *Engine) Stop(ctx context.Context, report func(string)) error {
	e.phase.Store("stopping")
	report("stopping the controllers")
	e.controllers.stop(2 * time.Second)
	pods, waves, err := e.podsToStop(ctx, latest)
	if err != nil && e.config.Joined() {
		report("the server does not answer; stopping the pods without their preStop hooks")
		e.lifeline.sever()
		e.node.stop(time.Second)
		return Clean(ctx, e.config.DataDir)
	}
	if err != nil {
		// An etcd that somebody else runs may be gone, and the machine must go down
		// all the same.
		report("etcd does not answer; stopping the pods that the API server remembers")
		pods, waves, err = e.podsToStop(ctx, remembered)
	}
	if err != nil {
		return err
	}
	// From here on nothing of the pods may be recorded.
	e.lifeline.sever()
	if err := e.stopPods(ctx, pods, waves, report); err != nil {
		return err
	}
	// etcd closes at once; the API server lingers until its last client is gone,
	// which is no matter.
	report("stopping the API server")
	e.api.stop(time.Second)
	report("stopping the node")
	e.node.stop(time.Second)
	return Clean(ctx, e.config.DataDir)
}

// Two resource versions to ask the API for: what etcd holds, and what the API
// server has in memory.
const latest, remembered = "", "0"

func (e *Engine) podsToStop(ctx context.Context, version string) ([]corev1.Pod, [][]corev1.Pod, error) {
	ctx, cancel := context.WithTimeout(ctx, apiPatience)
	defer cancel()
	list, err := e.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + e.config.NodeName, ResourceVersion: version})
	if err != nil {
		return nil, nil, fmt.Errorf("list the pods to stop: %w", err)
	}
	running := slices.DeleteFunc(list.Items, func(pod corev1.Pod) bool {
		return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	})
	parallel, err := e.parallelSets(ctx, version)
	if err != nil {
		return nil, nil, fmt.Errorf("list the sets to stop: %w", err)
	}
	return running, shutdownWaves(running, parallel), nil
}

// parallelSets finds the sets, of both kinds, whose pets are stopped all at once.
func (e *Engine) parallelSets(ctx context.Context, version string) (sets.Set[types.UID], error) {
	parallel := sets.New[types.UID]()
	statefulSets, err := e.client.AppsV1().StatefulSets("").List(ctx, metav1.ListOptions{ResourceVersion: version})
	if err != nil {
		return nil, err
	}
	for _, set := range statefulSets.Items {
		if set.Spec.PodManagementPolicy == appsv1.ParallelPodManagement {
			parallel.Insert(set.UID)
		}
	}
	content, err := e.client.CoreV1().RESTClient().Get().AbsPath("/apis", v1alpha1.GroupVersion.String(), "petsets").
		Timeout(petSetPatience).SetHeader("Accept", "application/json").DoRaw(ctx)
	if err != nil && version == remembered {
		return parallel, nil // it does not remember kinds that were added; in order is right for all
	}
	if err != nil {
		return nil, err
	}
	var petSets v1alpha1.PetSetList
	if err := json.Unmarshal(content, &petSets); err != nil {
		return nil, err
	}
	for _, set := range petSets.Items {
		if set.Spec.PodManagementPolicy == appsv1.ParallelPodManagement {
			parallel.Insert(set.UID)
		}
	}
	return parallel, nil
}

// stopPods takes the pods of each wave out of what kubelet believes it should
// run, and waits until it has stopped them: with their preStop hooks, their
// grace period, and their volumes unmounted.
func (e *Engine) stopPods(ctx context.Context, wanted []corev1.Pod, waves [][]corev1.Pod, report func(string)) error {
	feed := e.kubelet.PodConfig.Channel(e.node, kubetypes.ApiserverSource)
	for _, wave := range waves {
		leaving := sets.New[types.UID]()
		for _, pod := range wave {
			leaving.Insert(pod.UID)
			report("stopping pod " + pod.Namespace + "/" + pod.Name)
		}
		wanted = slices.DeleteFunc(wanted, func(pod corev1.Pod) bool { return leaving.Has(pod.UID) })
		setPods(feed, wanted)
		if err := e.waitForPodsGone(ctx, leaving, longestGrace(wave)+30*time.Second); err != nil {
			return err
		}
	}
	return nil
}

// setPods tells kubelet that these pods are all that it should run. The element
// type of the channel has no exported name, but we know its shape.
func setPods[Update ~struct{ Pods []*corev1.Pod }](feed chan<- Update, pods []corev1.Pod) {
	wanted := make([]*corev1.Pod, len(pods))
	for i := range pods {
		wanted[i] = &pods[i]
	}
	feed <- Update{Pods: wanted}
}

func longestGrace(pods []corev1.Pod) time.Duration {
	var longest int64
	for _, pod := range pods {
		if pod.Spec.TerminationGracePeriodSeconds != nil {
			longest = max(longest, *pod.Spec.TerminationGracePeriodSeconds)
		}
	}
	return time.Duration(longest) * time.Second
}

func (e *Engine) waitForPodsGone(ctx context.Context, pods sets.Set[types.UID], limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for time.Now().Before(deadline) {
		running, err := runningSandboxes(ctx, e.kubelet.RemoteRuntimeService)
		if err != nil {
			return err
		}
		mounted, err := podsWithMounts(e.paths)
		if err != nil {
			return err
		}
		if !pods.HasAny(running.UnsortedList()...) && !pods.HasAny(mounted.UnsortedList()...) {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil // Clean ends what kubelet could not
}
