package engine

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestRuntimeInfo reads what containerd 1.6 tells (of many fields, those that we
// know), what a runtime tells that has no such fields, and what makes no sense.
func TestRuntimeInfo(t *testing.T) {
	for _, c := range []struct {
		name string
		info map[string]string
		want runtimeInfo
		fail bool
	}{
		{
			name: "containerd",
			info: map[string]string{
				"golang": `"go1.19.8"`,
				"config": `{"sandboxImage": "registry.k8s.io/pause:3.6", "containerd": {"defaultRuntimeName": "runc", "runtimes": {
					"other": {"options": null}, "runc": {"runtimeType": "io.containerd.runc.v2", "options": {"BinaryName": "", "SystemdCgroup": true}}}}}`,
				"cniconfig": `{"PluginDirs": ["/usr/lib/cni"], "PluginConfDir": "/etc/cni/net.d", "Networks": [
					{"Config": {"Name": "cni-loopback"}, "IFName": "lo"}, {"Config": {"Name": "mainstay"}, "IFName": "eth0"}]}`,
			},
			want: runtimeInfo{
				sandboxImage: "registry.k8s.io/pause:3.6", systemdCgroup: true, networkDir: "/etc/cni/net.d",
				pluginDirs: []string{"/usr/lib/cni"}, networks: []string{"cni-loopback", "mainstay"},
			},
		},
		{name: "a runtime that tells nothing", info: map[string]string{"version": "1"}},
		{name: "nonsense", info: map[string]string{"config": "{"}, fail: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got runtimeInfo
			err := got.read(c.info)
			if (err != nil) != c.fail {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

// TestRuntimeCheck lists configurations under which no pod could start.
func TestRuntimeCheck(t *testing.T) {
	plugins := t.TempDir()
	for _, plugin := range []string{"ptp", "host-local", "portmap"} {
		if err := os.WriteFile(filepath.Join(plugins, plugin), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		info runtimeInfo
		says string // empty: it is fit
	}{
		{info: runtimeInfo{}},
		{info: runtimeInfo{pluginDirs: []string{"/no/such", plugins}}},
		{info: runtimeInfo{pluginDirs: []string{"/no/such"}}, says: "there is no ptp"},
		{info: runtimeInfo{systemdCgroup: true}, says: "SystemdCgroup = false"},
	} {
		err := c.info.check("unix:///run/some.sock")
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%+v: %v; it should say %q", c.info, err, c.says)
		}
	}
}

// TestOwnPods: a runtime of somebody else's holds our pods beside others, told
// apart by what kubelet leaves on disk for each of ours.
func TestOwnPods(t *testing.T) {
	paths := Paths{DataDir: t.TempDir()}
	if own, err := ownPods(paths); err != nil || len(own) != 0 {
		t.Errorf("before the first start: %v, %v", own, err)
	}
	for _, directory := range []string{
		filepath.Join(paths.podLogs(), "default_web-0_0f7d-1"), filepath.Join(paths.Kubelet(), "pods", "0f7d-2"),
	} {
		if err := os.MkdirAll(directory, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if own, err := ownPods(paths); err != nil || len(own) != 2 || !own.HasAll("0f7d-1", "0f7d-2") {
		t.Errorf("two pods: %v, %v", own, err)
	}
}
