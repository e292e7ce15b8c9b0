package engine

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
)

// A pod is written as NAME-ORDINAL when it belongs to the set NAME, a PetSet if that
// begins with "pet", else as a word without a dash.
func TestShutdownWaves(t *testing.T) {
	for _, test := range []struct {
		name     string
		pods     []string
		parallel []string
		want     string
	}{
		{"nothing runs", nil, nil, ""},
		{"what belongs to no set goes first", []string{"db-0", "web"}, nil, "web / db-0"},
		{"a set goes from its highest ordinal down", []string{"db-0", "db-1", "db-2"}, nil, "db-2 / db-1 / db-0"},
		{"ordinals are numbers", []string{"db-9", "db-10"}, nil, "db-10 / db-9"},
		{"sets go side by side", []string{"a-0", "a-1", "b-5", "b-6"}, nil, "a-1 b-6 / a-0 b-5"},
		{"PetSets are sets", []string{"web", "db-0", "pet-0", "pet-1"}, nil, "web / db-0 pet-1 / pet-0"},
		{"a parallel set goes at once", []string{"a-0", "a-1", "p-0", "p-1"}, []string{"p"}, "a-1 p-0 p-1 / a-0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var pods []corev1.Pod
			for _, name := range test.pods {
				pods = append(pods, podNamed(name))
			}
			parallel := sets.New[types.UID]()
			for _, set := range test.parallel {
				parallel.Insert(types.UID(set))
			}
			var waves []string
			for _, wave := range shutdownWaves(pods, parallel) {
				names := sets.New[string]()
				for _, pod := range wave {
					names.Insert(pod.Name)
				}
				waves = append(waves, strings.Join(sets.List(names), " "))
			}
			if got := strings.Join(waves, " / "); got != test.want {
				t.Errorf("the waves are %q, not %q", got, test.want)
			}
		})
	}
}

func podNamed(name string) corev1.Pod {
	pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}}
	set, ordinal, belongs := strings.Cut(name, "-")
	if belongs {
		yes := true
		pod.Labels = map[string]string{appsv1.PodIndexLabel: ordinal}
		kind := "StatefulSet"
		if strings.HasPrefix(set, "pet") {
			kind = "PetSet"
		}
		pod.OwnerReferences = []metav1.OwnerReference{{Kind: kind, Name: set, UID: types.UID(set), Controller: &yes}}
	}
	return pod
}

// Every pod is stopped once, whatever there is.
func TestShutdownWavesLoseNoPod(t *testing.T) {
	for size := range 40 {
		var pods []corev1.Pod
		want := sets.New[string]()
		for i := range size {
			name := fmt.Sprintf("%c-%s", 'a'+i%5, strconv.Itoa(i))
			if i%7 == 0 {
				name = "single" + strconv.Itoa(i)
			}
			pods = append(pods, podNamed(name))
			want.Insert(name)
		}
		got := sets.New[string]()
		for _, wave := range shutdownWaves(pods, sets.New[types.UID]("b")) {
			for _, pod := range wave {
				if got.Has(pod.Name) {
					t.Errorf("%s is stopped twice", pod.Name)
				}
				got.Insert(pod.Name)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("of %v, these are stopped: %v", want, got)
		}
	}
}
