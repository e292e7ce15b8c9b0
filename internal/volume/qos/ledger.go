package qos

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

// ErrNoPerformance says that the pool cannot promise what was asked for.
var ErrNoPerformance = errors.New("the pool cannot promise that performance")

// Promisable is the part of an envelope that is given away. The rest is for
// those who were promised nothing, and for the error of the measurement.
const Promisable = 0.8

const (
	neverMeasured = "it was never measured; run `mainstay pool probe` on its node"
	unheld        = "it has volumes with backend: directory, which cannot be held back for others; use another pool"
)

// Ledger is what a pool can do, and what it owes its volumes.
type Ledger struct {
	Envelope Envelope
	// Promised are the parameters of its volumes, in any order.
	Promised []Parameters
	// Unheld says that the pool has volumes that nobody can hold back for others.
	Unheld bool
}

// share that a volume's promise takes.
func (l Ledger) share(p Parameters) float64 {
	return l.Envelope.Share(float64(p.MinIOPS), float64(p.MinThroughput))
}

// Owed is the part of the envelope that is promised, at most Promisable unless
// the pool was measured anew since, and found slower.
func (l Ledger) Owed() float64 {
	sum := 0.0
	for _, p := range l.Promised {
		sum += l.share(p)
	}
	return sum
}

// Left is what may yet be promised: so many operations a second, or so many
// bytes, not both.
func (l Ledger) Left() (iops, throughput int64) {
	if l.Unheld {
		return 0, 0
	}
	left := max(Promisable-l.Owed(), 0)
	return int64(left * float64(l.Envelope.IOPS())), int64(left * float64(l.Envelope.Throughput()))
}

// Admit says whether the pool can promise a volume what it asks for. The volume
// is not among those of the ledger; what it had before is. Less than it had is
// always given. The error wraps ErrNoPerformance, and says what lacks.
func (l Ledger) Admit(had, wants Parameters) error {
	switch share := l.share(wants); {
	case wants.MinIOPS <= had.MinIOPS && wants.MinThroughput <= had.MinThroughput:
		return nil
	case !l.Envelope.known():
		return fmt.Errorf("%w: %s", ErrNoPerformance, neverMeasured)
	case l.Unheld:
		return fmt.Errorf("%w: %s", ErrNoPerformance, unheld)
	case l.Owed()+share > Promisable:
		iops, throughput := l.Left()
		return fmt.Errorf("%w: wanted are %s, %s of what it can do; left are %s or %s a second, %s of %s (it was measured to do %d IOPS or %s a second, and a fifth is never promised)",
			ErrNoPerformance, wants.Minima(), Percent(share), fmt.Sprintf("%d IOPS", iops), bytesText(WholeMebi(throughput)),
			Percent(max(Promisable-l.Owed(), 0)), Percent(Promisable), l.Envelope.IOPS(), bytesText(l.Envelope.Throughput()))
	}
	return nil
}

// Lack says in few words of a pool that does not admit a volume what it has, such
// as "300 IOPS left of 960 IOPS, 1000 IOPS asked": of all that it may promise.
func (l Ledger) Lack(wants Parameters) string {
	if !l.Envelope.known() {
		return neverMeasured
	}
	if l.Unheld {
		return unheld
	}
	iops, throughput := l.Left()
	allIOPS, all := Ledger{Envelope: l.Envelope}.Left()
	return fmt.Sprintf("%s left of %s, %s asked", wants.describe(iops, WholeMebi(throughput), " or "),
		wants.describe(allIOPS, WholeMebi(all), " or "), wants.Minima())
}

// Minima writes what is promised for people; "nothing" where that is so.
func (p Parameters) Minima() string {
	if !p.Guaranteed() {
		return "nothing"
	}
	return p.describe(p.MinIOPS, p.MinThroughput, " and ")
}

// describe writes those of the rates of which the parameters promise something.
func (p Parameters) describe(iops, throughput int64, conjunction string) string {
	var parts []string
	if p.MinIOPS > 0 {
		parts = append(parts, fmt.Sprintf("%d IOPS", iops))
	}
	if p.MinThroughput > 0 {
		parts = append(parts, bytesText(throughput)+" a second")
	}
	return strings.Join(parts, conjunction)
}

// WholeMebi makes a number of bytes easy to read; less than a mebibyte becomes whole
// kibibytes, and less than one stays.
func WholeMebi(n int64) int64 {
	const kibi, mebi = 1 << 10, 1 << 20
	switch {
	case n >= mebi:
		return n / mebi * mebi
	case n >= kibi:
		return n / kibi * kibi
	}
	return n
}

// Percent writes a part of an envelope for people.
func Percent(part float64) string { return fmt.Sprintf("%.0f %%", 100*part) }

func bytesText(n int64) string { return resource.NewQuantity(n, resource.BinarySI).String() }
