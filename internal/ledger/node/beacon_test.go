package node_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	beaconv1 "github.com/koinon/koinon/api/koinon/beacon/v1"
	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/ledger/app"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/ledger/node"
)

// member is one node of a network in this process.
type member struct {
	*node.Node
	home   string
	beacon beaconv1.QueryClient
}

// network prepares homes for validators and one follower, who share a genesis.
func network(t *testing.T, validators int) []*member {
	t.Helper()
	operator, err := client.NewKey("operator")
	if err != nil {
		t.Fatal(err)
	}
	config := app.GenesisConfig{Issuer: escrowv1.Issuer{Address: operator.Address(), Name: "test", Cap: 1}}
	members := make([]*member, validators+1)
	for i := range members {
		members[i] = &member{home: t.TempDir()}
		public, _, err := node.Keys(members[i].home)
		if err != nil {
			t.Fatal(err)
		}
		key, err := client.NewKey(fmt.Sprint("validator", i))
		if err != nil {
			t.Fatal(err)
		}
		if i < validators {
			config.Accounts = append(config.Accounts, app.Account{Address: key.Address()})
			config.Validators = append(config.Validators, app.Validator{
				Operator: key.Address(), ConsensusKey: public, Stake: 100_000_000, Moniker: fmt.Sprint(i)})
		}
	}
	if err := node.Init(members[0].home, "koinon-test", config, time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	genesis := filepath.Join("config", "genesis.json")
	data, err := os.ReadFile(filepath.Join(members[0].home, genesis))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range members[1:] {
		if err := os.WriteFile(filepath.Join(m.home, genesis), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return members
}

// start runs a member's node, connected to others.
func (m *member) start(t *testing.T, peers ...*member) {
	t.Helper()
	config := testConfig(m.home)
	for _, p := range peers {
		config.Peers = append(config.Peers, p.ID()+"@"+p.P2P)
	}
	var err error
	if m.Node, err = node.Start(context.WithoutCancel(t.Context()), config, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	connection, err := grpc.NewClient(m.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	m.beacon = beaconv1.NewQueryClient(connection)
}

// reach waits for a height.
func (m *member) reach(t *testing.T, height int64) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for m.Height() < height {
		select {
		case <-t.Context().Done():
			t.Fatalf("height %d was not reached", height)
		case <-m.Done():
			t.Fatalf("a node stopped at height %d", m.Height())
		case <-tick.C:
		}
	}
}

func (m *member) randomness(t *testing.T, height int64) []byte {
	t.Helper()
	m.reach(t, height)
	response, err := m.beacon.Randomness(t.Context(), &beaconv1.QueryRandomnessRequest{Height: height})
	if err != nil {
		t.Fatal(err)
	}
	return response.Randomness
}

// Four validators contribute and a follower follows; when one stops, the others
// go on, and it comes back to the same randomness, from blocks on which it did
// not vote.
func TestValidatorsShareOneBeacon(t *testing.T) {
	members := network(t, 4)
	for i, m := range members {
		m.start(t, members[:i]...)
		t.Cleanup(func() { m.Stop() })
	}
	last, follower := members[3], members[4]
	agree := func(height int64) {
		t.Helper()
		want := members[0].randomness(t, height)
		for i, m := range members {
			if got := m.randomness(t, height); !bytes.Equal(got, want) {
				t.Fatalf("height %d: node %d has %x, not %x", height, i, got, want)
			}
		}
		if before := members[0].randomness(t, height-1); bytes.Equal(before, want) {
			t.Fatalf("height %d: randomness repeats", height)
		}
	}
	agree(5)
	if err := last.Stop(); err != nil {
		t.Fatal(err)
	}
	away := follower.Height()
	follower.reach(t, away+5)
	last.start(t, members[:3]...)
	agree(away + 6)
	standings, err := follower.beacon.Standings(t.Context(), &beaconv1.QueryStandingsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range standings.Standings {
		if s.Withheld > 0 {
			t.Errorf("%s withheld %d times: none does", s.Validator, s.Withheld)
		}
	}
}
