/*
 * The protocol by which a node that may still be running its pets is fenced. The
 * package comment of internal/fence has its rules. Each can be broken by a
 * definition (-DBREAK_...), and then there must be a counterexample.
 *
 * Three nodes: the subject, whose lease this is, and two more. Leases of different
 * nodes have nothing in common but the pods, which go from one to the other; so the
 * two others appear as members, and as the place where the pet runs when its pod is
 * not the subject's. What is shown of the subject holds of each.
 *
 * Time is discrete. The worst that drift can do stands in the constants: a node runs
 * its pets for TERM ticks by the slowest clock, time to stop included, and the judge
 * waits for WAIT ticks by the fastest one. It closes the lease after CLOSE of them.
 *
 * A machine that is off, paused or cut off is one that takes no step: there are no
 * states for that. Its clock goes on, and its lease ends with it. A message that is
 * lost is one that is never taken in; what is under way may come at any time.
 *
 * A write whose precondition does not hold any more has no effect, so it is dropped
 * as soon as another write is committed.
 */
#ifndef TERM
#define TERM 2
#endif
#ifndef WAIT
#define WAIT 2
#endif

#ifndef CLOSE
#define CLOSE 1
#endif

#ifdef BREAK_WAIT
#define WAITED (WAIT - 1)
#else
#define WAITED WAIT
#endif
#ifdef BREAK_REST /* whoever finds the lease closed takes it that all of WAIT has passed */
#define CLOSED WAIT
#else
#define CLOSED CLOSE
#endif

mtype = { OPEN, CLOSING, FENCED }
mtype = { NOTHING, ASKED, ANSWERED }
mtype = { RENEW, ACQUIRE, RELEASE }

/* What is committed in the subject's Lease, and about the pod of its pet. */
mtype state = OPEN;
bool own;               /* the pod is the subject's; else another node runs it */

/* The subject's machine. */
byte lease;             /* ticks until the lease ends */
bool runs;              /* the pet */
bool claimed;           /* the pod, by a write of this epoch */
mtype claim = NOTHING;
mtype request = NOTHING;
mtype kind = RENEW;     /* of the request */
byte age;               /* ticks since it was sent */
mtype ghost = NOTHING;  /* the kind of a request that is forgotten, and may be carried out yet */
bool round;             /* it has asked its members to vouch */
byte begun;             /* ticks since then */
bool voice;             /* the word of one is on its way: with its own, a majority */

/* The two members. */
bool refuses[2];
bool ignorant[2];       /* has not yet read whether the subject is closed */
byte vouched[2];        /* ticks since then; WAIT: long ago */

/* The judge, and what it has under way. */
bool seen;              /* the newest version of the lease */
byte silent;            /* ticks since it saw one that is open; CLOSE when it finds it closed */
bool refused[2];        /* what it has been told */
byte left[2];           /* ticks until what a member vouched for has run out */
bool close;
bool fence;
byte delete;            /* the pod: 1 it was read, 2 and the lease was read as fenced */
bool current;           /* the pod is as it was read */

#ifdef BREAK_FROM_SENT
#define SINCE(ticks) 0
#else
#define SINCE(ticks) ticks
#endif

#define ALONE assert(own || !runs)

/* A write is committed: all that had another version as precondition is void. */
inline committed() {
	seen = false; ghost = NOTHING; close = false;
#ifndef BREAK_PRECONDITION
	fence = false;
#endif
	if
	:: request == ASKED -> request = NOTHING; age = 0; kind = RENEW
	:: else
	fi
}

/* A new epoch: members refused another one, and so the judge was told. */
inline nextEpoch() {
	refuses[0] = false; refuses[1] = false;
#ifndef BREAK_EPOCH
	refused[0] = false; refused[1] = false; left[0] = 0; left[1] = 0
#endif
}

inline forget() {
	if
	:: request == ASKED -> ghost = kind
	:: else
	fi;
#ifndef BREAK_RAN_OUT
	request = NOTHING; kind = RENEW; age = 0; round = false; begun = 0; voice = false;
#endif
	claim = NOTHING
}

inline stop() {
#ifndef BREAK_STOP
	runs = false;
#endif
#if !defined(BREAK_READ) && !defined(BREAK_FREEZE)
	claimed = false;
#endif
	lease = 0; forget()
}

inline extend(ticks) {
	if
#ifdef BREAK_RAN_OUT /* nobody knows any more when the request was sent */
	:: lease == 0 -> lease = TERM; claimed = own
#endif
	:: lease > 0 && SINCE(ticks) < TERM && TERM - SINCE(ticks) > lease -> lease = TERM - SINCE(ticks)
	:: else
	fi
}

inline restartMember(p) {
	refuses[p] = false; vouched[p] = 0;
#ifndef BREAK_IGNORANT
	ignorant[p] = true
#endif
}

/* A member does not vouch any more, and says when it last did. */
inline refuse(p) {
	refused[p] = true; refuses[p] = true;
#ifndef BREAK_AGE
	left[p] = WAIT - vouched[p]
#endif
}

/* A commit of the subject's own hand. */
inline apply(what) {
	if
	:: what == RELEASE ->
		state = FENCED; assert(!runs); committed()
	:: what == ACQUIRE ->
		state = OPEN; committed(); nextEpoch()
	:: what == RENEW && state == CLOSING -> /* it takes the lease back */
		state = OPEN; committed(); nextEpoch()
	:: what == RENEW && state == OPEN ->
		committed()
	:: else
	fi
}

inline up(ticks, most) { if :: ticks < most -> ticks++ :: else fi }
inline down(ticks) { if :: ticks > 0 -> ticks-- :: else fi }

