package controller

import (
	"context"
	"fmt"

	apps "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	kubecontroller "k8s.io/kubernetes/pkg/controller"
)

// canAdopt asks the API server, not the cache, whether the set still lives,
// before it takes anything over: a set that was deleted with its pods left
// behind must not get them back (kubernetes#42639).
func canAdopt(client kubernetes.Interface, set *apps.StatefulSet) func(context.Context) error {
	return kubecontroller.RecheckDeletionTimestamp(func(ctx context.Context) (metav1.Object, error) {
		fresh, err := client.AppsV1().StatefulSets(set.Namespace).Get(ctx, set.Name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		if fresh.UID != set.UID {
			return nil, fmt.Errorf("StatefulSet %s/%s was deleted and created anew", set.Namespace, set.Name)
		}
		return fresh, nil
	})
}
