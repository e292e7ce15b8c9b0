package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// unseenRights are those whose use no audit shows, and why the controller has them.
var unseenRights = map[string]string{
	"update petsets.mainstay.dev/finalizers":       "checked when a pod gets its owner",
	"update pods/finalizers":                       "checked when a claim gets its owner",
	"delete persistentvolumeclaims":                "checked when a claim's owner changes",
	"get controllerrevisions.apps":                 "asked when the name of a new one is taken",
	"update persistentvolumes":                     "when a volume is lost with its node",
	"list volumesnapshots.snapshot.storage.k8s.io": "when it is to be restored from one",
	"list nodes":                    "of an API server that does not stream lists",
	"list persistentvolumes":        "the same",
	"create pods/exec":              "of an API server that has no websockets",
	"list pods":                     "of an API server that does not stream lists",
	"list persistentvolumeclaims":   "the same",
	"list controllerrevisions.apps": "the same",
	"list statefulsets.apps":        "the same",
	"list petsets.mainstay.dev":     "the same",
}

func (c *stockCluster) checkRights(t *testing.T) {
	t.Helper()
	account := "system:serviceaccount:kube-system:mainstay-controller"
	checkLeastRights(t, c.client, "mainstay:petset", requestsOf(t, c.file("audit.jsonl"), account), unseenRights)
}

// useEveryRight takes a set through all that the controller has a right for.
func (c *stockCluster) useEveryRight(t *testing.T) {
	t.Helper()
	c.kubectl(t, demandingSet, "apply", "-f", "-")
	c.kubectl(t, "", "patch", "deployment/front", "--subresource=status", "--type=merge", "-p", `{"status":{"observedGeneration":1}}`)
	c.waitSettled(t, "petset/all", 2, "all:1")
	lives := fmt.Sprint(c.nodes.livesOf("all-0"), c.nodes.livesOf("all-1"))

	for _, image := range []string{"all:2", "all:3", "all:2"} { // more than history keeps, and back to one that it has
		c.kubectl(t, "", "patch", "petset/all", "--type=json", "-p", setImage(image))
		c.waitSettled(t, "petset/all", 2, image)
	}
	c.change(t, "petset/all", `{"spec":{"template":{"spec":{"containers":[{"name":"main","image":"all:2","resources":{"requests":{"cpu":"20m"}}}]}}}}`)
	c.kubectl(t, "", "wait", "pod/all-0", "--for=jsonpath={.spec.containers[0].resources.requests.cpu}=20m", "--timeout=10s")
	c.change(t, "pod/all-0", `{"metadata":{"ownerReferences":null}}`)
	revisions := strings.Fields(c.kubectl(t, "", "get", "controllerrevisions", "--selector=app=all", "--output=name"))
	c.change(t, revisions[0], `{"metadata":{"ownerReferences":null}}`)
	for _, orphan := range []string{"pod/all-0", revisions[0]} {
		c.kubectl(t, "", "wait", orphan, "--for=jsonpath={.metadata.ownerReferences[0].name}=all", "--timeout=10s")
	}
	c.change(t, "petset/all", `{"spec":{"persistentVolumeClaimRetentionPolicy":{"whenDeleted":"Delete","whenScaled":"Delete"}}}`)
	c.kubectl(t, "", "wait", "pvc/data-all-0", "--for=jsonpath={.metadata.ownerReferences[0].name}=all", "--timeout=10s")
	if now := fmt.Sprint(c.nodes.livesOf("all-0"), c.nodes.livesOf("all-1")); now != lives {
		t.Errorf("the pods were %s and are %s", lives, now)
	}
	// Nobody runs the command or answers the request; the timeout lets the pets go.
	c.change(t, "petset/all", `{"spec":{"replicas":1,"drain":{"exec":{"command":["leave"]},"timeoutSeconds":1,"onTimeout":"Proceed"}}}`)
	c.kubectl(t, "", "wait", "pvc/data-all-1", "--for=jsonpath={.metadata.ownerReferences[0].kind}=Pod", "--timeout=10s")
	c.kubectl(t, "", "wait", "pod/all-1", "--for=delete", "--timeout=15s")
	c.change(t, "petset/all", `{"spec":{"replicas":0,"drain":{"exec":null,"httpGet":{"port":80,"path":"/leave"}}}}`)
	c.kubectl(t, "", "wait", "pod/all-0", "--for=delete", "--timeout=15s")
}

func (c *stockCluster) change(t *testing.T, what, patch string) {
	t.Helper()
	c.kubectl(t, "", "patch", what, "--type=merge", "-p", patch)
}

const demandingSet = `
apiVersion: v1
kind: Service
metadata: {name: front}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: front, labels: {kubernetes.io/service-name: front}}
addressType: IPv4
endpoints: [{addresses: [192.0.2.1], conditions: {ready: true}}]
ports: [{port: 80}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: front}
spec:
  replicas: 0
  selector: {matchLabels: {app: front}}
  template:
    metadata: {labels: {app: front}}
    spec: {containers: [{name: main, image: "front:1"}]}
---
apiVersion: mainstay.dev/v1alpha1
kind: PetSet
metadata: {name: all}
spec:
  replicas: 2
  revisionHistoryLimit: 1
  serviceName: all
  selector: {matchLabels: {app: all}}
  updateStrategy: {rollingUpdate: {inPlace: IfPossible}}
  template:
    metadata: {labels: {app: all}}
    spec: {containers: [{name: main, image: "all:1", resources: {requests: {cpu: 10m}}}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
  dependsOn:
  - {apiVersion: v1, kind: Service, name: front}
  - {apiVersion: apps/v1, kind: Deployment, name: front}
  - {apiVersion: apps/v1, kind: StatefulSet, name: web}
  - {apiVersion: mainstay.dev/v1alpha1, kind: PetSet, name: db}
`
