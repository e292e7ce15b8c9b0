package provisioner

import (
	"math"
	"strings"
	"testing"

	storage "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/mainstay-io/mainstay/internal/volume/volumetest"
)

func TestBytesOf(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1": 1, "8Mi": 8 << 20, "100m": 1,
		"9223372036854775807":  math.MaxInt64,
		"9223372036854775808":  math.MaxInt64, // 2^63
		"18446744073709559808": math.MaxInt64, // 2^64 + 8 KiB
		"8Ei":                  math.MaxInt64,
	} {
		if got := bytesOf(resource.MustParse(text)); got != want {
			t.Errorf("%s are %d bytes, want %d", text, got, want)
		}
	}
}

// A claim of a size that no volume can have is told so.
func TestClaimOfImpossibleSize(t *testing.T) {
	c := startCluster(t, storage.VolumeBindingWaitForFirstConsumer)
	claim := c.claim(t, "data", "9223372036854775808", thisNode)
	volumetest.Eventually(t, "the claim says that no volume is so large", func() bool {
		return strings.Contains(strings.Join(c.events(t, claim), "\n"), "the largest volume has")
	})
	if records := c.records(t); len(records) != 0 {
		t.Errorf("the pool has %+v", records)
	}
}
