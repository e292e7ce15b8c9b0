package agent

import (
	"context"
	"fmt"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mainstay-io/mainstay/internal/fence"
)

// awaited are the pets that were taken, until others of their names are Ready.
type awaited map[types.NamespacedName]*replacement

// replacement is one that takes a pet's place.
type replacement struct {
	// taken is the pod that was deleted, and node where that was.
	taken types.UID
	node  string
	// lost: when the node's loss was seen; begun: when the pet was taken.
	lost, begun fence.Instant
	// next is when to look for it again.
	next fence.Instant
}

const (
	// A replacement is looked for often at first, and not for ever.
	eagerly   = 30 * time.Second
	leisurely = 5 * time.Second
	givenUp   = 10 * time.Minute
)

func (a awaited) add(pod *core.Pod, loss *loss, at fence.Instant) {
	a[types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}] = &replacement{taken: pod.UID, node: loss.node, lost: loss.seen, begun: at}
}

// lookForReplacements tells of those that are Ready.
func (j *Judge) lookForReplacements(ctx context.Context) {
	for name, r := range j.awaited {
		age := now().Sub(r.begun)
		if age > givenUp {
			delete(j.awaited, name)
			continue
		}
		if now() < r.next {
			continue
		}
		if age > eagerly {
			r.next = now().Add(leisurely)
		}
		// From the cache: it is a little late, and costs little.
		limited, cancel := context.WithTimeout(ctx, j.Terms.Blind)
		pod, err := j.Client.CoreV1().Pods(name.Namespace).Get(limited, name.Name, meta.GetOptions{ResourceVersion: "0"})
		cancel()
		if err == nil && pod.UID != r.taken && ready(pod) {
			j.story.recovered(pod, fmt.Sprintf("%.1f s after node %s was found lost", now().Sub(r.lost).Seconds(), r.node))
			delete(j.awaited, name)
		}
	}
}

func ready(pod *core.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == core.PodReady {
			return condition.Status == core.ConditionTrue && pod.DeletionTimestamp == nil
		}
	}
	return false
}
