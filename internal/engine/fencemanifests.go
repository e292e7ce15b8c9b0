package engine

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/fence/agent"
	"github.com/mainstay-io/mainstay/internal/fence/identity"
)

// The names of the workloads and their accounts, and of the Secret with the authority.
const (
	fenceKeeperName = "mainstay-fence-keeper"
	fenceJudgeName  = "mainstay-fence-judge"
	fenceAuthority  = "mainstay-fence"
)

// fenceKeeperAccount is the user as which keepers run there.
func fenceKeeperAccount(namespace string) string {
	return serviceaccount.MakeUsername(namespace, fenceKeeperName)
}

// FenceObjects says how FenceKeeper and FenceJudge are to run on a Kubernetes.
type FenceObjects struct {
	// Namespace for what is not cluster-wide, the nodes' leases apart. It must exist.
	Namespace string
	// Image must have this program as its entry point. Empty: nothing runs.
	Image string
	// Leave: the nodes leave the fence; see FenceKeeper.Leave.
	Leave bool
	// The others are those of each node; see FenceKeeper.
	StateDir, KubeletCgroup, KubeletDir, KubeletHealth, HostNamespaces, Watchdog string
}

// Print writes, as YAML, what a Kubernetes needs to have its lost nodes fenced.
func (o FenceObjects) Print(to io.Writer) error {
	objects, err := o.objects()
	if err != nil {
		return err
	}
	return printObjects(to, objects)
}

func (o FenceObjects) objects() ([]*unstructured.Unstructured, error) {
	if err := errors.Join(checkNodePath("--state-dir", o.StateDir), checkNodePath("--kubelet-dir", o.KubeletDir), checkKubeletCgroup(o.KubeletCgroup), checkKubeletHealth(o.KubeletHealth), checkNodePath("--host-namespaces", o.HostNamespaces), checkWatchdogPath(o.Watchdog)); err != nil {
		return nil, err
	}
	own, err := unstructuredObjects(slices.Concat([]runtime.Object{leasesNamespace()}, o.rights(), o.policies()))
	if err != nil {
		return nil, err
	}
	install, err := installObjects("fence.yaml", map[string]any{
		"Namespace": quoted(o.Namespace), "Image": quoted(o.Image), "Leave": o.Leave,
		"StateDir": quoted(o.StateDir), "MemoryDir": quoted(fenceDir(o.StateDir).Memory), "KubeletCgroup": quoted(o.KubeletCgroup), "KubeletHealth": quoted(o.KubeletHealth),
		"HostNamespaces": quoted(o.HostNamespaces), "KubeletDir": quoted(o.KubeletDir), "KeeperVolume": keeperVolume, "Watchdog": quoted(o.Watchdog),
	})
	return append(own, install...), err
}

// rights are those that reach beyond the namespace.
func (o FenceObjects) rights() []runtime.Object {
	keeper := roleOf(fenceKeeperName, []rbacv1.PolicyRule{
		rule("", "nodes", "list"),
		rule("", "nodes/status", "patch"),
		rule("", "pods", "list", "watch"),
		rule("", "pods/status", "patch"),
		rule(certificatesv1.GroupName, "certificatesigningrequests", "create", "list", "watch"),
	})
	keeper = append(keeper, roleWithin(agent.Namespace, fenceKeeperName, []rbacv1.PolicyRule{
		rule("coordination.k8s.io", "leases", "get", "list", "create", "update"),
	})...)
	signs := rule(certificatesv1.GroupName, "signers", "approve", "sign")
	signs.ResourceNames = []string{identity.SignerName}
	judge := roleOf(fenceJudgeName, append(agent.JudgeRules(),
		rule("", "nodes", "watch"),
		rule(certificatesv1.GroupName, "certificatesigningrequests", "list", "watch"),
		rule(certificatesv1.GroupName, "certificatesigningrequests/approval", "update"),
		rule(certificatesv1.GroupName, "certificatesigningrequests/status", "update"),
		signs,
	))
	within := agent.JudgeNamespaceRules()
	within[agent.Namespace] = append(within[agent.Namespace], rule("coordination.k8s.io", "leases", "delete"))
	for _, namespace := range slices.Sorted(maps.Keys(within)) {
		// The judge's role in its own namespace is another.
		judge = append(judge, roleWithin(namespace, fenceJudgeName+"-leases", within[namespace])...)
	}
	return append(bindTo(accountOf(o.Namespace, fenceKeeperName), keeper), bindTo(accountOf(o.Namespace, fenceJudgeName), judge)...)
}

// policies hold each keeper to its own node, by what its token says of that, and the
// judge to pets.
func (o FenceObjects) policies() []runtime.Object {
	const extra = `request.userInfo.extra`
	others := func(account string) string { return `request.userInfo.username != "` + account + `" || ` }
	onNode := func(name string) string {
		return `has(` + extra + `) && "` + identity.NodeNameKey + `" in ` + extra + ` && ` + extra + `["` + identity.NodeNameKey + `"][0] == ` + name
	}
	keepers := others(fenceKeeperAccount(o.Namespace))
	update := []admissionv1.OperationType{admissionv1.Update}
	return slices.Concat(
		leasesPolicy(keepers+onNode("object.metadata.name")),
		policy("mainstay-keepers-pods", admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods/status"}}, update, nil,
			keepers+onNode("object.spec.nodeName"), "a keeper may write the status of its own node's pods only"),
		policy("mainstay-keepers-nodes", admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"nodes/status"}}, update, nil,
			keepers+onNode("object.metadata.name"), "a keeper may write the status of its own node only"),
		policy("mainstay-judge", admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			[]admissionv1.OperationType{admissionv1.Delete}, nil,
			others(serviceaccount.MakeUsername(o.Namespace, fenceJudgeName))+failoverLabel("oldObject")+` == "`+v1alpha1.FailoverFenced+`"`,
			"the judge may delete only pods that bear the label "+v1alpha1.FailoverLabel),
		failoverPolicy(),
		policy("mainstay-pets", admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			[]admissionv1.OperationType{admissionv1.Create}, nil,
			failoverLabel("object")+` != "`+v1alpha1.FailoverFenced+`" || !has(object.spec.volumes) || object.spec.volumes.all(v, v.name != "`+keeperVolume+`")`,
			"a pod with the label "+v1alpha1.FailoverLabel+" must not have a volume of the name "+keeperVolume+": by that a keeper is known"),
	)
}

func leasesNamespace() *corev1.Namespace {
	return &corev1.Namespace{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
		ObjectMeta: metav1.ObjectMeta{Name: agent.Namespace},
	}
}

func checkKubeletCgroup(path string) error {
	if path == "" {
		return nil
	}
	// With a root of its own and systemd, its name is /kubelet.slice/kubelet-kubepods.slice.
	if err := checkNodePath("--kubelet-cgroup", path); err != nil || !strings.Contains(filepath.Base(path), "kubepods") {
		return fmt.Errorf("--kubelet-cgroup %q: write the cgroup that holds all pods, such as /kubepods.slice", path)
	}
	return nil
}

func checkKubeletHealth(address string) error {
	if parsed, err := url.Parse(address); err != nil || parsed.Scheme != "http" || parsed.Host == "" {
		return fmt.Errorf("--kubelet-health %q: write where kubelet tells whether it works, such as %s", address, DefaultKubeletHealth)
	}
	return nil
}
