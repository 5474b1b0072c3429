package beacon_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	abci "github.com/cometbft/cometbft/abci/types"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519/extra/ecvrf"

	sdk "github.com/cosmos/cosmos-sdk/types"

	beaconv1 "github.com/koinon/koinon/api/koinon/beacon/v1"
	"github.com/koinon/koinon/internal/ledger/x/beacon"
	rules "github.com/koinon/koinon/internal/mechanism/beacon"
	"github.com/koinon/koinon/receipt"
)

func (c *chain) latest() receipt.Digest {
	c.Helper()
	height, r, err := c.apps[0].Beacon.Latest(c.context())
	c.must(err)
	if height != c.height {
		c.Fatalf("the newest randomness is of %d at %d", height, c.height)
	}
	return r
}

// What is stored is what the specification says (spec/beacon.md, 2): the proofs
// of all validators for the block before, about the randomness before that.
func TestRandomnessIsWhatTheVotesProved(t *testing.T) {
	c := newChain(t, nil)
	known := map[receipt.Digest]bool{}
	c.block(nil)
	previous := c.latest() // of 1
	for range 5 {
		before := previous
		previous = c.latest()
		if known[previous] {
			t.Fatal("randomness repeats")
		}
		known[previous] = true
		c.block(nil)
		round := rules.Round{Chain: chainID, Height: c.height - 1, Previous: before}
		if c.height == 2 { // before 1 there is what follows from the chain's name
			round.Previous = rules.Round{Chain: chainID}.Join(receipt.Digest{}, nil)
		}
		var contributions []rules.Contribution
		for _, key := range c.keys {
			output, err := ecvrf.ProofToHash(ecvrf.Prove(ed25519.PrivateKey(key), round.Input()))
			c.must(err)
			contributions = append(contributions, rules.Contribution{Power: 100, Output: rules.Output(output)})
		}
		if got := c.latest(); got != round.Join(previous, contributions) {
			t.Fatalf("height %d: randomness %s", c.height, got)
		}
		if r, err := c.apps[0].Beacon.Randomness(c.context(), c.height); err != nil || r != c.latest() {
			t.Fatalf("height %d: %s %v", c.height, r, err)
		}
	}
	if _, err := c.apps[0].Beacon.Randomness(c.context(), c.height+1); !errors.Is(err, beacon.ErrHeight) {
		t.Errorf("randomness of the future: %v", err)
	}
}

// A proposer may take the votes of any two thirds, of no less.
func TestARecordNeedsTwoThirds(t *testing.T) {
	c := newChain(t, nil)
	c.block(nil)
	c.block(nil)
	for i := range c.keys { // leaving out any one of four is allowed …
		less := c.votes
		less.Votes = slices.Clone(c.votes.Votes)
		less.Votes[i] = absent(less.Votes[i])
		if !c.accepts(less, c.propose(less)) {
			t.Errorf("a commit without %d is refused", i)
		}
		less.Votes[(i+1)%validators] = absent(less.Votes[(i+1)%validators])
		if c.accepts(less, c.propose(less)) { // … two are a half
			t.Errorf("a commit of half the stake is taken")
		}
	}
}

func TestForgedRecordsAreRefused(t *testing.T) {
	c := newChain(t, nil)
	c.block(nil)
	first := c.propose(c.votes)
	c.block(nil)
	forge := func(change func(*abci.ExtendedCommitInfo)) [][]byte {
		forged := c.votes
		forged.Votes = slices.Clone(c.votes.Votes)
		change(&forged)
		return c.propose(forged)
	}
	cases := map[string][][]byte{
		"no record":                        {},
		"a transaction":                    {[]byte("transaction")},
		"of the height before":             first,
		"not protobuf":                     {append(bytes.Clone(c.propose(c.votes)[0]), 0xff)},
		"an extension that was not signed": forge(func(f *abci.ExtendedCommitInfo) { f.Votes[0].VoteExtension = f.Votes[1].VoteExtension }),
		"a proof withheld for another":     forge(func(f *abci.ExtendedCommitInfo) { f.Votes[0].VoteExtension = nil }),
		"an extension without a vote":      forge(func(f *abci.ExtendedCommitInfo) { f.Votes[0].BlockIdFlag = cmtproto.BlockIDFlagNil }),
		"one validator less":               forge(func(f *abci.ExtendedCommitInfo) { f.Votes = f.Votes[1:] }),
		"another order":                    forge(func(f *abci.ExtendedCommitInfo) { f.Votes[0], f.Votes[1] = f.Votes[1], f.Votes[0] }),
		"more power":                       forge(func(f *abci.ExtendedCommitInfo) { f.Votes[0].Validator.Power++ }),
		"another round":                    forge(func(f *abci.ExtendedCommitInfo) { f.Round++ }),
		"half struck": forge(func(f *abci.ExtendedCommitInfo) {
			f.Votes[0], f.Votes[1] = absent(f.Votes[0]), absent(f.Votes[1])
		}),
	}
	for name, txs := range cases {
		if c.accepts(c.votes, txs) {
			t.Errorf("a record with %s is taken", name)
		}
	}
	c.block(nil) // and the chain goes on
}

func TestHostileExtensionsAreRefused(t *testing.T) {
	c := newChain(t, nil)
	c.block(nil)
	old := c.extension(0)
	c.block(nil)
	good := c.extension(0)
	flipped := bytes.Clone(good)
	flipped[70] ^= 1
	for name, extension := range map[string][]byte{
		"of the height before": old, "of another validator": c.extension(1), "one bit wrong": flipped,
		"short": good[:79], "long": append(bytes.Clone(good), 0), "huge": make([]byte, 1<<20), "zeros": make([]byte, 80),
	} {
		if c.verifies(0, extension) {
			t.Errorf("an extension %s is taken", name)
		}
	}
	if !c.verifies(0, good) || !c.verifies(0, nil) {
		t.Error("a proof, or none, is refused")
	}
	c.block(nil)
}

