package fence

import (
	"maps"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// host is a machine with its processes: keeper and member in one, the one that
// stops pets at the deadline, the engine, and the pets.
type host struct {
	w      *world
	name   string
	clock  clock
	on     bool
	broken bool // for good: it cannot be switched on
	paused bool
	since  time.Duration // of the pause
	woken  []func()      // what waits for the pause to end
	boot   int

	keeper *Keeper
	member *Member
	// life counts keepers: an answer to an earlier one is dropped.
	life     int
	deadline Deadline
	engine   bool

	running  map[string]int // pet: UID of the pod
	frozen   map[string]int // not yet killed: it runs again if the node may run pets
	claimed  map[string]bool
	claiming int // rises when all claims under way are void
	remember map[string]int
}

func newHost(w *world, name string) *host {
	h := &host{w: w, name: name, clock: w.newClock(), running: map[string]int{}, frozen: map[string]int{}, claimed: map[string]bool{}, remember: map[string]int{}}
	w.every(w.terms.Renew/4, h.local(h.tick))
	w.every(2*time.Second, h.local(h.look))
	w.every(500*time.Millisecond, h.local(h.kubelet))
	return h
}

func (h *host) now() Instant { return h.clock.read(h.w.now) }

func (h *host) bootID() string { return strconv.Itoa(h.boot) }

// local: what happens on a machine waits while that is paused, and never happens
// when it lost power since.
func (h *host) local(do func()) func() {
	return func() {
		if boot := h.boot; h.paused {
			h.woken = append(h.woken, func() {
				if h.on && h.boot == boot {
					do()
				}
			})
		} else if h.on {
			do()
		}
	}
}

// mine: an answer for this life of the keeper.
func (h *host) mine(do func()) func() {
	boot, life := h.boot, h.life
	return h.local(func() {
		if h.boot == boot && h.life == life && h.keeper != nil {
			do()
		}
	})
}

func (h *host) powerOn() {
	if !h.on && !h.broken {
		h.on, h.engine = true, true
		h.boot++
		h.clock.booted, h.clock.asleep = h.w.now, 0
		h.startKeeper()
	}
}

// powerOff takes everything that is not on disk.
func (h *host) powerOff() {
	h.w.say("%s: power off", h.name)
	h.on, h.paused, h.engine, h.woken = false, false, false, nil
	h.keeper, h.member, h.deadline = nil, nil, Deadline{}
	h.life++
	h.void()
	clear(h.running)
	clear(h.frozen)
}

func (h *host) startKeeper() {
	if h.keeper != nil || !h.on {
		return
	}
	h.life++
	h.member = NewMember(h.now())
	if h.w.broken == "IGNORANT" {
		h.member.Read(nil)
	}
	h.keeper = ResumeKeeper(h.now(), h.w.terms, h.name, "machine-of-"+h.name, h.deadline, h.bootID())
	h.w.say("%s: keeper starts: %s", h.name, h.keeper.Why())
	h.look()
}

func (h *host) killKeeper() {
	h.w.say("%s: keeper is killed", h.name)
	h.keeper, h.member = nil, nil
	h.life++
	h.void()
}

// void: claims under way belong to a keeper that is gone, or to an epoch.
func (h *host) void() {
	h.claiming++
	clear(h.claimed)
}

func (h *host) tick() {
	h.w.alone(h)
	if h.keeper == nil {
		return
	}
	if h.engine {
		h.keeper.EngineSeen(h.now())
	}
	h.act(h.keeper.Tick(h.now()))
}

// look is how the keeper learns of other nodes, and the member of what is closed.
func (h *host) look() {
	if h.keeper == nil {
		return
	}
	life := h.life
	ask(h.w, h.name, h.w.api.list, func(leases []Lease) {
		h.local(func() {
			if h.life != life || h.keeper == nil {
				return
			}
			h.keeper.SetMembers(MembersFor(h.name, leases, h.w.nodes()))
			if h.w.broken != "IGNORANT" {
				h.member.Read(leases)
			}
		})()
	})
}

// execute is the second process: it stops pets when the deadline is past.
func (h *host) execute() {
	if len(h.running) == 0 || !h.deadline.Overdue(h.bootID(), h.now()) || h.w.broken == "KEEPER" && h.keeper == nil || h.w.broken == "STOP" {
		return
	}
	h.deadline.Until = 0
	h.void()
	h.freeze()
	h.w.say("%s: the deadline passed: pets are frozen", h.name)
	if h.keeper != nil {
		h.act(h.keeper.Ended(h.now()))
	}
}

func (h *host) act(actions []Action) {
	for _, action := range actions {
		switch action.Verb {
		case ReadLease:
			h.request(action, func() Answer { return h.w.api.read(h.name) })
		case WriteLease:
			h.request(action, func() Answer { return h.w.api.write(action.Lease) })
		case AskMembers:
			h.askMembers(action)
		case ExtendDeadline:
			h.deadline = Deadline{Boot: h.bootID(), Epoch: action.Epoch, Until: action.Until}
			h.w.after(h.clock.until(h.w.now, action.Until), h.mine(h.tick))
			h.w.after(h.clock.until(h.w.now, action.Until.Add(h.w.upTo(h.w.terms.Stop))), h.local(h.execute))
		case StopPets:
			h.stopPets(action)
		case ClaimPets:
			h.w.say("%s: holds epoch %d", h.name, action.Epoch)
			h.thaw()
			h.kubelet()
		}
	}
}

func (h *host) request(action Action, carryOut func() Answer) {
	life, boot := h.life, h.boot
	ask(h.w, h.name, carryOut, func(answer Answer) {
		h.local(func() {
			if h.life == life && h.boot == boot && h.keeper != nil {
				h.act(h.keeper.Answered(h.now(), action.ID, answer))
			}
		})()
	})
}

func (h *host) askMembers(action Action) {
	life := h.life
	for _, other := range h.w.hosts {
		if !slices.Contains(action.Members, other.name) {
			continue
		}
		h.w.send(h.name, other.name, other.local(func() {
			if other.member == nil || other.member.Vouch(other.now(), action.Subject, action.Epoch) != nil {
				return
			}
			h.w.send(other.name, h.name, h.local(func() {
				if h.life == life && h.keeper != nil {
					h.act(h.keeper.Vouched(h.now(), action.ID, other.name))
				}
			}))
		}))
	}
}

// stopPets freezes within Terms.Stop of when that was decided, and kills when the
// kernel is ready.
func (h *host) stopPets(action Action) {
	h.w.say("%s: stops pets: %s", h.name, action.Reason)
	if h.w.broken == "STOP" {
		h.w.after(0, h.mine(func() { h.act(h.keeper.Stopped(h.now(), action.ID)) }))
		return
	}
	h.deadline.Until = 0
	h.void()
	h.w.after(h.w.upTo(h.w.terms.Stop), h.mine(func() {
		h.freeze()
		h.w.after(h.w.shortly(4*time.Second), h.mine(func() {
			clear(h.frozen)
			h.act(h.keeper.Stopped(h.now(), action.ID))
		}))
	}))
}

func (h *host) freeze() {
	maps.Copy(h.frozen, h.running)
	clear(h.running)
}

func (h *host) thaw() {
	maps.Copy(h.running, h.frozen)
	clear(h.frozen)
	if h.w.broken == "READ" {
		maps.Copy(h.running, h.remember)
	}
	h.w.alone(h)
}

// kubelet runs the pods that are claimed, and none that is no more.
func (h *host) kubelet() {
	if h.w.broken == "FREEZE" && h.engine {
		for pet, uid := range h.remember {
			h.running[pet] = uid
		}
	}
	if !h.engine || h.keeper == nil || !h.keeper.Holds(h.now()) {
		return
	}
	claiming := h.claiming
	ask(h.w, h.name, func() []corev1.Pod { return h.w.api.podsOf(h.name) }, func(pods []corev1.Pod) {
		h.local(func() { h.sync(claiming, pods) })()
	})
}

func (h *host) sync(claiming int, pods []corev1.Pod) {
	if h.claiming != claiming || !h.engine {
		return
	}
	for _, pod := range pods {
		switch {
		case h.claimed[string(pod.UID)]:
			h.start(pod)
		case h.w.broken == "CLAIM":
			h.claimed[string(pod.UID)] = true
			h.start(pod)
		default:
			h.claim(claiming, pod)
		}
	}
	maps.DeleteFunc(h.running, func(pet string, uid int) bool {
		return !slices.ContainsFunc(pods, func(pod corev1.Pod) bool { return pod.Name == pet && string(pod.UID) == strconv.Itoa(uid) })
	})
}

func (h *host) claim(claiming int, pod corev1.Pod) {
	ask(h.w, h.name, func() bool { return h.w.api.claim(pod) }, func(claimed bool) {
		h.local(func() {
			if claimed && h.claiming == claiming {
				h.claimed[string(pod.UID)] = true
				h.start(pod)
			}
		})()
	})
}

func (h *host) start(pod corev1.Pod) {
	uid, _ := strconv.Atoi(string(pod.UID))
	if h.running[pod.Name] >= uid || !h.engine || h.keeper == nil || !h.keeper.Holds(h.now()) {
		return
	}
	h.w.say("%s: runs %s, uid %d", h.name, pod.Name, uid)
	h.running[pod.Name] = uid
	h.remember[pod.Name] = uid
	h.w.alone(h)
}

func (h *host) pause() {
	h.w.say("%s: paused", h.name)
	h.paused, h.since = true, h.w.now
}

// resume: the machine's own timers come first.
func (h *host) resume() {
	if !h.paused {
		return
	}
	h.w.say("%s: resumed", h.name)
	h.paused = false
	if h.w.broken == "BOOTTIME" {
		h.clock.asleep += h.w.now - h.since
	}
	h.execute()
	for _, do := range h.woken {
		do()
	}
	h.woken = nil
	h.tick()
}
