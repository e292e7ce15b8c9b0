package fence

import (
	corev1 "k8s.io/api/core/v1"
)

// judgeProcess is a judge in a server of its own, with what carries out its actions.
type judgeProcess struct {
	w      *world
	name   string
	clock  clock
	judge  *Judge
	leads  bool
	paused bool
	// life counts restarts, asked the requests for leases, so that answers come in order.
	life        int
	asked, seen int
	held        map[string]Held
}

func newJudgeProcess(w *world, name string, leads bool) *judgeProcess {
	j := &judgeProcess{w: w, name: name, clock: w.newClock(), leads: leads}
	j.restart()
	w.after(0, j.keepLooking)
	return j
}

// keepLooking looks as soon again as the judge wants.
func (j *judgeProcess) keepLooking() {
	j.look()
	j.w.after(j.judge.again(j.now()), j.keepLooking)
}

func (j *judgeProcess) restart() {
	j.life++
	j.judge, j.seen = NewJudge(j.w.terms), j.asked
}

func (j *judgeProcess) now() Instant { return j.clock.read(j.w.now) }

func (j *judgeProcess) look() {
	if j.paused {
		return
	}
	j.asked++
	life, asked := j.life, j.asked
	ask(j.w, j.name, j.w.api.list, func(leases []Lease) {
		if j.paused || j.life != life || asked <= j.seen {
			return
		}
		if j.w.broken == "NEW_JUDGE" && !j.judge.begun {
			j.judge.Observe(j.now()-Instant(j.w.terms.Wait), leases)
			j.judge.contact = j.now()
		}
		j.seen = asked
		j.judge.Observe(j.now(), leases)
		j.decide()
	})
}

func (j *judgeProcess) decide() {
	if j.paused || !j.leads {
		return
	}
	verdict := j.judge.Decide(j.now())
	j.held = verdict.Held
	for _, action := range verdict.Actions {
		switch action.Verb {
		case WriteLease:
			if j.w.broken == "ORDER" {
				fenced := action.Lease
				fenced.State = Fenced
				j.takeAway(Action{Lease: fenced}, func() Lease { return fenced })
			}
			j.w.say("%s: %s: %s", j.name, action.Lease.State, action.Reason)
			ask(j.w, j.name, func() Answer { return j.w.api.write(action.Lease) }, func(Answer) { j.look() })
		case AskRefusals:
			j.askRefusals(action)
		case FailOver:
			j.takeAway(action, func() Lease { return j.w.api.leases[action.Lease.Node] })
		}
	}
}

func (j *judgeProcess) askRefusals(action Action) {
	life := j.life
	for _, h := range j.w.hosts {
		for _, member := range action.Members {
			if member != h.name {
				continue
			}
			j.w.send(j.name, h.name, h.local(func() {
				if h.member == nil {
					return
				}
				age := h.member.Refuse(h.now(), action.Subject, action.Epoch)
				j.w.send(h.name, j.name, func() {
					if j.life == life && !j.paused {
						j.judge.Refused(j.now(), action.Subject, action.Epoch, h.name, age)
						j.decide()
					}
				})
			}))
		}
	}
}

// takeAway reads pods, then the lease, then deletes.
func (j *judgeProcess) takeAway(order Action, readLease func() Lease) {
	api := j.w.api
	ask(j.w, j.name, func() []corev1.Pod { return api.podsOf(order.Lease.Node) }, func(pods []corev1.Pod) {
		ask(j.w, j.name, readLease, func(lease Lease) {
			for _, pod := range Failover(order, lease, pods, nil).Pods {
				ask(j.w, j.name, func() bool { return api.delete(pod, DeleteOptions(&pod)) }, func(bool) {})
			}
		})
	})
}
