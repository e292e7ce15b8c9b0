package petset

import (
	"bytes"
	"slices"

	apps "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/controller/history"
)

// resolveRevisions is the controller's way to its revisions.
func (w *world) resolveRevisions(o *Observation) error {
	existing := slices.Clone(w.revisions.observe(w.rand))
	history.SortControllerRevisions(existing)
	if o.Set.Status.CollisionCount != nil {
		o.CollisionCount = *o.Set.Status.CollisionCount
	}
	choice, err := o.Set.ChooseRevision(w.controller.data, existing)
	if err != nil {
		return err
	}
	update := choice.Revision
	switch choice.Step {
	case CreateRevision:
		if update, err = w.createRevision(o, choice); err != nil {
			return err
		}
	case RenumberRevision:
		update = choice.Revision.DeepCopy()
		update.Revision = choice.Number
		w.putRevision(update)
	}
	if o.Current, err = w.decode(o.Set.CurrentRevision(existing, update)); err != nil {
		return err
	}
	if o.Update, err = w.decode(update); err != nil {
		return err
	}
	o.Former = make(map[string]Revision, len(existing))
	for _, revision := range existing {
		if o.Former[revision.Name], err = w.decode(revision); err != nil {
			return err
		}
	}
	return nil
}

// createRevision takes the one that is there already if it is the same, and
// another name if it is not. Sometimes a name is taken.
func (w *world) createRevision(o *Observation, choice RevisionChoice) (*apps.ControllerRevision, error) {
	revision := choice.Revision
	if w.chance(30) {
		w.say("the name of the new revision is taken")
		o.CollisionCount++
		var err error
		if revision, err = o.Set.NewRevision(revision.Data.Raw, choice.Number, o.CollisionCount); err != nil {
			return nil, err
		}
	}
	for _, there := range w.revisions.truth() {
		if there.Name == revision.Name && bytes.Equal(there.Data.Raw, revision.Data.Raw) {
			return there, nil
		}
	}
	revision.UID = types.UID(w.unique())
	w.putRevision(revision)
	return revision, nil
}

// putRevision writes one, and the controller's cache holds it from now on.
func (w *world) putRevision(revision *apps.ControllerRevision) {
	others := slices.DeleteFunc(slices.Clone(w.revisions.truth()), func(r *apps.ControllerRevision) bool { return r.Name == revision.Name })
	w.revisions.push(append(others, revision))
	w.revisions.catchUp()
}

func (w *world) truncateRevisions(o Observation) {
	existing := slices.Clone(w.revisions.view())
	history.SortControllerRevisions(existing)
	obsolete := o.Set.ObsoleteRevisions(existing, o.Pods, o.Current.Name, o.Update.Name)
	if len(obsolete) == 0 {
		return
	}
	w.revisions.push(slices.DeleteFunc(slices.Clone(w.revisions.truth()), func(r *apps.ControllerRevision) bool {
		return slices.ContainsFunc(obsolete, func(o *apps.ControllerRevision) bool { return o.Name == r.Name })
	}))
	w.revisions.catchUp()
}

func (w *world) decode(revision *apps.ControllerRevision) (Revision, error) {
	if decoded, ok := w.controller.decoded[revision.UID]; ok {
		return decoded, nil
	}
	decoded, err := DecodeRevision(revision)
	w.controller.decoded[revision.UID] = decoded
	return decoded, err
}
