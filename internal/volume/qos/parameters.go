package qos

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

// ErrParameter says that a class asks for what no volume can be held to.
var ErrParameter = errors.New("impossible parameter of a class")

// Parameters are what a class says of its volumes' reads and writes, taken
// together. Zero: nothing. IOPS are operations a second, throughput is bytes a
// second. An operation is a request of the volume's device.
type Parameters struct {
	MinIOPS       int64 `json:"minIops,omitempty"`
	MaxIOPS       int64 `json:"maxIops,omitempty"`
	MinThroughput int64 `json:"minThroughput,omitempty"`
	MaxThroughput int64 `json:"maxThroughput,omitempty"`
}

// The lowest maxima: with less, a file system could not even be unmounted in
// good time.
const (
	lowestMaxIOPS       = 10
	lowestMaxThroughput = 64 << 10
)

// Names are those of the parameters in a StorageClass or a VolumeAttributesClass.
func Names() []string {
	return []string{"minIops", "maxIops", "minThroughput", "maxThroughput"}
}

// field returns where a parameter is kept; nil for what is none.
func (p *Parameters) field(name string) *int64 {
	switch name {
	case "minIops":
		return &p.MinIOPS
	case "maxIops":
		return &p.MaxIOPS
	case "minThroughput":
		return &p.MinThroughput
	case "maxThroughput":
		return &p.MaxThroughput
	}
	return nil
}

// With returns the parameters changed to those of a class; what is absent
// changes nothing, "0" takes one back. Values are numbers or quantities such as
// "20Mi". The error wraps ErrParameter.
func (p Parameters) With(class map[string]string) (Parameters, error) {
	for _, name := range slices.Sorted(maps.Keys(class)) {
		field := p.field(name)
		if field == nil {
			return p, fmt.Errorf("%w: %q is none; there are %s", ErrParameter, name, strings.Join(Names(), ", "))
		}
		value, err := resource.ParseQuantity(strings.TrimSpace(class[name]))
		if err != nil || value.Sign() < 0 || value.Cmp(*resource.NewQuantity(value.Value(), value.Format)) != 0 {
			return p, fmt.Errorf("%w: %s is %q; write a whole number, such as 500 or 20Mi", ErrParameter, name, class[name])
		}
		*field = value.Value()
	}
	return p, p.check()
}

func (p Parameters) check() error {
	switch {
	case p.MaxIOPS > 0 && p.MinIOPS > p.MaxIOPS:
		return fmt.Errorf("%w: minIops %d is more than maxIops %d", ErrParameter, p.MinIOPS, p.MaxIOPS)
	case p.MaxThroughput > 0 && p.MinThroughput > p.MaxThroughput:
		return fmt.Errorf("%w: minThroughput %d is more than maxThroughput %d", ErrParameter, p.MinThroughput, p.MaxThroughput)
	case p.MaxIOPS > 0 && p.MaxIOPS < lowestMaxIOPS:
		return fmt.Errorf("%w: maxIops %d would hold up the file system itself; write %d or more", ErrParameter, p.MaxIOPS, lowestMaxIOPS)
	case p.MaxThroughput > 0 && p.MaxThroughput < lowestMaxThroughput:
		return fmt.Errorf("%w: maxThroughput %d would hold up the file system itself; write %d or more", ErrParameter, p.MaxThroughput, lowestMaxThroughput)
	}
	return nil
}

// Guaranteed says whether something is promised.
func (p Parameters) Guaranteed() bool { return p.MinIOPS > 0 || p.MinThroughput > 0 }
