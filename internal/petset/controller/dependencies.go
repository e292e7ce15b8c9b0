package controller

import (
	"context"
	"fmt"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/petset"
)

// unready asks the API server and not a cache: it is asked once a second at
// most, by sets that wait to start, and nobody else needs to watch for them.
func (k petSets) unready(ctx context.Context, object client.Object) ([]string, error) {
	set := object.(*v1alpha1.PetSet)
	var reasons []string
	for _, dependency := range set.Spec.DependsOn {
		why, err := k.dependencyState(ctx, client.ObjectKey{Namespace: set.Namespace, Name: dependency.Name}, dependency.Kind)
		switch {
		case apierrors.IsNotFound(err):
			reasons = append(reasons, fmt.Sprintf("%s %s, which is not there", dependency.Kind, dependency.Name))
		case err != nil:
			return nil, fmt.Errorf("%s %s, on which %s depends: %w", dependency.Kind, dependency.Name, describeSet(k, set), err)
		case why != "":
			reasons = append(reasons, fmt.Sprintf("%s %s, %s", dependency.Kind, dependency.Name, why))
		}
	}
	return reasons, nil
}

// dependencyState returns what one of them lacks; empty when it is ready.
func (k petSets) dependencyState(ctx context.Context, key client.ObjectKey, kind string) (string, error) {
	switch kind {
	case "Deployment":
		object := &apps.Deployment{}
		err := k.client.Get(ctx, key, object)
		return petset.ReplicasLacking(object.Generation, object.Status.ObservedGeneration, object.Spec.Replicas, object.Status.AvailableReplicas), err
	case "StatefulSet":
		object := &apps.StatefulSet{}
		err := k.client.Get(ctx, key, object)
		return petset.ReplicasLacking(object.Generation, object.Status.ObservedGeneration, object.Spec.Replicas, object.Status.AvailableReplicas), err
	case "PetSet":
		object := &v1alpha1.PetSet{}
		err := k.client.Get(ctx, key, object)
		return petset.ReplicasLacking(object.Generation, object.Status.ObservedGeneration, object.Spec.Replicas, object.Status.AvailableReplicas), err
	}
	if err := k.client.Get(ctx, key, &corev1.Service{}); err != nil {
		return "", err
	}
	slices := &discovery.EndpointSliceList{}
	err := k.client.List(ctx, slices, client.InNamespace(key.Namespace), client.MatchingLabels{discovery.LabelServiceName: key.Name})
	return petset.EndpointsLacking(slices.Items), err
}
