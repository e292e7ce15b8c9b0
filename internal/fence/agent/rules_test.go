package agent

import (
	"maps"
	"net/http"
	"path"
	"slices"
	"sync"
	"testing"

	rbac "k8s.io/api/rbac/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// enforceRights makes a test's API server ask who may do what.
const enforceRights = "--authorization-mode=RBAC"

// asJudge gives access with the rights of a judge, and no others. At its end the test
// fails when there is one that was never used.
func asJudge(t *testing.T, access *rest.Config) *rest.Config {
	t.Helper()
	admin, err := kubernetes.NewForConfig(access)
	if err != nil {
		t.Fatal(err)
	}
	named, judge, roles := meta.ObjectMeta{Name: JudgeUser}, []rbac.Subject{{Kind: rbac.UserKind, Name: JudgeUser}}, admin.RbacV1()
	_, err = roles.ClusterRoles().Create(t.Context(), &rbac.ClusterRole{ObjectMeta: named, Rules: JudgeRules()}, meta.CreateOptions{})
	if err == nil {
		binding := &rbac.ClusterRoleBinding{ObjectMeta: named, Subjects: judge, RoleRef: rbac.RoleRef{Kind: "ClusterRole", Name: JudgeUser}}
		_, err = roles.ClusterRoleBindings().Create(t.Context(), binding, meta.CreateOptions{})
	}
	for namespace, rules := range JudgeNamespaceRules() {
		if err == nil {
			_, err = roles.Roles(namespace).Create(t.Context(), &rbac.Role{ObjectMeta: named, Rules: rules}, meta.CreateOptions{})
		}
		if err == nil {
			binding := &rbac.RoleBinding{ObjectMeta: named, Subjects: judge, RoleRef: rbac.RoleRef{Kind: "Role", Name: JudgeUser}}
			_, err = roles.RoleBindings(namespace).Create(t.Context(), binding, meta.CreateOptions{})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	own := rest.CopyConfig(access)
	own.Impersonate.UserName = JudgeUser
	used := &rights{used: sets.New("patch events.k8s.io/events")} // of an event that happens again
	own.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return transport(func(r *http.Request) (*http.Response, error) { used.note(r); return next.RoundTrip(r) })
	})
	t.Cleanup(func() {
		for _, rules := range append(slices.Collect(maps.Values(JudgeNamespaceRules())), JudgeRules()) {
			used.check(t, rules)
		}
	})
	return own
}

// rights are those that were used, as "VERB GROUP/RESOURCE".
type rights struct {
	mutex sync.Mutex
	used  sets.Set[string]
}

func (r *rights) note(asked *http.Request) {
	info, err := (&request.RequestInfoFactory{APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api")}).NewRequestInfo(asked)
	if err == nil {
		r.mutex.Lock()
		defer r.mutex.Unlock()
		r.used.Insert(info.Verb + " " + path.Join(info.APIGroup, info.Resource, info.Subresource))
	}
}

func (r *rights) check(t *testing.T, rules []rbac.PolicyRule) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, rule := range rules {
		for _, verb := range rule.Verbs {
			if right := verb + " " + path.Join(rule.APIGroups[0], rule.Resources[0]); !r.used.Has(right) {
				t.Errorf("the judge may %s, and never did", right)
			}
		}
	}
}
