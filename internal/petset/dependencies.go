package petset

import (
	"fmt"

	discovery "k8s.io/api/discovery/v1"
	"k8s.io/utils/ptr"
)

// ReplicasLacking says what a set that others depend on lacks. Empty: it is as
// it should be. A set without a number of replicas has one.
func ReplicasLacking(generation, observed int64, replicas *int32, available int32) string {
	wanted := ptr.Deref(replicas, 1)
	switch {
	case observed < generation:
		return "whose last change nobody has looked at yet"
	case available < wanted:
		return fmt.Sprintf("of which %d of %d replicas are available", available, wanted)
	}
	return ""
}

// EndpointsLacking says what a Service lacks of whose endpoint slices these are.
func EndpointsLacking(slices []discovery.EndpointSlice) string {
	for _, slice := range slices {
		for _, endpoint := range slice.Endpoints {
			if endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready {
				return ""
			}
		}
	}
	return "which has no ready endpoint"
}
