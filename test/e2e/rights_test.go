package e2e

import (
	"bufio"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	rbac "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	audit "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/mainstay-io/mainstay/internal/engine"
	"github.com/mainstay-io/mainstay/test/hosts"
)

// unseenVolumeRights are those of an engine's own parts whose use TestEngine does
// not show, and why they have them.
var unseenVolumeRights = map[string]map[string]string{
	"mainstay:volume": {
		"list persistentvolumes":                                                "of an API server that does not stream lists",
		"list persistentvolumeclaims":                                           "the same",
		"list storageclasses.storage.k8s.io":                                    "the same",
		"list volumeattributesclasses.storage.k8s.io":                           "the same",
		"list volumesnapshotclasses.snapshot.storage.k8s.io":                    "the same",
		"list volumesnapshotcontents.snapshot.storage.k8s.io":                   "the same",
		"list volumegroupsnapshotclasses.groupsnapshot.storage.k8s.io":          "the same",
		"list volumegroupsnapshotcontents.groupsnapshot.storage.k8s.io":         "the same",
		"patch volumegroupsnapshotcontents.groupsnapshot.storage.k8s.io/status": "says why a group could not be taken",
		"update pools.mainstay.dev":                                             "of a pool whose disk is mounted elsewhere than it was",
		"delete pools.mainstay.dev":                                             "of a pool that the node does not declare any more",
		"update persistentvolumeclaims":                                         "gives a claim back to the scheduler which its node cannot serve after all",
		"delete csistoragecapacities.storage.k8s.io":                            "of a storage class that was deleted",
		"patch events": "of one that happens again",
	},
	"mainstay:snapshot": {
		"list persistentvolumes":                                        "of an API server that does not stream lists",
		"list persistentvolumeclaims":                                   "the same",
		"list nodes":                                                    "the same",
		"list volumesnapshots.snapshot.storage.k8s.io":                  "the same",
		"list volumesnapshotclasses.snapshot.storage.k8s.io":            "the same",
		"list volumesnapshotcontents.snapshot.storage.k8s.io":           "the same",
		"list volumegroupsnapshots.groupsnapshot.storage.k8s.io":        "the same",
		"list volumegroupsnapshotclasses.groupsnapshot.storage.k8s.io":  "the same",
		"list volumegroupsnapshotcontents.groupsnapshot.storage.k8s.io": "the same",
		"patch volumegroupsnapshots.groupsnapshot.storage.k8s.io":       "of one that has another finalizer",
		"patch events": "of one that happens again",
	},
	"mainstay:sidecars": {
		"list nodes":                                                             "of an API server that does not stream lists",
		"list persistentvolumes":                                                 "the same",
		"list persistentvolumeclaims":                                            "the same",
		"list csidrivers.storage.k8s.io":                                         "the same",
		"list csinodes.storage.k8s.io":                                           "the same",
		"list storageclasses.storage.k8s.io":                                     "the same",
		"list volumeattributesclasses.storage.k8s.io":                            "the same",
		"list volumeattachments.storage.k8s.io":                                  "the same",
		"list volumesnapshotclasses.snapshot.storage.k8s.io":                     "the same",
		"list volumesnapshotcontents.snapshot.storage.k8s.io":                    "the same",
		"list volumegroupsnapshotclasses.groupsnapshot.storage.k8s.io":           "of a driver that takes snapshots of groups",
		"watch volumegroupsnapshotclasses.groupsnapshot.storage.k8s.io":          "the same",
		"get volumegroupsnapshotcontents.groupsnapshot.storage.k8s.io":           "the same",
		"list volumegroupsnapshotcontents.groupsnapshot.storage.k8s.io":          "the same",
		"watch volumegroupsnapshotcontents.groupsnapshot.storage.k8s.io":         "the same",
		"patch volumegroupsnapshotcontents.groupsnapshot.storage.k8s.io":         "the same",
		"update volumegroupsnapshotcontents.groupsnapshot.storage.k8s.io/status": "the same",
		"patch volumegroupsnapshotcontents.groupsnapshot.storage.k8s.io/status":  "the same",
		"get secrets": "of a driver whose class names one",
		"get volumeattributesclasses.storage.k8s.io": "of a claim that begins with one",
		"get persistentvolumes":                      "of a claim that begins as another's copy",
		"update persistentvolumeclaims":              "the same",
	},
}

