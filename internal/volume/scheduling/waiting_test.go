package scheduling

import (
	"fmt"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestClaimsAreToldOnce(t *testing.T) {
	w := waiting{byPod: map[types.UID]refused{}}
	pod := &core.Pod{ObjectMeta: meta.ObjectMeta{UID: "1"}}
	begin := time.Unix(1_800_000_000, 0)
	for _, c := range []struct {
		why   string
		lacks string
		after time.Duration
		told  bool
	}{
		{"something new", "300 IOPS left", 0, true},
		{"the same, a second later", "300 IOPS left", time.Second, false},
		{"something else", "200 IOPS left", 2 * time.Second, true},
		{"the same, for a while", "200 IOPS left", tellAgain, false},
		{"the same, after a while", "200 IOPS left", tellAgain + 2*time.Second, true},
	} {
		r, tell := w.add(pod, &findings{nodes: map[string][]string{"a": {c.lacks}}}, begin.Add(c.after))
		if tell != c.told || r.told != c.lacks || !r.nodes["a"] {
			t.Errorf("%s: told %v, %+v", c.why, tell, r)
		}
	}
	w.remove(pod)
	if len(w.list()) != 0 {
		t.Errorf("a pod that has a node still waits: %v", w.list())
	}
}

func TestRefusal(t *testing.T) {
	many := &findings{nodes: map[string][]string{}}
	for i := range 8 {
		many.refuse(fmt.Sprint("n", i), []string{fmt.Sprintf("pool of n%d", i)})
	}
	for _, c := range []struct {
		why   string
		found *findings
		says  string
	}{
		{"nothing was refused", &findings{}, ""},
		{"a class is not there", &findings{unclear: "there is no class"}, "there is no class"},
		{"in the order of the nodes", &findings{nodes: map[string][]string{"b": {"3"}, "a": {"1", "2"}}}, "1; 2; 3"},
		{"not all of many", many, "pool of n0; pool of n1; pool of n2; pool of n3; pool of n4; and 3 more"},
	} {
		if got := c.found.refusal(); got != c.says || strings.Contains(got, "\n") {
			t.Errorf("%s: %q, expected %q", c.why, got, c.says)
		}
	}
}
