package challenge

import (
	"context"

	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
)

// DefaultGenesis challenges the exact class every hour: ten minutes to commit,
// ten to reveal, two days for the court.
func DefaultGenesis() *challengev1.GenesisState {
	return &challengev1.GenesisState{Params: challengev1.Params{
		EpochSeconds: 3600, CommitSeconds: 600, RevealSeconds: 600, VerdictSeconds: 2 * 24 * 3600,
		Blocks: 20, Tokens: 64, Steps: 8, ExcuseEpochs: 24, ExamineMillionths: 100_000,
	}}
}

func (k *Keeper) initGenesis(ctx context.Context, state challengev1.GenesisState) error {
	if err := rules(state.Params).Validate(); err != nil {
		return err
	}
	return k.params.Set(ctx, state.Params)
}

// exportGenesis leaves out challenges that run: a new ledger has new ones.
func (k *Keeper) exportGenesis(ctx context.Context) (*challengev1.GenesisState, error) {
	params, err := k.params.Get(ctx)
	return &challengev1.GenesisState{Params: params}, err
}
