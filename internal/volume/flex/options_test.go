package flex

import (
	"encoding/base64"
	"reflect"
	"strings"
	"testing"
	"testing/quick"

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

func TestReadRequest(t *testing.T) {
	none := map[string]string{}
	for _, c := range []struct {
		why, options string
		want         request
	}{
		{"with quality of service", options("maxIops", "500", "minThroughput", "20Mi"),
			request{spec: volume.Spec{Name: "flex.default.data", Claim: "default/data", Quality: qos.Parameters{MaxIOPS: 500, MinThroughput: 20 * mib}},
				quality: map[string]string{"maxIops": "500", "minThroughput": "20Mi"}}},
		{"that is taken back", options("maxIops", "0"),
			request{spec: volume.Spec{Name: "flex.default.data", Claim: "default/data"}, quality: map[string]string{"maxIops": "0"}}},
		{"named by the PersistentVolume, or by the pod", options(),
			request{spec: volume.Spec{Name: "flex.default.data", Claim: "default/data"}}},
		{"named by the user", options("volume", "orders"),
			request{spec: volume.Spec{Name: "flex.default.orders", Claim: "default/orders"}}},
		{"another namespace has another volume of that name", options("volume", "orders", podNamespaceKey, "shop"),
			request{spec: volume.Spec{Name: "flex.shop.orders", Claim: "shop/orders"}}},
		{"with a size", options("size", "64Mi"),
			request{spec: volume.Spec{Name: "flex.default.data", Claim: "default/data", RequiredBytes: 64 * mib}}},
		{"with a size in plain bytes", options("size", "1"),
			request{spec: volume.Spec{Name: "flex.default.data", Claim: "default/data", RequiredBytes: 1}}},
		{"the largest size", options("size", "17591112302592"),
			request{spec: volume.Spec{Name: "flex.default.data", Claim: "default/data", RequiredBytes: volume.MaxSize}}},
		{"with a file system", options(fsTypeKey, "xfs"),
			request{spec: volume.Spec{Name: "flex.default.data", Claim: "default/data", FileSystem: volume.XFS}}},
		{"a directory", options("backend", "directory"),
			request{spec: volume.Spec{Name: "flex.default.data", Claim: "default/data", FileSystem: volume.Directory}}},
		{"from another pool", options("pool", "fast"),
			request{pool: "fast", spec: volume.Spec{Name: "flex.default.data", Claim: "default/data"}}},
		{"for reading only", options(readWriteKey, "ro"),
			request{spec: volume.Spec{Name: "flex.default.data", Claim: "default/data"}, readOnly: true}},
	} {
		if c.want.quality == nil {
			c.want.quality = none
		}
		if c.want.pool == "" {
			c.want.pool = volume.DefaultPool
		}
		if got, err := readRequest(c.options); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v (%v), want %+v", c.why, got, err, c.want)
		}
	}
}

func TestReadRequestRefusals(t *testing.T) {
	for _, c := range []struct{ why, options, says string }{
		{"nothing", "", "not a JSON object"},
		{"not JSON", "size=1Gi", "not a JSON object"},
		{"cut short", `{"size":`, "not a JSON object"},
		{"another JSON", `["size"]`, "not a JSON object"},
		{"a number", `{"size": 1}`, "not a JSON object"},
		{"a secret", options(secretPrefix+"password", "aHVudGVyMg=="), "remove secretRef"},
		{"the type of file system as an option", options("fsType", "xfs"), "beside driver"},
		{"an unknown option", options("Size", "1Gi"), `no option "Size"; there are volume, size, pool, backend, minIops`},
		{"no namespace", options(podNamespaceKey, ""), "pod.namespace"},
		{"no options", "{}", "pod.namespace"},
		{"JSON's null", "null", "pod.namespace"},
		{"an empty name", options("volume", ""), "no name"},
		{"an empty size", options("size", ""), "no quantity"},
		{"a size that is none", options("size", "large"), "no quantity"},
		{"a size of nothing", options("size", "0"), "cannot be had"},
		{"a negative size", options("size", "-1"), "cannot be had"},
		{"more than the largest size", options("size", "17591112302593"), "cannot be had"},
		{"2^63", options("size", "9223372036854775808"), "cannot be had"},
		{"a size beyond all numbers", options("size", "1e400"), "cannot be had"},
		{"another file system", options(fsTypeKey, "btrfs"), "use ext4 or xfs"},
		{"no file system", options(fsTypeKey, "block"), "use ext4 or xfs"},
		{"a path as a file system", options(fsTypeKey, "../ext4"), "use ext4 or xfs"},
		{"an unknown backend", options("backend", "lvm"), "there are file and directory"},
		{"a directory with a file system of its own", options("backend", "directory", fsTypeKey, "xfs"), "file system of its pool"},
		{"rights that kubelet does not know", options(readWriteKey, "rwx"), "ro or rw"},
		{"no rights", options(readWriteKey, ""), "ro or rw"},
		{"a quality that is none", options("minIops", "many"), "minIops"},
		{"a minimum above the maximum", options("minIops", "500", "maxIops", "400"), "more than maxIops"},
	} {
		if got, err := readRequest(c.options); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %+v (%v), want an error with %q", c.why, got, err, c.says)
		}
	}
}

// Never is a secret repeated, whatever else is in the options.
func TestSecretsAreNotRepeated(t *testing.T) {
	check := func(key string, data [16]byte, rest string) bool {
		secret := base64.StdEncoding.EncodeToString(data[:])
		for _, text := range []string{
			options(secretPrefix+key, secret), options(secretPrefix+key, secret, rest, rest),
			options(secretPrefix+key, secret) + rest, `{"` + secretPrefix + `key":"` + secret + `",` + rest,
		} {
			_, err := readRequest(text)
			if err == nil || strings.Contains(string(failed(err).line()), secret) {
				t.Logf("%s: %v", text, err)
				return false
			}
		}
		return true
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
}

// Never do two namespaces, or two names in one, share a volume; and no volume of
// ours has the name of one that CSI makes.
func TestNamesAreApart(t *testing.T) {
	const labels = "abcdefghijklmnopqrstuvwxyz0123456789-"
	label := func(seed []byte) string {
		var b strings.Builder
		for _, c := range seed {
			b.WriteByte(labels[int(c)%len(labels)])
		}
		return "n" + b.String()
	}
	owner := map[string][2]string{}
	check := func(namespaceSeed []byte, name string) bool {
		for _, name := range []string{name, "pvc-" + name, label(namespaceSeed) + "." + name} {
			key := [2]string{label(namespaceSeed), name}
			pool, err := poolName(map[string]string{podNamespaceKey: key[0], volumeOption: name})
			if name == "" {
				return err != nil
			}
			id := volume.IDFor(pool)
			other, taken := owner[id]
			owner[id] = key
			if err != nil || taken && other != key || strings.HasPrefix(id, "pvc-") {
				t.Logf("%v and %v are both %s (%v)", key, other, id, err)
				return false
			}
		}
		return true
	}
	if err := quick.Check(check, &quick.Config{MaxCount: 2000}); err != nil {
		t.Error(err)
	}
}
