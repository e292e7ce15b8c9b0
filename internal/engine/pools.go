package engine

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// places are where this machine's pools of volumes are: the default one in the data
// directory, and those that were declared.
func (c Choices) places(paths Paths) []volume.Place {
	places := []volume.Place{{Name: volume.DefaultPool, Path: paths.Pool()}}
	for _, name := range slices.Sorted(maps.Keys(c.Pools)) {
		places = append(places, volume.Place{Name: name, Path: c.Pools[name]})
	}
	return places
}

// pools gives the pools of the engine that was last started on a data directory.
func pools(paths Paths) (*volume.Pools, error) {
	choices, err := RememberedChoices(paths.DataDir)
	if err != nil {
		return nil, err
	}
	return volume.NewPools(choices.places(paths), paths.pools())
}

// checkPools refuses pools that cannot be. What the engine knows already may be
// missing: it starts without.
func checkPools(ctx context.Context, config Config) error {
	places := config.places(Paths{DataDir: config.DataDir})
	if err := volume.CheckPlaces(places); err != nil {
		return err
	}
	known, err := RememberedChoices(config.DataDir)
	if err != nil {
		return err
	}
	for _, place := range places[1:] {
		if path, err := filepath.EvalSymlinks(place.Path); err == nil && strings.HasPrefix(path+"/", config.DataDir+"/") {
			return fmt.Errorf("pool %s: %s is in the data directory, where only Mainstay puts things", place.Name, place.Path)
		}
		if known.Pools[place.Name] == place.Path {
			continue
		}
		if err := place.Check(ctx); err != nil {
			return err
		}
	}
	return nil
}
