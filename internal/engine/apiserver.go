package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/wait"
	apiserverv1 "k8s.io/apiserver/pkg/apis/apiserver/v1"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/kubernetes"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
	"sigs.k8s.io/yaml"
)

// runAPIServer runs the API server until ctx ends.
func runAPIServer(ctx context.Context, config Config, paths Paths) error {
	if err := writeAuthentication(paths); err != nil {
		return err
	}
	run := options.NewServerRunOptions()
	flags := pflag.NewFlagSet("kube-apiserver", pflag.ContinueOnError)
	for _, set := range run.Flags().FlagSets {
		flags.AddFlagSet(set)
	}
	if err := flags.Parse(apiServerFlags(config, paths)); err != nil {
		return err
	}
	if err := run.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return err
	}
	completed, err := run.Complete(ctx)
	if err != nil {
		return err
	}
	return serveAPI(ctx, completed)
}

// serveAPI does what app.Run does, but for the descriptions of the API.
func serveAPI(ctx context.Context, options options.CompletedOptions) error {
	config, err := app.NewConfig(options)
	if err != nil {
		return err
	}
	builtIn := config.KubeAPIs.ControlPlane.Generic
	openAPIV2, openAPIV3 := builtIn.OpenAPIConfig, builtIn.OpenAPIV3Config
	builtIn.OpenAPIConfig = nil
	completed, err := config.Complete()
	if err != nil {
		return err
	}
	server, err := app.CreateServerChain(completed)
	if err != nil {
		return err
	}
	prepared, err := server.PrepareRun()
	if err != nil {
		return err
	}
	builtInServer, ok := server.GenericAPIServer.NextDelegate().(*genericapiserver.GenericAPIServer)
	if !ok {
		return errors.New("the API server is not made of the parts that we know")
	}
	serveOpenAPIV2(builtInServer, openAPIV2)
	openAPIV3.Definitions = nil // the descriptions are made of them, and are made
	return prepared.Run(ctx)
}

// apiServerFlags spells the configuration in the words of kube-apiserver's own
// documentation, so that whoever knows it can check it.
func apiServerFlags(config Config, paths Paths) []string {
	etcd := config.etcd(paths)
	return append([]string{
		"--advertise-address=" + config.NodeIP.String(),
		fmt.Sprintf("--secure-port=%d", APIPort),
		"--tls-cert-file=" + paths.pkiFile(apiServerChain),
		"--tls-private-key-file=" + paths.pkiFile("apiserver.key"),
		"--client-ca-file=" + paths.pkiFile("ca.crt"),
		"--enable-bootstrap-token-auth=true",
		"--authentication-config=" + paths.authentication(),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--encryption-provider-config=" + paths.encryptionConfig(),
		"--profiling=false",

		"--etcd-servers=" + strings.Join(etcd.Servers, ","),
		"--etcd-cafile=" + etcd.CAFile,
		"--etcd-certfile=" + etcd.CertFile,
		"--etcd-keyfile=" + etcd.KeyFile,

		"--kubelet-certificate-authority=" + paths.pkiFile("ca.crt"),
		"--kubelet-client-certificate=" + paths.pkiFile("apiserver-kubelet-client.crt"),
		"--kubelet-client-key=" + paths.pkiFile("apiserver-kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP",

		"--service-cluster-ip-range=" + ServiceCIDR,
		"--service-account-issuer=https://kubernetes.default.svc." + ClusterDomain,
		"--service-account-key-file=" + paths.pkiFile("sa.pub"),
		"--service-account-signing-key-file=" + paths.pkiFile("sa.key"),
		"--allow-privileged=true",

		"--requestheader-client-ca-file=" + paths.pkiFile("front-proxy-ca.crt"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + paths.pkiFile("front-proxy-client.crt"),
		"--proxy-client-key-file=" + paths.pkiFile("front-proxy-client.key"),
	}, auditFlags(paths)...)
}

func (p Paths) authentication() string { return p.configFile("authentication.yaml") }

// writeAuthentication lets the anonymous ask for health and nothing else.
func writeAuthentication(paths Paths) error {
	content, err := yaml.Marshal(apiserverv1.AuthenticationConfiguration{
		TypeMeta: metav1.TypeMeta{APIVersion: apiserverv1.SchemeGroupVersion.String(), Kind: "AuthenticationConfiguration"},
		Anonymous: &apiserverv1.AnonymousAuthConfig{Enabled: true, Conditions: []apiserverv1.AnonymousAuthCondition{
			{Path: "/livez"}, {Path: "/readyz"}, {Path: "/healthz"},
		}},
	})
	if err != nil {
		return err
	}
	return writeFile(paths.authentication(), content)
}

// waitForAPI returns when the API server can serve a node: it answers, and the
// namespace that our own objects live in is there.
func waitForAPI(ctx context.Context, client kubernetes.Interface) error {
	return wait.PollUntilContextCancel(ctx, 20*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		_, err := client.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
		return err == nil, nil
	})
}

// groupsInUse are the API groups that the engine's own parts and objects need.
var groupsInUse = []string{"apps", "rbac.authorization.k8s.io", "discovery.k8s.io", "storage.k8s.io", "apiregistration.k8s.io"}

// waitForGroups returns when the API server knows the groups that we use, and
// tells of them to somebody who is not an administrator: its access rules work.
// Its own /readyz says so later, after more than we need.
func waitForGroups(ctx context.Context, paths Paths) error {
	access, err := accessOf(paths, "petset")
	if err != nil {
		return err
	}
	access.ContentType, access.AcceptContentTypes = "application/json", "application/json"
	client, err := kubernetes.NewForConfig(access)
	if err != nil {
		return err
	}
	return wait.PollUntilContextCancel(ctx, 20*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		var groups metav1.APIGroupList
		if err := client.Discovery().RESTClient().Get().AbsPath("/apis").Do(ctx).Into(&groups); err != nil {
			return false, nil
		}
		known := sets.New[string]()
		for _, group := range groups.Groups {
			known.Insert(group.Name)
		}
		return known.HasAll(groupsInUse...), nil
	})
}
