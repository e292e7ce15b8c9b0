package poolstatus

import (
	"testing"
	"time"

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
