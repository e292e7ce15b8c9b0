package engine

import (
	"net/http"
	"time"

	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// insist asks again and again until the API answers, or stop is closed, if somebody wants
// to know what changes. Upstream's own way (cache.Reflector) is to wait after each failure,
// in the end for up to a minute: a machine that is back from an outage would not see for so
// long which pets come to it, nor where others are.
func insist(next http.RoundTripper, stop <-chan struct{}) roundTripper {
	return func(request *http.Request) (*http.Response, error) {
		for pause := tryAgain; ; pause = min(2*pause, time.Second) {
			response, err := next.RoundTrip(request)
			if err == nil || !follows(request) {
				return response, err
			}
			select {
			case <-time.After(pause):
			case <-stop:
				return nil, errLifelineCut
			case <-request.Context().Done():
				return nil, err
			}
		}
	}
}

// follows tells the requests of who keeps a copy of what the API has: lists and watches.
func follows(request *http.Request) bool {
	query := request.URL.Query()
	return request.Method == http.MethodGet && (query.Has("watch") || query.Has("resourceVersion"))
}

// Upstream's proxy and name service make their clients from kubeconfigs. What they can be
// given along there is an auth provider, which has the say over the client's transport.
// This one insists, and adds no credentials to those of the kubeconfig.
const patientProvider = "mainstay.dev/patient"

func init() {
	// Nobody else has that name.
	_ = rest.RegisterAuthProviderPlugin(patientProvider, func(string, map[string]string, rest.AuthProviderConfigPersister) (rest.AuthProvider, error) {
		return patient{}, nil
	})
}

type patient struct{}

func (patient) WrapTransport(next http.RoundTripper) http.RoundTripper { return insist(next, nil) }
func (patient) Login() error                                           { return nil }

// patientParts are those that must know soon what has changed meanwhile.
var patientParts = map[string]bool{"dns": true, "proxy": true}

func providerOf(part string) *clientcmdapi.AuthProviderConfig {
	if !patientParts[part] {
		return nil
	}
	return &clientcmdapi.AuthProviderConfig{Name: patientProvider}
}
