package poolstatus

import (
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

func TestStatusOf(t *testing.T) {
	o := observed{capacity: 100 << 30, available: 60 << 30, records: []volume.Record{
		{ID: "b", Claim: "shop/data-db-0", Bytes: 1 << 30, Quality: qos.Parameters{MinIOPS: 200, MaxThroughput: 10 << 20}},
		{ID: "a", Bytes: 2 << 30},
	}}
	o.ledger.Promised = []qos.Parameters{o.records[0].Quality}
	unmeasured := statusOf(o)
	if unmeasured.Envelope != nil || unmeasured.Promised.Share != "-" || unmeasured.Left.IOPS != 0 {
		t.Errorf("a pool that was never measured: %+v", unmeasured)
	}
	o.ledger.Envelope = qos.Envelope{ReadIOPS: 1500, WriteIOPS: 1000, ReadThroughput: 300 << 20, WriteThroughput: 200 << 20, Measured: time.Unix(1_800_000_000, 0)}
	s := statusOf(o)
	if s.Promised.Share != "20 %" || s.Promised.IOPS != 200 || s.Left.IOPS != 600 || s.Left.Throughput.String() != "120Mi" || s.Left.Share != "60 %" {
		t.Errorf("promised %+v, left %+v", s.Promised, s.Left)
	}
	if s.VolumeCount != 2 || s.Volumes[0].Name != "a" || s.Volumes[0].MinIOPS != 0 || s.Volumes[0].MaxThroughput != nil {
		t.Errorf("the volumes: %+v", s.Volumes)
	}
	if v := s.Volumes[1]; v.Claim != "shop/data-db-0" || v.Size.String() != "1Gi" || v.MinIOPS != 200 || v.MaxThroughput.String() != "10Mi" {
		t.Errorf("the volume of a claim: %+v", v)
	}
}

// Of a pool that cannot be used nothing is left, and its volumes stay known.
func TestUnusablePool(t *testing.T) {
	last := statusOf(observed{capacity: 100 << 30, available: 60 << 30, records: []volume.Record{{ID: "a", Bytes: 1 << 30}}})
	last.Left.IOPS = 100
	s := unusableStatus(last)
	if s.Available.Value() != 0 || s.Left.IOPS != 0 || s.VolumeCount != 1 || s.Capacity.Value() != 100<<30 {
		t.Errorf("%+v", s)
	}
	if last.Available.Value() != 60<<30 {
		t.Errorf("what was known has become %+v", last)
	}
	if c := ready(errors.New("where is it?")); c.Status != metav1.ConditionFalse || c.Message != "where is it?" {
		t.Errorf("not ready is %+v", c)
	}
	if c := ready(nil); c.Status != metav1.ConditionTrue || c.Reason == "" {
		t.Errorf("ready is %+v", c)
	}
}

func TestDirectories(t *testing.T) {
	if c := directories(errors.New("no quotas")); c.Type == ready(nil).Type || c.Status != metav1.ConditionFalse || c.Message != "no quotas" {
		t.Errorf("a pool that can have none: %+v", c)
	}
	if c := directories(nil); c.Status != metav1.ConditionTrue || c.Reason == "" {
		t.Errorf("a pool that can have some: %+v", c)
	}
}

func TestResourceName(t *testing.T) {
	if a, b := resourceName("node-a", volume.DefaultPool), resourceName("node-a", "fast"); a != "node-a" || b != "node-a.fast" {
		t.Errorf("%s, %s", a, b)
	}
}
