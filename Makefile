# Mainstay. `make help` lists what there is to do.
SHELL       := /bin/bash
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
KUBERNETES  := $(shell go list -m -f '{{.Version}}' k8s.io/kubernetes)
KUBEVERSION := k8s.io/component-base/version
LDFLAGS     := -s -w \
  -X github.com/mainstay-io/mainstay/internal/engine.Version=$(VERSION) \
  -X $(KUBEVERSION).gitVersion=$(KUBERNETES) -X $(KUBEVERSION).gitMajor=1 \
  -X $(KUBEVERSION).gitMinor=$(word 2,$(subst ., ,$(KUBERNETES))) -X $(KUBEVERSION).gitTreeState=clean -X $(KUBEVERSION).gitCommit=
# Pure Go: one static binary, and no C compiler needed.
export CGO_ENABLED := 0
# `make lint` vets the code. When go test does it, it reads all of Kubernetes.
NOVET := -vet=off
export MAINSTAY_BINARY := $(CURDIR)/bin/mainstay

.PHONY: help
help: ## list what there is to do
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: packages build image ## start Mainstay and a PostgreSQL of three pets on it
	@MAINSTAY=bin/mainstay examples/postgres/demo

.PHONY: test
test: packages build ## pass every test, those on real engines included
	@$(MAKE) --no-print-directory --jobs=2 test-unit lint
	@$(MAKE) --no-print-directory test-hosts
	@$(MAKE) --no-print-directory test-e2e
	@$(MAKE) --no-print-directory test-chaos

.PHONY: packages
packages: ## install the Debian packages that are missing
	@hack/packages

.PHONY: build
build: ## build bin/mainstay
	@mkdir -p bin
	@echo "building bin/mainstay $(VERSION) (the first time this compiles Kubernetes: some minutes)"
	@hack/build -ldflags '$(LDFLAGS)' -o bin/mainstay ./cmd/mainstay

.PHONY: image
image: ## build the image of the demo
	@examples/postgres/build-image

.PHONY: test-unit
test-unit: ## all tests but those on real engines
	go test $(NOVET) $$(go list ./... | grep -vE '/(test|bench)(/|$$)')

.PHONY: test-e2e
test-e2e: build ## try the real program, with real containers
	go test $(NOVET) -v -count=1 -timeout=45m ./test/e2e

.PHONY: test-hosts
test-hosts: packages ## break what the tests break with: machines on this one, their cables, their disks
	go test $(NOVET) -count=1 ./test/hosts/... ./test/netdisk/...

# It runs alone, as all tests on real engines: a leader that others starve loses its lease, and
# a machine is fenced, with good reason.
.PHONY: test-chaos
test-chaos: packages build ## lose machines five times in each way, and see their pet back elsewhere (about twelve minutes)
	go test $(NOVET) -v -count=1 -timeout=40m ./test/chaos

.PHONY: chaos
chaos: packages build ## lose machines 50 times in each way, and print how long their pets were away (about an hour and a half)
	go test $(NOVET) -v -count=1 -timeout=8h ./test/chaos -args -runs 50 -outage 10m -database-losses 20

.PHONY: hosts
hosts: packages ## make machines on this one, to try and to break: make hosts N=3
	@mkdir -p bin
	@go build -o bin/hosts ./hack/hosts
	@bin/hosts make --hosts $(or $(N),3)

.PHONY: test-machine
test-machine: packages build ## try it under systemd and cgroup v2, on a virtual machine (slow without KVM)
	test/machine/run

.PHONY: test-postgres
test-postgres: packages build ## kill a database, its runtime and the engine in each of the changes to its volume
	go test $(NOVET) -v -count=1 -run '^TestPostgres$$' ./test/e2e -args -long

.PHONY: test-upstream
test-upstream: ## play scenarios with upstream's StatefulSet controller and ours, and compare
	go test $(NOVET) -v -count=1 -run TestSideBySide ./internal/petset/controller -args -side-by-side

.PHONY: test-conformance
test-conformance: packages build ## let Kubernetes' own end-to-end tests judge the StatefulSets (20 minutes)
	go test $(NOVET) -tags=conformance -v -count=1 -timeout=60m ./test/conformance

.PHONY: lint
lint: ## check style, import layers, that decisions stay pure, and what is generated
	go tool -modfile=tools/go.mod golangci-lint run ./...
	shellcheck hack/packages hack/build test/machine/run test/machine/inside test/machine/kernel examples/postgres/build-image examples/postgres/demo .ci/run
	@rm -rf build/_generated && $(MAKE) --no-print-directory generate INTO=build/_generated
	@cd build/_generated && for file in $$(find * -type f); do cmp "$$file" "../../$$file" || { echo "$$file is not what the comments in api/ make: run make generate"; exit 1; }; done

# Where `generate` writes; `lint` has it write elsewhere, and compares.
INTO ?= .

.PHONY: generate
generate: ## make what is made of the comments in api/
	@mkdir -p $(INTO)/docs $(INTO)/internal/engine/addons
	go tool -modfile=tools/generate/go.mod controller-gen object crd:generateEmbeddedObjectMeta=true paths=./api/... output:object:dir=$(INTO)/api/v1alpha1 output:crd:dir=$(INTO)/api/v1alpha1/crd
	go tool -modfile=tools/generate/go.mod controller-gen 'rbac:roleName="mainstay:petset",fileName=petset-roles.yaml' paths=./internal/petset/controller output:rbac:dir=$(INTO)/internal/engine/addons
	go run ./hack/definition $(INTO)/api/v1alpha1/crd/mainstay.dev_petsets.yaml
	go run ./hack/petsetdocs $(INTO)/docs/petset.md
	install -D -m 644 -t $(INTO)/internal/volume/snapshots/crd "$$(go list -m -f '{{.Dir}}' github.com/kubernetes-csi/external-snapshotter/client/v8)"/config/crd/*snapshot*.yaml

.PHONY: sim
sim: ## run random histories of sets, and of clusters that fence: make sim SEEDS=100000
	go test -vet=off -count=1 -timeout=0 -run 'TestWalks|TestSimulation' ./internal/petset ./internal/fence -args -seeds $(or $(SEEDS),20000) -seed $(or $(SEED),1)

.PHONY: model
model: packages ## check the models of the fence to their ends, and that every rule is needed
	go test -vet=off -v -count=1 -timeout=30m -run TestModel ./internal/fence -args -model

.PHONY: bench
bench: packages build ## measure speed and memory, against yardsticks of the same run
	go test -count=1 -timeout=90m -run '^$$' -bench . -benchtime 1x ./bench

.PHONY: clean
clean: ## remove what was built
	rm -rf bin build
