package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/test/hosts"
)

// caredFor is a PetSet that uses what a StatefulSet has not.
var caredFor = strings.NewReplacer(
	"apps/v1", "mainstay.dev/v1alpha1", "kind: StatefulSet", "kind: PetSet", "web", "cared",
	"  replicas: 3", `  replicas: 2
  updateStrategy: {rollingUpdate: {inPlace: IfPossible}}
  drain: {exec: {command: [sh, -c, "test -e /data/may-go"]}, timeoutSeconds: 2}`,
	"        ports:", `        resources: {requests: {memory: 16Mi}, limits: {memory: 32Mi}}
        ports:`,
).Replace(webSet)

func tryPetSet(t *testing.T, h *hosts.Host) {
	h.Apply(t, caredFor)
	waitPetSet(t, h, "cared", settled)
	before := uids(t, h)

	// Image and memory change in the running pods.
	change := `[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"` + hosts.SameBusyboxImage + `"},
		{"op":"replace","path":"/spec/template/spec/containers/0/resources/limits/memory","value":"48Mi"}]`
	h.Kubectl(t, "patch", "petset", "cared", "--type=json", "-p", change)
	waitPetSet(t, h, "cared", settled)
	if after := uids(t, h); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the pods were %v and are %v", before, after)
	}
	for _, pod := range pets(t, h, "cared") {
		status, image := pod.Status.ContainerStatuses[0], pod.Spec.Containers[0].Image
		if limit := status.Resources.Limits.Memory().String(); image != hosts.SameBusyboxImage || limit != "48Mi" || status.RestartCount != 1 {
			t.Errorf("%s runs %s with %s of memory, restarted %d times", pod.Name, image, limit, status.RestartCount)
		}
	}

	// A revision that cannot run says why, and is left without a hand on it.
	image := func(name string) string {
		return `[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"` + name + `"},
			{"op":"replace","path":"/spec/template/spec/containers/0/env","value":[{"name":"IMAGE","value":"` + name + `"}]}]`
	}
	h.Kubectl(t, "patch", "petset", "cared", "--type=json", "-p", image("mainstay.dev/test/no-such-image:1"))
	waitPetSet(t, h, "cared", stuck(v1alpha1.ReasonImage, "cared-1 lacks the image"))
	h.Kubectl(t, "patch", "petset", "cared", "--type=json", "-p", image(hosts.BusyboxImage))
	waitPetSet(t, h, "cared", settled)

	// A pet that did not drain is held; when it has, it goes.
	h.Kubectl(t, "scale", "petset", "cared", "--replicas=1")
	waitPetSet(t, h, "cared", stuck(v1alpha1.ReasonDrain, "cared-1 did not drain"))
	h.Kubectl(t, "exec", "cared-1", "--", "touch", "/data/may-go")
	waitPetSet(t, h, "cared", settled)

	h.Kubectl(t, "delete", "petset/cared", "service/cared", "pvc/data-cared-0", "pvc/data-cared-1")
}

// grown is a set whose claim grows meanwhile: it takes kubelet a minute to look.
var grown = strings.NewReplacer("apps/v1", "mainstay.dev/v1alpha1", "kind: StatefulSet", "kind: PetSet", "web", "grown", "replicas: 3", "replicas: 1").Replace(webSet)

func startGrowing(t *testing.T, h *hosts.Host) {
	h.Apply(t, grown)
	waitPetSet(t, h, "grown", settled)
	h.Apply(t, strings.ReplaceAll(grown, "64Mi", "96Mi"))
}

// A claim grows under its pod or, where the kernel does not let it, with the
// pod's restart.
func tryGrown(t *testing.T, h *hosts.Host) {
	waitPetSet(t, h, "grown", func(set *v1alpha1.PetSet) error {
		if capacity := h.Kubectl(t, "get", "pvc", "data-grown-0", "-o", "jsonpath={.status.capacity.storage}"); capacity != "96Mi" {
			return fmt.Errorf("the claim has %s", capacity)
		}
		return settled(set)
	})
	if pod := pets(t, h, "grown")[0]; pod.Status.ContainerStatuses[0].RestartCount != 0 {
		t.Error("its container was restarted and not its pod")
	}
}

func uids(t *testing.T, h *hosts.Host) (uids []types.UID) {
	for _, pod := range pets(t, h, "cared") {
		uids = append(uids, pod.UID)
	}
	return uids
}

func waitPetSet(t *testing.T, h *hosts.Host, name string, check func(*v1alpha1.PetSet) error) {
	t.Helper()
	hosts.Eventually(t, 90*time.Second, func(context.Context) error {
		set := &v1alpha1.PetSet{}
		if err := json.Unmarshal([]byte(h.Kubectl(t, "get", "petset", name, "-o", "json")), set); err != nil {
			return err
		}
		return check(set)
	})
}

func settled(set *v1alpha1.PetSet) error {
	if s := set.Status; s.ObservedGeneration != set.Generation || meta.IsStatusConditionTrue(s.Conditions, v1alpha1.ConditionProgressing) ||
		!meta.IsStatusConditionTrue(s.Conditions, v1alpha1.ConditionAvailable) {
		return fmt.Errorf("generation %d, status %+v", set.Generation, s)
	}
	return nil
}

func stuck(reason, part string) func(*v1alpha1.PetSet) error {
	return func(set *v1alpha1.PetSet) error {
		condition := meta.FindStatusCondition(set.Status.Conditions, v1alpha1.ConditionStuck)
		switch {
		case condition == nil:
			return errors.New("there is no condition Stuck")
		case condition.Reason != reason || !strings.Contains(condition.Message, part):
			return fmt.Errorf("it is %+v", *condition)
		}
		return nil
	}
}
