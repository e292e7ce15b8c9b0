package controller

import (
	"context"
	"errors"
	"io"
	"testing"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/kubernetes/pkg/controller/util/consistency"
)

// syncedAt is a cache that holds all up to a resource version.
type syncedAt string

func (s *syncedAt) LastStoreSyncResourceVersion() string { return string(*s) }

// A set is looked at again when the caches hold what was written for it. Where
// the answer to a write got lost, the API server is asked first what became of it.
func TestWritesAreSeen(t *testing.T) {
	written := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web-0", ResourceVersion: "7"}}
	resource := schema.GroupResource{Resource: "pods"}
	for _, c := range []struct {
		name  string
		err   error // of the write
		there bool  // the pod, when the API server is asked
		lost  error // of asking
		// looked at again with a cache that is synced at 6, 7, 9
		at6, at7, at9 bool
	}{
		{"answered", nil, true, nil, false, true, true},
		{"refused", apierrors.NewForbidden(resource, "web-0", errors.New("quota")), true, nil, true, true, true},
		{"somebody else wrote", apierrors.NewConflict(resource, "web-0", errors.New("changed")), true, nil, true, true, true},
		{"there already", apierrors.NewAlreadyExists(resource, "web-0"), true, nil, true, true, true},
		{"the connection broke, it was written", io.ErrUnexpectedEOF, true, nil, false, true, true},
		{"the connection broke, it was not, or is gone", io.ErrUnexpectedEOF, false, nil, false, false, true},
		{"too late an answer", context.DeadlineExceeded, true, nil, false, true, true},
		{"the API server gave up", apierrors.NewTimeoutError("etcd", 1), true, nil, false, true, true},
		{"the API server failed", apierrors.NewInternalError(errors.New("etcd")), true, nil, false, true, true},
		{"the connection broke and is broken", io.ErrUnexpectedEOF, true, io.ErrUnexpectedEOF, false, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := fake.NewClientset()
			client.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
				list := &corev1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: "9"}}
				if c.there {
					list.Items = []corev1.Pod{*written}
				}
				return true, list, c.lost
			})
			cache := syncedAt("6")
			w := &writes{client: client, doubts: map[types.NamespacedName][]doubt{},
				store: consistency.NewConsistencyStore(map[schema.GroupResource]consistency.LastSyncRVGetter{podResource: &cache})}
			set := &apps.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "web", UID: "set"}}
			w.answered(set, podResource, "web-0", written, c.err)
			for _, look := range []struct {
				at   syncedAt
				want bool
			}{{"6", c.at6}, {"7", c.at7}, {"9", c.at9}} {
				cache = look.at
				if got := w.seen(t.Context(), types.NamespacedName{Namespace: "ns", Name: "web"}); got != look.want {
					t.Errorf("with caches synced at %s: %v", look.at, got)
				}
			}
		})
	}
}