/* missed: the subject's own clock is not among those that go on. */
inline tick(missed) {
	if
	:: request != NOTHING && kind != RELEASE -> up(age, TERM)
	:: else
	fi;
	if
	:: round -> up(begun, TERM)
	:: else
	fi;
	if
	:: seen && state != FENCED -> up(silent, WAIT)
	:: else
	fi;
	up(vouched[0], WAIT); up(vouched[1], WAIT);
	down(left[0]); down(left[1]);
	if
	:: missed
	:: !missed && lease > 1 -> lease--
	:: !missed && lease == 1 -> stop()
	:: else
	fi
}

inline moved() { own = false; current = false; delete = 0; ALONE }

#ifdef BREAK_DRIFT
bool slow;
#endif

active proctype World() {
	vouched[0] = WAIT; vouched[1] = WAIT;
	do
	:: d_step { true -> tick(false) }
#ifdef BREAK_BOOTTIME /* it sleeps, and its clock with it; it will wake as if nothing were */
	:: d_step { lease > 0 -> tick(true) }
#endif
#ifdef BREAK_DRIFT /* it is slower than the constants say, by a tick in its life */
	:: d_step { lease > 0 && !slow -> slow = true; tick(true) }
#endif

	/* The subject's lease, through the API. */
	:: d_step { lease > 0 && request == NOTHING -> request = ASKED }
	:: d_step { lease == 0 && !runs && request == NOTHING -> request = ASKED; kind = ACQUIRE }
	:: d_step { lease == 0 && !runs && request == NOTHING && state != FENCED -> request = ASKED; kind = RELEASE }
	:: d_step { request == ASKED -> request = ANSWERED; apply(kind) }
	:: d_step { request == ANSWERED ->
		if
		:: kind == ACQUIRE && age < TERM && lease == 0 -> lease = TERM - SINCE(age); claim = ASKED
		:: kind == RENEW -> extend(age)
		:: else
		fi;
		request = NOTHING; kind = RENEW; age = 0 }
	:: d_step { request != NOTHING -> /* it is not waited for any longer */
		if
		:: request == ASKED -> ghost = kind
		:: else
		fi;
		request = NOTHING; kind = RENEW; age = 0 }
	:: d_step { ghost != NOTHING -> apply(ghost); ghost = NOTHING }

	/* The lease, by the word of a majority. */
	:: d_step { lease > 0 -> round = true; begun = 0; voice = false }
	:: d_step { round && !voice && !refuses[0] && !ignorant[0] -> voice = true; vouched[0] = 0 }
	:: d_step { round && !voice && !refuses[1] && !ignorant[1] -> voice = true; vouched[1] = 0 }
	:: d_step { voice -> extend(begun); round = false; begun = 0; voice = false }

	/* The pet. */
	:: d_step { claim == ASKED && own -> claim = ANSWERED;
#ifndef BREAK_CLAIM
		current = false;
#endif
#ifndef BREAK_POD_PRECONDITION
		if
		:: !current -> delete = 0
		:: else
		fi
#endif
		}
	:: d_step { claim == ANSWERED -> claim = NOTHING; claimed = true }
	:: d_step { lease > 0 && own && !claimed && claim == NOTHING -> claim = ASKED }
	:: d_step { lease > 0 && claimed && !runs -> runs = true; ALONE }
#ifdef BREAK_FREEZE
	:: d_step { claimed && !runs -> runs = true; ALONE }
#endif

	/* The keeper stops of its own will; it is killed; the machine loses power. */
	:: d_step { lease > 0 -> stop() }
	:: d_step { lease > 0 -> forget();
#ifdef BREAK_KEEPER
		lease = 0
#endif
		}
	:: d_step { lease > 0 || runs || claimed -> runs = false; claimed = false; stop() }

	/* The members: one is restarted; it reads. */
	:: d_step { true -> restartMember(0) }
	:: d_step { true -> restartMember(1) }
	:: d_step { ignorant[0] -> ignorant[0] = false; refuses[0] = (state != OPEN) }
	:: d_step { ignorant[1] -> ignorant[1] = false; refuses[1] = (state != OPEN) }

	/* The judge. */
	:: d_step { !seen -> seen = true; silent = (state == CLOSING -> CLOSED : 0) }
	:: d_step { state == OPEN && silent >= CLOSE && seen -> close = true }
	:: d_step { close -> close = false; state = CLOSING; committed(); silent = 0 }
	:: d_step { state == CLOSING && !refused[0] -> refuse(0) }
	:: d_step { state == CLOSING && !refused[1] -> refuse(1) }
	:: d_step { state == CLOSING && seen && silent >= WAITED &&
#ifdef BREAK_REFUSE
		(refused[0] && left[0] == 0 || refused[1] && left[1] == 0)
#else
		refused[0] && refused[1] && left[0] == 0 && left[1] == 0
#endif
		-> fence = true }
	:: d_step { fence -> fence = false; state = FENCED; assert(!runs); committed() }
	:: d_step { silent > 0 || refused[0] || refused[1] -> /* another one takes its place */
		seen = false;
#ifdef BREAK_NEW_JUDGE
		silent = WAIT; seen = true;
#else
		silent = 0;
#endif
		refused[0] = false; refused[1] = false; left[0] = 0; left[1] = 0 }

	/* Pods go elsewhere, and come back as new ones. */
	:: d_step { own && delete == 0 -> delete = 1; current = true }
#ifdef BREAK_ORDER
	:: d_step { delete == 1 && state == CLOSING -> delete = 2 }
#endif
	:: d_step { delete == 1 && state == FENCED -> delete = 2 }
#ifdef BREAK_POD_PRECONDITION
	:: d_step { delete == 2 && own -> moved() }
#else
	:: d_step { delete == 2 && own && current -> moved() }
#endif
	:: d_step { !own -> own = true }
	od
}
