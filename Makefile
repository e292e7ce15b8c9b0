# Mainstay. `make help` lists what there is to do.
SHELL       := /bin/bash
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
KUBERNETES  := $(shell go list -m -f '{{.Version}}' k8s.io/kubernetes 2>/dev/null)
KUBEVERSION := k8s.io/component-base/version
LDFLAGS     := -s -w \
  -X github.com/mainstay-io/mainstay/internal/engine.Version=$(VERSION) \
  -X $(KUBEVERSION).gitVersion=$(KUBERNETES) -X $(KUBEVERSION).gitMajor=1 -X $(KUBEVERSION).gitMinor=$(word 2,$(subst ., ,$(KUBERNETES))) \
  -X $(KUBEVERSION).gitTreeState=clean -X $(KUBEVERSION).gitCommit=

.PHONY: help
help: ## list what there is to do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/mainstay
	@mkdir -p bin
	go build -ldflags '$(LDFLAGS)' -o bin/mainstay ./cmd/mainstay
