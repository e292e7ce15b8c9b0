// Package e2e tries Mainstay as its users do: the real program, real containers,
// a real kernel. Run it with `make test-e2e`.
package e2e

import (
	"testing"

	"github.com/mainstay-io/mainstay/test/hosts"
)

// TestEngine tries one engine in the order in which a person meets it.
func TestEngine(t *testing.T) {
	t.Parallel() // with TestSurvivesBeingKilled: both wait more than they compute
	device := emptyDevice(t)
	h := hosts.New(t, 1)
	auditVolumes(t, h)
	h.Up(t, "--pool", "fast="+device)
	h.ImportBusybox(t)
	for _, part := range []struct {
		name string
		try  func(*testing.T, *hosts.Host)
	}{
		{"commands", tryCommands},
		{"pets have an identity, a claim and an order", trySet},
		{"a claim begins to grow", startGrowing},
		{"other people's storage is installed", startOtherStorage},
		{"FlexVolume", tryFlexVolume},
		{"PetSets do more", tryPetSet},
		{"rollouts", tryRollout},
		{"adoption", tryAdopt},
		{"volumes are as large as they were asked to be", tryVolumeSize},
		{"volumes have the performance that they were promised", tryPerformance},
		{"volumes are made of what their class says", tryBackends},
		{"volumes come from several pools", tryPools},
		{"names are answered", tryNames},
		{"stateless neighbours", tryWorkloads},
		{"a claim says that its promise is broken", tryBreach},
		{"kubectl talks to containers", tryKubectl},
		{"the API can be extended", tryExtensions},
		{"secrets are encrypted at rest", trySecretsAtRest},
		{"other people's storage", tryOtherStorage},
		{"volumes are kept, restored and copied", trySnapshots},
		{"the claim has grown", tryGrown},
		{"a FlexVolume's claim has grown", tryFlexGrown},
		{"other people's storage is gone", tryOtherStorageGone},
		{"the parts have the least rights", tryRights},
		{"no door is open", tryDoors},
	} {
		if !t.Run(part.name, func(t *testing.T) { part.try(t, h) }) && part.name == "commands" {
			t.FailNow()
		}
	}
}