// auditVolumes has the API server of an engine that has not begun write down what
// the parts ask for that make volumes and snapshots.
func auditVolumes(t *testing.T, h *hosts.Host) {
	t.Helper()
	policy, err := json.Marshal(audit.Policy{
		TypeMeta:   metav1.TypeMeta{APIVersion: audit.SchemeGroupVersion.String(), Kind: "Policy"},
		OmitStages: []audit.Stage{audit.StageRequestReceived},
		Rules:      []audit.PolicyRule{{Level: audit.LevelMetadata, Users: slices.Sorted(maps.Keys(unseenVolumeRights))}},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := engine.Paths{DataDir: h.DataDir}.AuditPolicy()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, policy, 0o600); err != nil {
		t.Fatal(err)
	}
}

// tryRights comes after all else that an engine's volumes can do.
func tryRights(t *testing.T, h *hosts.Host) {
	for role, unseen := range unseenVolumeRights {
		requests := requestsOf(t, engine.Paths{DataDir: h.DataDir}.AuditLog(), role)
		checkLeastRights(t, h.Client(t), role, requests, unseen)
	}
}

// checkLeastRights fails the test when the role lacks what one of the requests
// needed, and when it allows one that was never made: it must be the least. (An
// engine's parts begin before their roles are there.)
func checkLeastRights(t *testing.T, client kubernetes.Interface, role string, requests []audit.Event, unseen map[string]string) {
	t.Helper()
	found, err := client.RbacV1().ClusterRoles().Get(t.Context(), role, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	granted := rightsOf(found.Rules)
	used := map[string]bool{}
	for _, event := range requests {
		if event.ObjectRef == nil || event.ResponseStatus == nil {
			continue
		}
		right := rightName(event.Verb, event.ObjectRef.APIGroup, event.ObjectRef.Resource, event.ObjectRef.Subresource)
		refused := event.ResponseStatus.Code == http.StatusForbidden
		if refused && !slices.Contains(granted, right) {
			t.Errorf("%s was refused: %s: %s", role, right, event.ResponseStatus.Message)
		}
		used[right] = used[right] || !refused
	}
	for _, right := range granted {
		if !used[right] && unseen[right] == "" {
			t.Errorf("the role %s grants what was never used: %s", role, right)
		}
	}
	for right := range unseen {
		if !slices.Contains(granted, right) {
			t.Errorf("the role %s lacks: %s", role, right)
		}
	}
	t.Logf("%s: %d rights, %d of them seen in use", role, len(granted), len(granted)-len(unseen))
}

func rightsOf(rules []rbac.PolicyRule) (rights []string) {
	for _, rule := range rules {
		for _, path := range rule.Resources {
			resource, subresource, _ := strings.Cut(path, "/")
			for _, verb := range rule.Verbs {
				rights = append(rights, rightName(verb, rule.APIGroups[0], resource, subresource))
			}
		}
	}
	return rights
}

func rightName(verb, group, resource, subresource string) string {
	name := verb + " " + resource
	if group != "" {
		name += "." + group
	}
	if subresource != "" {
		name += "/" + subresource
	}
	return name
}

// requestsOf returns what an API server has noted of a user in its audit log.
func requestsOf(t *testing.T, log, user string) (events []audit.Event) {
	t.Helper()
	file, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event audit.Event
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			t.Fatalf("%v: %s", err, lines.Text())
		}
		if event.User.Username == user {
			events = append(events, event)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return events
}
