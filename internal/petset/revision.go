package petset

import (
	"bytes"
	"encoding/json"
	"fmt"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	appsdefaults "k8s.io/kubernetes/pkg/apis/apps/v1"
	"k8s.io/kubernetes/pkg/controller/history"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// A revision is kept as a ControllerRevision whose data is a patch that puts
// the template in place. Data and name must be what upstream's controller
// makes of the same template, byte for byte: then sets go from one controller
// to the other without a rollout.

// A set with overrides has them beside the template: what a pet's pod is made
// from is in its revision, and in nothing else.

// RevisionData encodes what a set's pods are made from as the data of a
// ControllerRevision.
func (s Set) RevisionData() ([]byte, error) {
	encoded, err := json.Marshal(s.Template)
	if err != nil {
		return nil, fmt.Errorf("encode the pod template: %w", err)
	}
	// Once more through a map: the keys are then sorted, in every version.
	fields := map[string]any{}
	if err := json.Unmarshal(encoded, &fields); err != nil {
		return nil, fmt.Errorf("encode the pod template: %w", err)
	}
	fields["$patch"] = "replace"
	spec := map[string]any{"template": fields}
	if len(s.Overrides) > 0 {
		spec["overrides"] = s.Overrides
	}
	return json.Marshal(map[string]any{"spec": spec})
}

// DecodeRevision decodes what RevisionData encoded.
func DecodeRevision(revision *apps.ControllerRevision) (Revision, error) {
	patch := struct {
		Spec struct {
			Template  *corev1.PodTemplateSpec `json:"template"`
			Overrides []v1alpha1.Override     `json:"overrides"`
		} `json:"spec"`
	}{}
	out := Revision{Name: revision.Name}
	if err := json.Unmarshal(revision.Data.Raw, &patch); err != nil {
		return out, fmt.Errorf("ControllerRevision %s/%s cannot be read: %w", revision.Namespace, revision.Name, err)
	}
	if patch.Spec.Template == nil {
		return out, fmt.Errorf("ControllerRevision %s/%s holds no pod template; delete it if no pod runs it", revision.Namespace, revision.Name)
	}
	out.Template = patch.Spec.Template
	var err error
	if out.overridden, err = override(out.Template, patch.Spec.Overrides); err != nil {
		return out, fmt.Errorf("ControllerRevision %s/%s: %w", revision.Namespace, revision.Name, err)
	}
	return out, nil
}

// NewRevision makes the ControllerRevision of a set's template from its data.
func (s Set) NewRevision(data []byte, number int64, collisions int32) (*apps.ControllerRevision, error) {
	revision, err := history.NewControllerRevision(s.owner(), s.Kind, s.Template.Labels,
		runtime.RawExtension{Raw: data}, number, &collisions)
	if err != nil {
		return nil, err
	}
	revision.Namespace = s.Namespace
	revision.Annotations = make(map[string]string, len(s.Annotations))
	for key, value := range s.Annotations {
		revision.Annotations[key] = value
	}
	return revision, nil
}

// RevisionStep is how a set gets the ControllerRevision of its template.
type RevisionStep string

// The steps.
const (
	// UseRevision: it is there.
	UseRevision RevisionStep = "use"
	// RenumberRevision: it is there from before; a rollback makes it the
	// newest again.
	RenumberRevision RevisionStep = "renumber"
	// CreateRevision: it is new. Its name may be taken, by other data.
	CreateRevision RevisionStep = "create"
)

// RevisionChoice is the revision that pets are to go to.
type RevisionChoice struct {
	Step     RevisionStep
	Revision *apps.ControllerRevision
	// Number is what the revision's number shall be.
	Number int64
}

// ChooseRevision decides which revision holds the set's template, whose
// RevisionData is data. The existing revisions are in the order of their
// numbers.
func (s Set) ChooseRevision(data []byte, existing []*apps.ControllerRevision) (RevisionChoice, error) {
	if len(existing) == 0 {
		return s.createRevision(data, 1)
	}
	latest := existing[len(existing)-1]
	next := latest.Revision + 1
	for i := len(existing) - 1; i >= 0; i-- {
		revision := existing[i]
		switch {
		case !bytes.Equal(revision.Data.Raw, data):
		case revision == latest:
			return RevisionChoice{Step: UseRevision, Revision: latest, Number: latest.Revision}, nil
		default:
			return RevisionChoice{Step: RenumberRevision, Revision: revision, Number: next}, nil
		}
	}
	if sameWhenEncodedToday(latest, data) {
		return RevisionChoice{Step: UseRevision, Revision: latest, Number: latest.Revision}, nil
	}
	return s.createRevision(data, next)
}

func (s Set) createRevision(data []byte, number int64) (RevisionChoice, error) {
	collisions := int32(0)
	if s.Status.CollisionCount != nil {
		collisions = *s.Status.CollisionCount
	}
	revision, err := s.NewRevision(data, number, collisions)
	return RevisionChoice{Step: CreateRevision, Revision: revision, Number: number}, err
}

// sameWhenEncodedToday reports whether a revision that an older Kubernetes
// wrote holds the same template: encodings and defaults change between
// versions, and an upgrade must not restart every pet.
func sameWhenEncodedToday(revision *apps.ControllerRevision, data []byte) bool {
	old, err := DecodeRevision(revision)
	if err != nil || len(old.overridden) > 0 {
		return false
	}
	set := &apps.StatefulSet{Spec: apps.StatefulSetSpec{Template: *old.Template}}
	appsdefaults.SetObjectDefaults_StatefulSet(set)
	again, err := Set{Template: &set.Spec.Template}.RevisionData()
	return err == nil && bytes.Equal(again, data)
}
