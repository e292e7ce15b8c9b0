//go:build depstmp

package main

import (
	_ "github.com/cockroachdb/datadriven"
	_ "github.com/container-storage-interface/spec/lib/go/csi"
	_ "github.com/kubernetes-csi/csi-test/v5/pkg/sanity"
	_ "github.com/kubernetes-csi/external-provisioner/v6/pkg/controller"
	_ "github.com/spf13/cobra"
	_ "go.etcd.io/etcd/etcdutl/v3/snapshot"
	_ "golang.org/x/tools/txtar"
	_ "k8s.io/kubectl/pkg/cmd"
	_ "sigs.k8s.io/controller-runtime"
)
