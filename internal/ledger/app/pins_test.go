package app_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	pinv1 "github.com/koinon/koinon/api/koinon/pin/v1"
	"github.com/koinon/koinon/internal/ledger/app"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
	"github.com/koinon/koinon/internal/ledger/x/pin"
	"github.com/koinon/koinon/internal/mechanism/merkle"
	"github.com/koinon/koinon/internal/mechanism/possession"
	"github.com/koinon/koinon/receipt"
)

// kept is a file that is pinned.
type kept struct {
	pieces [][]byte
	tree   *merkle.Tree
	size   uint64
}

func newKept() kept {
	var k kept
	var leaves []receipt.Digest
	for i := range 32 {
		k.pieces = append(k.pieces, bytes.Repeat([]byte{byte(i)}, possession.PieceSize))
		leaves = append(leaves, receipt.Sum(k.pieces[i]))
		k.size += possession.PieceSize
	}
	k.tree = merkle.New(leaves)
	return k
}

// prove answers what a holder is asked now.
func (k kept) prove(m *market, holder ledgertest.Account) *pinv1.MsgProve {
	h := m.duty(holder)
	msg := &pinv1.MsgProve{Holder: holder.Address, Epoch: h.Epoch}
	for _, i := range h.Drawn {
		msg.Pieces = append(msg.Pieces, slices.Clone(k.pieces[i]))
	}
	for _, d := range merkle.Prove(k.tree.Node, 0, uint64(len(k.pieces)), h.Drawn) {
		msg.Proof = append(msg.Proof, d[:])
	}
	return msg
}

// duty is what a holder has to do for its only pin; nothing, if it has none.
func (m *market) duty(holder ledgertest.Account) pinv1.Hold {
	m.t.Helper()
	r, err := pinv1.NewQueryClient(m.Conn()).Duties(context.Background(), &pinv1.QueryDutiesRequest{Holder: holder.Address})
	if err != nil {
		m.t.Fatal(err)
	}
	if len(r.Holds) == 0 {
		return pinv1.Hold{}
	}
	return r.Holds[0]
}

// newPins is a ledger on which ada pays two holders a dollar an epoch for ten
// epochs of a minute, of bonds of 1,000 ukoin; a fifth goes for a miss, and one is
// forgiven.
func newPins(t *testing.T) (*market, kept) {
	k := newKept()
	l := ledgertest.New(t, []ledgertest.Account{ada, bella, carlo, dora}, func(c *app.GenesisConfig) { c.Pin = pin.Paced(20) })
	m := &market{l, t}
	m.Must(ada, ledgertest.Version(ada, "bard"))
	root := k.tree.Root()
	m.Must(ada, &pinv1.MsgOpen{Owner: ada.Address, Terms: pinv1.Terms{
		ModelDigest: ledgertest.Digest("bard"), Root: root[:], Size_: k.size, Price: 1 << 30 / k.size * 1_000_000 * possession.Month / 60,
		EpochSeconds: 60, Epochs: 10, Bond: 1_000, MissBps: 2_000, Forgiven: 1, Copies: 3, Until: m.Time.Add(time.Hour).Unix(),
	}})
	return m, k
}

