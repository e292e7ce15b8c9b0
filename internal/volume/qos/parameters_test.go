package qos

import (
	"errors"
	"testing"
)

func TestParametersWith(t *testing.T) {
	had := Parameters{MinIOPS: 100, MaxIOPS: 1000}
	for _, c := range []struct {
		why   string
		class map[string]string
		want  Parameters // the zero value: refused
	}{
		{"nothing said changes nothing", nil, had},
		{"what is absent stays", map[string]string{"minThroughput": "20Mi"}, Parameters{MinIOPS: 100, MaxIOPS: 1000, MinThroughput: 20 << 20}},
		{"a decimal quantity", map[string]string{"maxThroughput": "1M"}, Parameters{MinIOPS: 100, MaxIOPS: 1000, MaxThroughput: 1_000_000}},
		{"zero takes one back", map[string]string{"minIops": "0"}, Parameters{MaxIOPS: 1000}},
		{"both at once", map[string]string{"minIops": "2000", "maxIops": "3k"}, Parameters{MinIOPS: 2000, MaxIOPS: 3000}},
		{"a minimum above the maximum", map[string]string{"minIops": "1001"}, Parameters{}},
		{"a throughput above its maximum", map[string]string{"minThroughput": "2Mi", "maxThroughput": "1Mi"}, Parameters{}},
		{"an unknown parameter", map[string]string{"iops": "5"}, Parameters{}},
		{"another spelling", map[string]string{"minIOPS": "5"}, Parameters{}},
		{"a negative number", map[string]string{"minIops": "-1"}, Parameters{}},
		{"a fraction", map[string]string{"minIops": "0.5"}, Parameters{}},
		{"more than there are numbers", map[string]string{"maxIops": "0", "minIops": "1E30"}, Parameters{}},
		{"no number", map[string]string{"minIops": "fast"}, Parameters{}},
		{"nothing", map[string]string{"minIops": ""}, Parameters{}},
		{"a maximum that stops everything", map[string]string{"minIops": "0", "maxIops": "1"}, Parameters{}},
		{"bytes that stop everything", map[string]string{"maxThroughput": "1Ki"}, Parameters{}},
	} {
		got, err := had.With(c.class)
		if refused := c.want == (Parameters{}); refused != errors.Is(err, ErrParameter) || !refused && (err != nil || got != c.want) {
			t.Errorf("%s: %+v, %v", c.why, got, err)
		}
	}
}
