package petset

import (
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// overriddenTemplate is what the pods of some ordinals are made from.
type overriddenTemplate struct {
	ordinals []span
	template *corev1.PodTemplateSpec
}

// override applies each override to the template. An error names the one that
// cannot be applied.
func override(template *corev1.PodTemplateSpec, overrides []v1alpha1.Override) ([]overriddenTemplate, error) {
	if len(overrides) == 0 {
		return nil, nil
	}
	original, err := json.Marshal(template)
	if err != nil {
		return nil, fmt.Errorf("encode the pod template: %w", err)
	}
	out := make([]overriddenTemplate, len(overrides))
	for i, o := range overrides {
		if out[i].ordinals, err = parseSpans(strings.Split(o.Ordinals, ",")); err != nil {
			return nil, fmt.Errorf("overrides[%d].ordinals: %w", i, err)
		}
		patched, err := strategicpatch.StrategicMergePatch(original, o.Template.Raw, corev1.PodTemplateSpec{})
		if err == nil {
			out[i].template = &corev1.PodTemplateSpec{}
			err = json.Unmarshal(patched, out[i].template)
		}
		if err != nil {
			return nil, fmt.Errorf("overrides[%d].template is no strategic merge patch of the pod template: %w", i, err)
		}
	}
	return out, nil
}

// templateFor returns what the pod of an ordinal is made from.
func (r Revision) templateFor(ordinal int) *corev1.PodTemplateSpec {
	for _, o := range r.overridden {
		for _, s := range o.ordinals {
			if s.first <= ordinal && ordinal <= s.last {
				return o.template
			}
		}
	}
	return r.Template
}

// checkTemplates refuses overrides that cannot be applied, and whatever would
// make pods which the set does not know as its own.
func (s Set) checkTemplates() error {
	if !s.Selector.Matches(labels.Set(s.Template.Labels)) {
		return fmt.Errorf("spec.template.metadata.labels must have the labels that spec.selector asks for: %s", s.Selector)
	}
	overridden, err := override(s.Template, s.Overrides)
	if err != nil {
		return fmt.Errorf("spec.%w", err)
	}
	for i, o := range overridden {
		if !s.Selector.Matches(labels.Set(o.template.Labels)) {
			return fmt.Errorf("spec.overrides[%d].template changes a label that spec.selector needs; leave it as it is", i)
		}
	}
	return nil
}
