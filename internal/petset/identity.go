package petset

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// PodName is the name of the pet with that ordinal. It is also its hostname.
func (s Set) PodName(ordinal int) string {
	return s.Name + "-" + strconv.Itoa(ordinal)
}

// ClaimName is the name of the claim that a pet has from a claim template.
func (s Set) ClaimName(template string, ordinal int) string {
	// The scheduler's zone spreading parses this form.
	return template + "-" + s.Name + "-" + strconv.Itoa(ordinal)
}

// Contains reports whether the ordinal is one that the set should have.
func (s Set) Contains(ordinal int) bool {
	index, ok := s.Ordinals.Index(ordinal)
	return ok && index < s.Replicas
}

// SplitOrdinal takes a name of the form PARENT-ORDINAL apart. Only the one
// spelling of an ordinal that PodName writes is accepted: of web-1 and web-01,
// which both name ordinal 1, no more than one can be a pet.
func SplitOrdinal(name string) (parent string, ordinal int, ok bool) {
	dash := strings.LastIndexByte(name, '-')
	if dash < 0 {
		return "", 0, false
	}
	digits := name[dash+1:]
	if digits == "" || digits[0] == '0' && len(digits) > 1 || digits[0] < '0' || digits[0] > '9' {
		return "", 0, false
	}
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil {
		return "", 0, false
	}
	return name[:dash], int(n), true
}

// IsMember reports whether the pod bears the name of one of the set's pets. A
// pod that does not is never the set's, whatever its labels and owner say.
func (s Set) IsMember(pod *corev1.Pod) bool {
	parent, _, ok := SplitOrdinal(pod.Name)
	return ok && parent == s.Name && pod.Namespace == s.Namespace
}
