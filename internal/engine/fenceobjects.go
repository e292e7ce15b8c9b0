package engine

import (
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/fence/agent"
)

// fenceObjects are what the fence needs in the cluster: the leases' namespace, the
// rights of keepers and judge, and the two rules that rights cannot express.
func fenceObjects() []runtime.Object {
	objects := []runtime.Object{leasesNamespace()}
	objects = append(objects, roleOf(agent.JudgeUser, agent.JudgeRules())...)
	for namespace, rules := range agent.JudgeNamespaceRules() {
		objects = append(objects, roleWithin(namespace, agent.JudgeUser, rules)...)
	}
	keepers := append(
		roleOf(keepersGroup, []rbacv1.PolicyRule{rule("", "nodes", "list")}),
		roleWithin(agent.Namespace, keepersGroup, []rbacv1.PolicyRule{rule("coordination.k8s.io", "leases", "get", "list", "create", "update")})...)
	objects = append(objects, bindTo(rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: keepersGroup}, keepers)...)
	objects = append(objects, leasesPolicy(
		`!("`+keepersGroup+`" in request.userInfo.groups) || request.userInfo.username == "`+keeperUser("")+`" + object.metadata.name`)...)
	return append(objects, failoverPolicy()...)
}

// leasesPolicy is for who writes the nodes' leases.
func leasesPolicy(expression string) []runtime.Object {
	return policy("mainstay-keepers",
		admissionv1.Rule{APIGroups: []string{"coordination.k8s.io"}, APIVersions: []string{"v1"}, Resources: []string{"leases"}},
		[]admissionv1.OperationType{admissionv1.Create, admissionv1.Update},
		&metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: agent.Namespace}},
		expression, "a keeper may write the lease of its own node only",
	)
}

func failoverPolicy() []runtime.Object {
	return policy("mainstay-failover",
		admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods", "pods/status"}},
		[]admissionv1.OperationType{admissionv1.Update}, nil,
		failoverLabel("object")+" == "+failoverLabel("oldObject"),
		"the label "+v1alpha1.FailoverLabel+" is given when a pod is made, and cannot be changed: the pod's node goes by it",
	)
}

// failoverLabel is the label's value (CEL), empty without the label.
func failoverLabel(of string) string {
	return `(has(` + of + `.metadata.labels) && "` + v1alpha1.FailoverLabel + `" in ` + of + `.metadata.labels ? ` + of + `.metadata.labels["` + v1alpha1.FailoverLabel + `"] : "")`
}

// policy refuses what the expression (CEL) is false for.
func policy(name string, rule admissionv1.Rule, operations []admissionv1.OperationType, namespaces *metav1.LabelSelector, expression, message string) []runtime.Object {
	meta := func(kind string) metav1.TypeMeta {
		return metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: kind}
	}
	return []runtime.Object{
		&admissionv1.ValidatingAdmissionPolicy{
			TypeMeta: meta("ValidatingAdmissionPolicy"), ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: admissionv1.ValidatingAdmissionPolicySpec{
				FailurePolicy: ptr.To(admissionv1.Fail),
				MatchConstraints: &admissionv1.MatchResources{
					NamespaceSelector: namespaces,
					ResourceRules:     []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{Operations: operations, Rule: rule}}},
				},
				Validations: []admissionv1.Validation{{Expression: expression, Message: message}},
			},
		},
		&admissionv1.ValidatingAdmissionPolicyBinding{
			TypeMeta: meta("ValidatingAdmissionPolicyBinding"), ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny}},
		},
	}
}
