package engine

import (
	"fmt"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// accessOf returns how one of the engine's own parts reaches the API: with its
// own certificate, without upstream's limit on requests, in protobuf.
func accessOf(paths Paths, who string) (*rest.Config, error) {
	access, err := clientcmd.BuildConfigFromFlags("", paths.kubeconfigOf(who))
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig of %s: %w", who, err)
	}
	access.QPS = -1
	access.ContentType = "application/vnd.kubernetes.protobuf"
	access.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	access.UserAgent = "mainstay-" + who
	return access, nil
}

// clientOf returns a client that acts as one of the engine's own parts.
func clientOf(paths Paths, who string) (kubernetes.Interface, error) {
	access, err := accessOf(paths, who)
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(access)
}

// clientWithoutEngine is the same for who does not know whether one runs on this machine: it
// goes to any server that answers, and waits no longer than people do.
func clientWithoutEngine(paths Paths, who string) (kubernetes.Interface, error) {
	access, err := accessOf(paths, who)
	if err != nil {
		return nil, err
	}
	access.Dial = reachServers(paths).DialContext
	access.Timeout = apiPatience
	return kubernetes.NewForConfig(access)
}