// TestHoldersArePaidAndLose: one who has the blocks is paid for each epoch, one who
// dropped them loses fee and a part of its bond, and then the pin; the copy that
// nobody took comes back. Exported and begun again in between.
func TestHoldersArePaidAndLose(t *testing.T) {
	m, k := newPins(t)
	if got := m.Balance(ada.Address, "ucredit"); got != ledgertest.Credit-30_000_000 {
		t.Fatalf("ada has %d ucredit", got)
	}
	m.Must(bella, &pinv1.MsgAccept{Holder: bella.Address})
	m.Must(carlo, &pinv1.MsgAccept{Holder: carlo.Address})
	if err := m.Send(carlo, &pinv1.MsgAccept{Holder: carlo.Address}); !errors.Is(err, pin.ErrHeld) {
		t.Errorf("twice: %v", err)
	}
	if err := m.Send(bella, k.prove(m, bella)); !errors.Is(err, possession.ErrEpoch) {
		t.Errorf("before anything is drawn: %v", err)
	}
	carlos := m.Balance(carlo.Address, "ukoin")
	for epoch := range 10 {
		for m.Block(10 * time.Second); len(m.duty(bella).Drawn) == 0; m.Block(10 * time.Second) {
		}
		if epoch == 0 {
			forged, anothers := k.prove(m, bella), k.prove(m, bella)
			forged.Pieces[0][5] ^= 1
			if err := m.Send(bella, forged); !errors.Is(err, possession.ErrBytes) {
				t.Errorf("false bytes: %v", err)
			}
			anothers.Holder = dora.Address
			if err := m.Send(dora, anothers); !errors.Is(err, pin.ErrNotHeld) {
				t.Errorf("one who does not hold it: %v", err)
			}
			m.Ledger = m.Restart(nil)
		}
		m.Must(bella, k.prove(m, bella))
		if err := m.Send(bella, k.prove(m, bella)); !errors.Is(err, possession.ErrEpoch) && epoch < 9 {
			t.Errorf("paid twice: %v", err)
		}
	}
	if got := m.Balance(bella.Address, "ucredit"); got != ledgertest.Credit+10_000_000 {
		t.Errorf("bella, who kept it, has %d ucredit", got)
	}
	if got := m.Balance(carlo.Address, "ucredit"); got != ledgertest.Credit {
		t.Errorf("carlo, who did not, has %d ucredit", got)
	}
	if got := m.Balance(carlo.Address, "ukoin"); got != carlos+600 {
		t.Errorf("carlo has %d ukoin, after %d: two misses cost 400 of 1,000", got, carlos)
	}
	if h := m.duty(carlo); h.Holder != "" {
		t.Errorf("carlo still holds: %+v", h)
	}
	m.Block(time.Hour)
	if got := m.Balance(ada.Address, "ucredit"); got != ledgertest.Credit-10_000_000 {
		t.Errorf("ada has %d ucredit: one holder earned ten dollars", got)
	}
	if err := m.Send(dora, &pinv1.MsgAccept{Holder: dora.Address}); !errors.Is(err, pin.ErrNotFound) {
		t.Errorf("after its end: %v", err)
	}
}

// TestAPinEndsEarly: by a holder, which loses what a miss costs; by its owner, which
// gives bonds back.
func TestAPinEndsEarly(t *testing.T) {
	m, _ := newPins(t)
	m.Must(bella, &pinv1.MsgAccept{Holder: bella.Address})
	m.Must(carlo, &pinv1.MsgAccept{Holder: carlo.Address})
	before := m.Balance(bella.Address, "ukoin")
	m.Must(carlo, &pinv1.MsgLeave{Holder: carlo.Address})
	if err := m.Send(carlo, &pinv1.MsgLeave{Holder: carlo.Address}); !errors.Is(err, pin.ErrNotHeld) {
		t.Errorf("twice: %v", err)
	}
	if err := m.Send(dora, &pinv1.MsgClose{Owner: dora.Address}); !errors.Is(err, pin.ErrOwner) {
		t.Errorf("not its owner: %v", err)
	}
	m.Must(ada, &pinv1.MsgClose{Owner: ada.Address})
	if got := m.Balance(ada.Address, "ucredit"); got != ledgertest.Credit {
		t.Errorf("ada has %d ucredit", got)
	}
	if got := m.Balance(bella.Address, "ukoin"); got != before+1_000 {
		t.Errorf("bella has %d ukoin, after %d", got, before)
	}
	if err := m.Send(ada, &pinv1.MsgClose{Owner: ada.Address}); !errors.Is(err, pin.ErrNotFound) {
		t.Errorf("twice: %v", err)
	}
	bad := &pinv1.MsgOpen{Owner: ada.Address, Terms: pinv1.Terms{ModelDigest: ledgertest.Digest("none")}}
	if err := m.Send(ada, bad); err == nil {
		t.Error("a version that there is not was pinned")
	}
}
