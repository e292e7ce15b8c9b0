package engine

import (
	"fmt"

	utilfeature "k8s.io/apiserver/pkg/util/feature"
)

// Kubernetes' feature gates are the same for all of its parts, since they run in
// one process.

// checkFeatureGates refuses gates that this Kubernetes does not know, and values
// that they cannot have.
func checkFeatureGates(config Config) error {
	if err := utilfeature.DefaultMutableFeatureGate.DeepCopy().Set(config.FeatureGates); err != nil {
		return fmt.Errorf("--feature-gates: %w; write NAME=true or NAME=false, as in Kubernetes' own documentation", err)
	}
	return nil
}

// setFeatureGates must come before any part of Kubernetes is made.
func setFeatureGates(config Config) error {
	return utilfeature.DefaultMutableFeatureGate.Set(config.FeatureGates)
}
