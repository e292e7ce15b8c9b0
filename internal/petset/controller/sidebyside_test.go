package controller

import (
	"flag"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	featuregatetesting "k8s.io/component-base/featuregate/testing"
	"k8s.io/kubernetes/pkg/features"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/petset"
	"github.com/mainstay-io/mainstay/test/apiserver"
)

var sideBySideToo = flag.Bool("side-by-side", false, "play all scenarios with upstream's controller, too")

// TestSideBySide plays each scenario three times: with upstream's controller,
// and with ours for a StatefulSet and for a PetSet. What happened to the pods,
// what is there whenever the set is at rest, and what users were told must be
// the same, but for the differences that are meant.
func TestSideBySide(t *testing.T) {
	if !*sideBySideToo {
		t.Skip("it wants a machine of its own: make test-upstream")
	}
	config := apiserver.Start(t)
	definePetSets(t, config)
	s := newStage(t, config)

	upstreams, ours := map[string]facts{}, map[string]facts{}
	t.Run("upstream", func(t *testing.T) {
		maps.Copy(upstreams, s.playBoth(t, s.runsUpstream, petset.StatefulSetKind))
	})
	t.Run("ours", func(t *testing.T) {
		startController(t, config)
		s.awaitController(t, petset.StatefulSetKind)
		s.awaitController(t, petset.PetSetKind)
		maps.Copy(ours, s.playBoth(t, func(*play) {}, petset.StatefulSetKind, petset.PetSetKind))
	})
	if t.Failed() {
		return // what was not played to its end differs anyhow
	}
	unmet := newMeant()
	for _, name := range slices.Sorted(maps.Keys(ours)) {
		kind, scenario, _ := strings.Cut(name, " ")
		for _, difference := range differences(upstreams["StatefulSet "+scenario], ours[name]) {
			if line := kind + " " + scenario + ": " + difference; !unmet.take(line) {
				t.Error(line)
			}
		}
	}
	unmet.expectNone(t)
}

// playBoth plays all scenarios. The feature gate is one for the whole process.
func (s *stage) playBoth(t *testing.T, prepare func(*play), kinds ...schema.GroupVersionKind) map[string]facts {
	all := map[string]facts{}
	t.Run("plain", func(t *testing.T) {
		maps.Copy(all, s.playAll(t, sideBySide, prepare, kinds...))
	})
	t.Run("max unavailable", func(t *testing.T) {
		featuregatetesting.SetFeatureGateDuringTest(t, utilfeature.DefaultFeatureGate, features.MaxUnavailableStatefulSet, true)
		maps.Copy(all, s.playAll(t, sideBySideMaxUnavailable, prepare, kinds...))
	})
	return all
}

// differences are the facts that are not the same, one a line.
func differences(upstreams, ours facts) (lines []string) {
	all := maps.Clone(upstreams)
	maps.Copy(all, ours)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		theirs, known := upstreams[name]
		own, ownKnown := ours[name]
		own = strings.Replace(own, failoverLabel, "", 1)
		switch {
		case !known:
			lines = append(lines, fmt.Sprintf("%s: only ours: %s", name, own))
		case !ownKnown:
			lines = append(lines, fmt.Sprintf("%s: only upstream's: %s", name, theirs))
		case theirs != own:
			lines = append(lines, fmt.Sprintf("%s: upstream's %s, ours %s", name, theirs, own))
		}
	}
	return lines
}

// meantDifferences are what was looked for.
type meantDifferences []struct {
	matches *regexp.Regexp
	met     bool
}

func newMeant() meantDifferences {
	out := make(meantDifferences, len(meant))
	for i, m := range meant {
		out[i].matches = regexp.MustCompile("^" + m.difference + "$")
	}
	return out
}

// take reports whether a difference is meant.
func (m meantDifferences) take(difference string) (is bool) {
	for i := range m {
		if m[i].matches.MatchString(difference) {
			m[i].met, is = true, true
		}
	}
	return is
}

