package join

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/version"
)

// MaxClockOffset is how far two machines' clocks may differ: certificates, tokens and
// leases are judged by them.
const MaxClockOffset = time.Minute

// CheckClock refuses a machine whose clock is too far from the server's.
func CheckClock(ahead time.Duration) error {
	if ahead.Abs() <= MaxClockOffset {
		return nil
	}
	direction := "behind"
	if ahead < 0 {
		direction = "ahead of"
	}
	return fmt.Errorf("this machine's clock is %s %s the server's: set both right (see timedatectl), then join again", ahead.Abs().Round(time.Second), direction)
}

// By how many minor versions a node, or a further server, may be older than the server
// (https://kubernetes.io/releases/version-skew-policy).
const (
	OldestKubelet = 3
	OldestServer  = 1
)

// CheckVersion refuses a machine whose Kubernetes does not go with the server's: one
// that is newer, or older by more minor versions than that.
func CheckVersion(server, own string, oldest uint) error {
	theirs, err := version.ParseGeneric(server)
	if err != nil {
		return fmt.Errorf("the server runs Kubernetes %q, which is no version that this program knows: %w", server, err)
	}
	ours, err := version.ParseGeneric(own)
	if err != nil {
		return fmt.Errorf("this program's own version %q: %w", own, err)
	}
	switch {
	case ours.Major() != theirs.Major(), ours.Minor() > theirs.Minor():
		return fmt.Errorf("the server runs Kubernetes %s and this machine would run %s, which is newer: update mainstay on the server first", server, own)
	case ours.Minor()+oldest < theirs.Minor():
		return fmt.Errorf("the server runs Kubernetes %s, and this machine's %s is too old for it: install the server's version of mainstay here", server, own)
	}
	return nil
}

// CheckName refuses the name of a node that is alive. One that is not may be this
// very machine, installed anew.
func CheckName(node *corev1.Node) error {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
			return fmt.Errorf("the cluster has a node %s already, and it is Ready: choose another name with --node-name", node.Name)
		}
	}
	return nil
}
