package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	authorization "k8s.io/api/authorization/v1"
	rbac "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
)

// neededAccess lists every single request that the controller's roles allow: in
// all namespaces, but for the lease.
func neededAccess(leaseNamespace string) ([]authorization.ResourceAttributes, error) {
	objects, err := standaloneObjects(leaseNamespace, "")
	if err != nil {
		return nil, err
	}
	var needed []authorization.ResourceAttributes
	for _, object := range objects {
		if object.GetKind() != "Role" && object.GetName() != petSetRole {
			continue
		}
		role := &rbac.Role{} // a ClusterRole is the same, but for its namespace
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, role); err != nil {
			return nil, err
		}
		for _, rule := range role.Rules {
			needed = append(needed, requestsOf(rule, role.Namespace)...)
		}
	}
	return needed, nil
}

func requestsOf(rule rbac.PolicyRule, namespace string) (requests []authorization.ResourceAttributes) {
	names := rule.ResourceNames
	if len(names) == 0 {
		names = []string{""}
	}
	for _, group := range rule.APIGroups {
		for _, path := range rule.Resources {
			resource, subresource, _ := strings.Cut(path, "/")
			for _, name := range names {
				for _, verb := range rule.Verbs {
					requests = append(requests, authorization.ResourceAttributes{
						Namespace: namespace, Verb: verb, Group: group, Resource: resource, Subresource: subresource, Name: name,
					})
				}
			}
		}
	}
	return requests
}

// refusedAccess asks the API server which of the requests it would refuse. The
// right to ask is everybody's.
func refusedAccess(ctx context.Context, client kubernetes.Interface, requests []authorization.ResourceAttributes) ([]authorization.ResourceAttributes, error) {
	refused := make([]bool, len(requests))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for i := range requests {
		group.Go(func() error {
			review := &authorization.SelfSubjectAccessReview{Spec: authorization.SelfSubjectAccessReviewSpec{ResourceAttributes: &requests[i]}}
			answer, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
			if err != nil {
				return fmt.Errorf("ask what the controller may do: %w", err)
			}
			refused[i] = !answer.Status.Allowed
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var out []authorization.ResourceAttributes
	for i, request := range requests {
		if refused[i] {
			out = append(out, request)
		}
	}
	return out, nil
}

// describeAccess tells of requests in a line for each resource, as in
// "create, update persistentvolumeclaims in all namespaces".
func describeAccess(requests []authorization.ResourceAttributes) (lines []string) {
	verbs := map[string][]string{}
	var objects []string
	for _, request := range requests {
		object := describeObject(request)
		if !slices.Contains(objects, object) {
			objects = append(objects, object)
		}
		verbs[object] = append(verbs[object], request.Verb)
	}
	for _, object := range objects {
		lines = append(lines, strings.Join(verbs[object], ", ")+" "+object)
	}
	return lines
}

func describeObject(request authorization.ResourceAttributes) string {
	text := request.Resource
	if request.Group != "" {
		text += "." + request.Group
	}
	for _, part := range []string{request.Subresource, request.Name} {
		if part != "" {
			text += "/" + part
		}
	}
	if request.Namespace == "" {
		return text + " in all namespaces"
	}
	return text + " in namespace " + request.Namespace
}
