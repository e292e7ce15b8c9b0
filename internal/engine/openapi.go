package engine

import (
	"net/http"
	"sync"

	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/mux"
	"k8s.io/apiserver/pkg/server/routes"
	"k8s.io/kube-openapi/pkg/common"
)

// serveOpenAPIV2 serves the description of the built-in API in OpenAPI version 2
// as the API server would by itself, but makes it when it is first asked for:
// kubectl has moved to version 3. It is a sixth of what a start allocates, and
// 15 MB for ever.
func serveOpenAPIV2(server *genericapiserver.GenericAPIServer, config *common.Config) {
	description := sync.OnceValue(func() http.Handler {
		made := mux.NewPathRecorderMux("openapi")
		routes.OpenAPI{Config: config}.InstallV2(server.Handler.GoRestfulContainer, made)
		return made
	})
	server.Handler.NonGoRestfulMux.HandleFunc("/openapi/v2", func(response http.ResponseWriter, request *http.Request) {
		description().ServeHTTP(response, request)
	})
}
