package fence

import "time"

// Feed returns for how long a watchdog may be fed now, in the whole seconds that it
// counts: it then resets the machine no later than when the pets must have stopped, so
// that the judge's wait covers it. Without a renewal there is nothing to feed it. 0: not at all.
func (t Terms) Feed(d Deadline, boot string, now Instant) time.Duration {
	if d.Overdue(boot, now) {
		return 0
	}
	return d.Until.Add(t.Stop).Sub(now).Truncate(time.Second)
}

// FeedStopped is the same for a node whose pets are surely stopped. What lets them run
// again a moment later may have been sent a Renew ago.
func (t Terms) FeedStopped() time.Duration {
	return (t.Term + t.Stop - t.Renew).Truncate(time.Second)
}
