package pin

import (
	pinv1 "github.com/koinon/koinon/api/koinon/pin/v1"
	"github.com/koinon/koinon/internal/mechanism/possession"
	"github.com/koinon/koinon/receipt"
)

// The stored forms and the mechanism's are the same facts in other types.

func termsOf(t pinv1.Terms) possession.Terms {
	return possession.Terms{
		Size: t.Size_, Price: t.Price, Epoch: t.EpochSeconds, Window: t.WindowSeconds, Epochs: t.Epochs,
		Bond: t.Bond, MissBps: t.MissBps, Forgiven: t.Forgiven,
	}
}

// fileOf is what was pinned; its root has 32 bytes, as was checked when it came.
func fileOf(t pinv1.Terms) possession.File {
	return possession.File{Root: receipt.Digest(t.Root), Size: t.Size_}
}

func dutyOf(t pinv1.Terms, h pinv1.Hold) possession.Duty {
	return possession.Duty{
		Pin:   possession.Pin{Terms: termsOf(t), Epoch: h.Epoch, Missed: h.Missed, Locked: h.Locked, Staked: h.Staked},
		Drawn: h.Drawn, Due: h.Due, Next: h.Next, Late: h.Late,
	}
}

// storedHold is a hold after what its duty has become.
func storedHold(h pinv1.Hold, d possession.Duty) pinv1.Hold {
	h.Epoch, h.Missed, h.Locked, h.Staked = d.Pin.Epoch, d.Pin.Missed, d.Pin.Locked, d.Pin.Staked
	h.Drawn, h.Due, h.Next, h.Late = d.Drawn, d.Due, d.Next, d.Late
	return h
}
