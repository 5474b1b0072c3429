package share

import (
	sharev1 "github.com/koinon/koinon/api/koinon/share/v1"
	"github.com/koinon/koinon/internal/mechanism/buyout"
	"github.com/koinon/koinon/internal/mechanism/share"
)

// The stored forms and the mechanism's are the same facts in other types.

func poolOf(i sharev1.Issue) share.Pool {
	return share.Pool{Earned: share.Amount(i.Earned), Dust: i.Dust, Held: i.Held}
}

func storedPool(i sharev1.Issue, p share.Pool) sharev1.Issue {
	i.Earned, i.Dust, i.Held = sharev1.Amount(p.Earned), p.Dust, p.Held
	return i
}

func positionOf(h sharev1.Holding) share.Position {
	return share.Position{Seen: share.Amount(h.Seen), Owed: share.Amount(h.Owed)}
}

func storedPosition(h sharev1.Holding, p share.Position) sharev1.Holding {
	h.Seen, h.Owed = sharev1.Amount(p.Seen), sharev1.Amount(p.Owed)
	return h
}

func vestingOf(v sharev1.Vesting) share.Vesting {
	return share.Vesting{Shares: v.Shares, Start: v.Start, Cliff: v.Cliff, End: v.End, Released: v.Released}
}

func bidTerms(b sharev1.Bid) buyout.Terms {
	return buyout.Terms{Price: b.Price, Least: b.Least, Most: b.Most, Deadline: b.Deadline}
}

func bidOf(b sharev1.Bid) buyout.Bid {
	return buyout.Bid{Status: buyout.Status(b.Status), Tendered: b.Tendered, Bought: b.Bought, Held: b.Held}
}

func storedBid(s sharev1.Bid, b buyout.Bid) sharev1.Bid {
	s.Status, s.Tendered, s.Bought, s.Held = sharev1.BidStatus(b.Status), b.Tendered, b.Bought, b.Held
	return s
}