// CometBFT takes votes that come late without asking the application: garbage
// in them is recorded and counted, and halts nothing; too much of it is struck.
func TestLateGarbageIsCounted(t *testing.T) {
	c := newChain(t, nil)
	c.block(nil)
	c.block(func(votes *abci.ExtendedCommitInfo) { votes.Votes[1] = c.vote(1, []byte("garbage")) })
	c.block(func(votes *abci.ExtendedCommitInfo) { votes.Votes[2] = c.vote(2, make([]byte, 1<<20)) })
	c.block(nil)
	c.block(nil)
	for i, want := range []beaconv1.Standing{{}, {Withheld: 1}, {Silent: 1}, {}} {
		if got := c.standing(i); got.Withheld != want.Withheld || got.Silent != want.Silent {
			t.Errorf("validator %d: %+v, not %+v", i, got, want)
		}
	}
}

func (c *chain) standing(i int) beaconv1.Standing {
	c.Helper()
	response, err := beaconv1.NewQueryClient(c.conn()).Standings(c.Context(), &beaconv1.QueryStandingsRequest{})
	c.must(err)
	for _, s := range response.Standings {
		if s.Validator == sdk.ConsAddress(c.keys[i].PubKey().Address()).String() {
			return s
		}
	}
	return beaconv1.Standing{}
}

// One validator withholds, another is left out by a proposer: the first is
// slashed and jailed at its threshold, the second jailed at its own, and the
// others are never touched.
func TestWithholdersArePunished(t *testing.T) {
	c := newChain(t, &beaconv1.Params{Window: 100, MaxWithheld: 2, MaxSilent: 4, SlashBps: 100, JailSeconds: 60})
	c.block(nil)
	for range 5 {
		c.block(func(votes *abci.ExtendedCommitInfo) {
			votes.Votes[0] = c.vote(0, nil)
		})
	}
	withholder, left := c.validator(0), c.validator(1)
	if !withholder.Jailed || withholder.Tokens.Int64() != stake*99/100 {
		t.Errorf("the withholder has %s, jailed is %t", withholder.Tokens, withholder.Jailed)
	}
	if left.Jailed {
		t.Fatal("jailed for another's conduct")
	}
	// CometBFT would take the jailed one out of the set two blocks on; here it
	// stays, contributes, and is not punished again.
	for range 6 {
		c.block(func(votes *abci.ExtendedCommitInfo) { votes.Votes[1] = absent(votes.Votes[1]) })
	}
	if left = c.validator(1); !left.Jailed || left.Tokens.Int64() != stake {
		t.Errorf("the one left out has %s, jailed is %t", left.Tokens, left.Jailed)
	}
	for _, i := range []int{2, 3} {
		if v := c.validator(i); v.Jailed || v.Tokens.Int64() != stake {
			t.Errorf("validator %d, who contributed, has %s, jailed is %t", i, v.Tokens, v.Jailed)
		}
	}
}

// Whoever sends a record as a transaction is refused, and one in a block does
// nothing: neither checks nor simulations take it for a transaction.
func TestARecordIsNoTransaction(t *testing.T) {
	c := newChain(t, nil)
	c.block(nil)
	c.block(nil)
	record := c.propose(c.votes)[0]
	response, err := c.apps[0].CheckTx(&abci.RequestCheckTx{Tx: record})
	if err == nil && response.IsOK() {
		t.Error("a record is taken as a transaction")
	}
	if _, _, err := c.apps[0].Simulate(record); err == nil {
		t.Error("a record is simulated")
	}
	results := c.block(nil, record)
	for i, result := range results {
		if result.IsOK() || result.GasUsed != 0 || len(result.Events) > 0 {
			t.Errorf("record %d did something: %+v", i, result)
		}
	}
}

// Transactions leave room for the record.
func TestTheRecordFitsIntoAFullBlock(t *testing.T) {
	c := newChain(t, nil)
	c.block(nil)
	c.block(nil)
	record := c.propose(c.votes)[0]
	builder := c.apps[0].TxConfig.NewTxBuilder()
	builder.SetMemo("a transaction of more than fifty bytes, two of which do not fit")
	tx, err := c.apps[0].TxConfig.TxEncoder()(builder.GetTx())
	c.must(err)
	response, err := c.apps[0].PrepareProposal(&abci.RequestPrepareProposal{
		Height: c.height + 1, Time: c.time, MaxTxBytes: int64(len(record)) + 150, LocalLastCommit: c.votes,
		Txs: [][]byte{tx, tx}})
	c.must(err)
	if len(response.Txs) != 2 {
		t.Fatalf("%d transactions with the record, room is for one", len(response.Txs)-1)
	}
	var size int
	for _, tx := range response.Txs {
		size += len(tx) + 5
	}
	if size > len(record)+150 || !bytes.Equal(response.Txs[0], record) {
		t.Errorf("%d bytes in a block of %d", size, len(record)+150)
	}
}

func BenchmarkProofs(b *testing.B) {
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	round := rules.Round{Chain: chainID, Height: 1}
	proof := ecvrf.Prove(key, round.Input())
	public := key.Public().(ed25519.PublicKey)
	b.Run("prove", func(b *testing.B) {
		for b.Loop() {
			ecvrf.Prove(key, round.Input())
		}
	})
	b.Run("verify", func(b *testing.B) {
		for b.Loop() {
			if ok, _ := ecvrf.Verify(public, proof, round.Input()); !ok {
				b.Fatal("refused")
			}
		}
	})
}
