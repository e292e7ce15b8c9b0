/*
 * Rule 11 of internal/fence: when more than half of three nodes are lost at the same
 * moment, the judge closes none of them. Their last renewals may lie up to RENEW
 * apart, so one comes to WAIT before the others: they count from SUSPECT on.
 * A tick is 0.4 s with the default terms.
 */
#define NODES 3
#define RENEW 2
#define WAIT 10
#ifdef BREAK_SUSPECT
#define SUSPECT WAIT
#else
#define SUSPECT (WAIT - 2 * RENEW)
#endif

byte silent[NODES];     /* ticks since the judge saw a renewal */
bool cut;               /* nodes 0 and 1, and perhaps 2, are lost */
bool all;

#define LOST(n) (cut && (n < 2 || all))
#ifdef BREAK_LIMIT
#define WITHIN_LIMIT true
#else
#define WITHIN_LIMIT (2 * ((silent[0] >= SUSPECT) + (silent[1] >= SUSPECT) + (silent[2] >= SUSPECT)) <= NODES)
#endif
#define MAY(n) (LOST(n) || silent[n] < RENEW)

inline renew(n) { if :: !LOST(n) -> silent[n] = 0 :: else fi }
inline up(n) { if :: silent[n] < WAIT -> silent[n]++ :: else fi }

active proctype World() {
	do
	:: d_step { MAY(0) && MAY(1) && MAY(2) -> up(0); up(1); up(2) }
	:: d_step { true -> renew(0) }
	:: d_step { true -> renew(1) }
	:: d_step { true -> renew(2) }
	:: d_step { !cut -> cut = true }
	:: d_step { !cut -> cut = true; all = true }
	:: d_step { silent[0] == WAIT || silent[1] == WAIT || silent[2] == WAIT -> assert(!WITHIN_LIMIT) }
	od
}
