package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	watchtools "k8s.io/client-go/tools/watch"
)

// adopter observes, asks for the next step and takes it, until there is none.
type adopter struct {
	*cluster
	dryRun       bool
	dropFeatures bool
	timeout      time.Duration

	objects dynamic.Interface
	client  kubernetes.Interface
	view    adoptionView
}

func (a *adopter) run(ctx context.Context) error {
	ctx, cancel := watchtools.ContextWithOptionalTimeout(ctx, a.timeout)
	defer cancel()
	said, before := "", map[string]types.UID(nil)
	for {
		step, err := a.look(ctx)
		if err == nil && before == nil {
			before = uids(a.view.pods)
		}
		if err == nil && step.do == createNew && a.dryRun {
			return a.tryOut(ctx, step.set)
		}
		if err == nil && a.dryRun && step.do != refuse && step.do != nothingToDo {
			return fmt.Errorf("%s is on its way already; without --dry-run it goes on", a.view.newName())
		}
		if err == nil {
			err = a.take(ctx, step)
		}
		switch {
		case apierrors.IsConflict(err):
			continue // somebody wrote at the same time: look again
		case ctx.Err() != nil:
			return a.unfinished(ctx, said)
		case err != nil:
			return err
		case step.says != said:
			said = step.says
			fmt.Fprintln(a.options.out, said)
		}
		switch step.do {
		case nothingToDo:
			return nil
		case finish:
			return a.compare(before)
		case waitMore:
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
	}
}

func (a *adopter) unfinished(ctx context.Context, said string) error {
	why := "interrupted"
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		why = "not done within " + a.timeout.String()
	}
	return fmt.Errorf("%s: %s. The same command goes on", why, said)
}

func uids(pods []corev1.Pod) map[string]types.UID {
	out := map[string]types.UID{}
	for _, pod := range pods {
		out[pod.Name] = pod.UID
	}
	return out
}

// compare tells what happened to the pods meanwhile.
func (a *adopter) compare(before map[string]types.UID) error {
	after := uids(a.view.pods)
	for name, uid := range before {
		if after[name] != uid {
			return fmt.Errorf("%s has taken over, but pod %s is not the same as when this began: see `mainstay kubectl get events`", a.view.newName(), name)
		}
	}
	fmt.Fprintf(a.options.out, "%s is now %s; no pod was restarted. In manifests and HorizontalPodAutoscalers write: apiVersion: %s, kind: %s\n",
		a.view.oldName(), a.view.newName(), a.view.to.kind.GroupVersion(), a.view.to.kind.Kind)
	return nil
}
