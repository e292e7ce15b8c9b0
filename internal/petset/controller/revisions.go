package controller

import (
	"context"
	"fmt"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/kubernetes/pkg/controller/history"
	"k8s.io/utils/lru"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mainstay-io/mainstay/internal/petset"
)

// revisions keeps the ControllerRevisions of sets. What is expensive, encoding
// and decoding templates, is remembered: both are as they are for good, a
// generation's template and a revision's data.
type revisions struct {
	kind    kind
	client  kubernetes.Interface
	history history.Interface
	encoded *lru.Cache // setGeneration → []byte
	decoded *lru.Cache // revision UID → petset.Revision
}

// rememberedTemplates is how many are kept; a template takes a few kilobytes.
const rememberedTemplates = 2000

type setGeneration struct {
	set        types.UID
	generation int64
}

func newRevisions(kind kind, client kubernetes.Interface, c *caches) *revisions {
	return &revisions{
		kind:    kind,
		client:  client,
		history: history.NewHistory(client, c.revisionLister(), c.revisions.GetIndexer()),
		encoded: lru.New(rememberedTemplates),
		decoded: lru.New(rememberedTemplates),
	}
}

// resolved is what a plan needs to know of a set's revisions.
type resolved struct {
	current petset.Revision
	update  petset.Revision
	// former are the others, by name.
	former     map[string]petset.Revision
	collisions int32
	// existing are those that were there, in the order of their numbers.
	existing []*apps.ControllerRevision
	// written is the one that had to be made or renumbered, or nil.
	written *apps.ControllerRevision
}

// resolve finds the set's revisions and makes the one of its template when
// there is none.
func (r *revisions) resolve(ctx context.Context, set client.Object, value petset.Set) (resolved, error) {
	existing, err := r.list(ctx, set, value.Selector)
	if err != nil {
		return resolved{}, err
	}
	out := resolved{existing: existing}
	if value.Status.CollisionCount != nil {
		out.collisions = *value.Status.CollisionCount
	}
	data, err := r.encode(value)
	if err != nil {
		return out, err
	}
	choice, err := value.ChooseRevision(data, existing)
	if err != nil {
		return out, err
	}
	update, err := r.take(set, choice, &out.collisions)
	if err != nil {
		return out, fmt.Errorf("revision of %s: %w", describeSet(r.kind, set), err)
	}
	if choice.Step != petset.UseRevision {
		out.written = update
	}
	if out.update, err = r.decode(update); err != nil {
		return out, err
	}
	if out.current, err = r.decode(value.CurrentRevision(existing, update)); err != nil {
		return out, err
	}
	out.former = make(map[string]petset.Revision, len(existing))
	for _, revision := range existing {
		// One that cannot be read is as good as none.
		if former, err := r.decode(revision); err == nil {
			out.former[former.Name] = former
		}
	}
	return out, nil
}

// take carries the choice out. Each step may be repeated: a revision that is
// already there with the same data is the one.
func (r *revisions) take(set client.Object, choice petset.RevisionChoice, collisions *int32) (*apps.ControllerRevision, error) {
	switch choice.Step {
	case petset.CreateRevision:
		return r.history.CreateControllerRevision(set, choice.Revision, collisions)
	case petset.RenumberRevision:
		return r.history.UpdateControllerRevision(choice.Revision, choice.Number)
	default:
		return choice.Revision, nil
	}
}

// list returns the set's revisions; orphans that match it are adopted.
func (r *revisions) list(ctx context.Context, set client.Object, selector labels.Selector) ([]*apps.ControllerRevision, error) {
	found, err := r.history.ListControllerRevisions(set, r.kind.groupVersionKind(), selector)
	if err != nil {
		return nil, err
	}
	mayAdopt := false
	for i, revision := range found {
		if metav1.GetControllerOfNoCopy(revision) != nil || set.GetDeletionTimestamp() != nil {
			continue
		}
		if !mayAdopt {
			if err := canAdopt(r.kind, set)(ctx); err != nil {
				return nil, fmt.Errorf("adopt ControllerRevision %s: %w", revision.Name, err)
			}
			mayAdopt = true
		}
		if found[i], err = r.history.AdoptControllerRevision(set, r.kind.groupVersionKind(), revision); err != nil {
			return nil, fmt.Errorf("adopt ControllerRevision %s: %w", revision.Name, err)
		}
	}
	history.SortControllerRevisions(found)
	return found, nil
}

// truncate deletes the oldest revisions that nothing uses, past the set's
// limit.
func (r *revisions) truncate(ctx context.Context, set petset.Set, have resolved, pods []*corev1.Pod) error {
	for _, revision := range set.ObsoleteRevisions(have.existing, pods, have.current.Name, have.update.Name) {
		err := r.client.AppsV1().ControllerRevisions(revision.Namespace).Delete(ctx, revision.Name,
			metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(revision.UID))})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete the obsolete ControllerRevision %s: %w", revision.Name, err)
		}
	}
	return nil
}

func (r *revisions) encode(set petset.Set) ([]byte, error) {
	key := setGeneration{set.UID, set.Generation}
	if data, ok := r.encoded.Get(key); ok {
		return data.([]byte), nil
	}
	data, err := set.RevisionData()
	if err == nil {
		r.encoded.Add(key, data)
	}
	return data, err
}

func (r *revisions) decode(revision *apps.ControllerRevision) (petset.Revision, error) {
	if decoded, ok := r.decoded.Get(revision.UID); ok {
		return decoded.(petset.Revision), nil
	}
	decoded, err := petset.DecodeRevision(revision)
	if err == nil {
		r.decoded.Add(revision.UID, decoded)
	}
	return decoded, err
}
