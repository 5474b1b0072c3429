package devnet_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
	"github.com/koinon/koinon/internal/devnet"
)

// Providers answer the ledger's challenges by themselves: both run the model on
// the prompt that the beacon drew, and agree to the bit.
func TestProvidersAnswerChallenges(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c := config(t.TempDir())
	c.Justice.ChallengeEpoch = 10 * time.Second
	n, err := devnet.Start(ctx, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
	}()
	connection, err := grpc.NewClient(n.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	query := challengev1.NewQueryClient(connection)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		list, err := query.Challenges(ctx, &challengev1.QueryChallengesRequest{})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list.Challenges {
			if c.Stage != challengev1.Stage_STAGE_CLOSED || c.Participants < 2 {
				continue
			}
			r, err := query.Participants(ctx, &challengev1.QueryParticipantsRequest{Epoch: c.Epoch, ModelDigest: c.ModelDigest})
			if err != nil {
				t.Fatal(err)
			}
			for _, q := range r.Participants {
				if q.Outcome != challengev1.Outcome_OUTCOME_AGREED {
					t.Errorf("%s: %s", q.Provider, q.Outcome)
				}
			}
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("no challenge was answered by both: %+v", list.Challenges)
		case <-tick.C:
		}
	}
}