// expectNone fails for those that are no differences any more.
func (m meantDifferences) expectNone(t *testing.T) {
	t.Helper()
	for i := range m {
		if !m[i].met {
			t.Errorf("there is no such difference: %s (%s)", m[i].matches, meant[i].why)
		}
	}
}

// failoverLabel is meant, too, as the labels of a pod are written down: ours alone
// says what becomes of it when its node is lost.
const failoverLabel = " " + v1alpha1.FailoverLabel + ":" + v1alpha1.FailoverFenced

// meant are the differences to upstream, and why they are.
var meant = []struct {
	difference string // an expression for the whole of it
	why        string
}{
	{`\w+ retention when scaled, and wanted again: (3 wanted again|4 gone), claim data-web-1 owners: upstream's (Pod|a former pod) web-1, controller, waited for, ours `,
		"a pet that is wanted again keeps its data, even while its pod is on its way out"},
	{`\w+ retention when scaled, and wanted again: 4 gone, (story: upstream's -web-1, ours -web-1, \+web-1, ready web-1|pod web-1 .*|status: .*)`,
		"so it need not wait until its claim has been collected"},
	{`\w+ retention .*: event Normal SuccessfulUpdate: Update (Pod web-\d in StatefulSet web successful: only upstream's|Claim data-web-\d Pod web-\d in StatefulSet web success: only ours): sent`,
		"upstream writes the pod, too, when a claim gets another owner, and tells of the pod; we write the claim alone"},

	{`\w+ scaling in past a failed pod: 4 one failed, (pod web-[123] .*|status: .*|story: upstream's , ours deleting web-3, -web-3, deleting web-2, -web-2, deleting web-1, -web-1)`,
		"a pod that ended never becomes healthy: upstream waits for it for ever"},
	{`\w+ scaling in past a failed pod: event Normal SuccessfulDelete: Delete Pod web-[123] in StatefulSet web successful: only ours: sent`,
		"a pod that ended never becomes healthy: upstream waits for it for ever"},

	{`\w+ (failed pods.*|scaling in past a failed pod): event (Warning RecreatingFailedPod|Normal RecreatingTerminatedPod): StatefulSet NAMESPACE/web is recreating (failed|terminated) Pod web-\d: only ours: sent`,
		"users are told why; upstream did so until 1.33"},
	{`\w+ release: event Warning FailedCreate: Create Pod web-1 in StatefulSet web failed error: the name is taken by a pod that is not the set's; .*: only ours: sent`,
		"users are told what to do; upstream tries in silence"},

	{`PetSet broken rollout(, a third image)?: (3 put right, (pod web-1|status|story).*)`,
		"recovery.brokenRevision: Replace is a PetSet's default"},
	{`PetSet max unavailable, broken: 3 put right, (pod web-2|status|story).*`,
		"recovery.brokenRevision: Replace is a PetSet's default"},
	{`PetSet max unavailable, (plain|unhealthy pets count): (2 (one is unready|two are unhealthy), (pod web-\d|status|story)|3 (updated|one is deleted), story).*`,
		"recovery.brokenRevision: Replace is a PetSet's default: unhealthy pets go first in an update"},
	{`PetSet max unavailable, unhealthy pets count: event Normal SuccessfulDelete: Delete Pod web-0 in StatefulSet web successful: only ours: sent`,
		"recovery.brokenRevision: Replace is a PetSet's default: unhealthy pets go first in an update"},
	{`PetSet deleted pods, parallel: (3 an update meanwhile, (pod web-[12]|status|story)|4 let go, story).*`,
		"a PetSet's maxUnavailable is 1 if it does not say: no pet is replaced while another is away"},
	{`PetSet parallel rollout: 2 one is unready, story.*`,
		"recovery.brokenRevision: Replace is a PetSet's default: unhealthy pets go first in an update"},
}
