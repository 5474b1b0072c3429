package challenge_test

import (
	"testing"
	"time"

	sdk "github.com/cosmos/cosmos-sdk/types"

	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
)

// What spec/challenge.md says that an answer costs.
func TestAnAnswerCostsLittle(t *testing.T) {
	m := newMarket(t, "alice")
	alice := m.byName("alice")
	c := m.until(challengev1.Stage_STAGE_COMMITTING)
	for stage, msg := range []sdk.Msg{m.commitment(c, alice, right), m.answer(c, alice, right, salt(alice))} {
		if stage == 1 {
			m.until(challengev1.Stage_STAGE_REVEALING)
		}
		result := m.Block(time.Second, ledgertest.Tx{From: alice, Msgs: []sdk.Msg{msg}})[0]
		if err := ledgertest.Error(result); err != nil {
			t.Fatal(err)
		}
		t.Logf("%T: %d gas", msg, result.GasUsed)
		if result.GasUsed > 150_000 {
			t.Errorf("%T costs %d gas", msg, result.GasUsed)
		}
	}
}
