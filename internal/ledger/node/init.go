package node

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	cmtcfg "github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/privval"
	cmttypes "github.com/cometbft/cometbft/types"
	dbm "github.com/cosmos/cosmos-db"
	cryptocodec "github.com/cosmos/cosmos-sdk/crypto/codec"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"

	"github.com/koinon/koinon/internal/ledger/app"
)

// Keys makes, or reads, the keys in a node's home: its validator's public key
// and the name under which other nodes know it.
func Keys(home string) (cryptotypes.PubKey, string, error) {
	cfg := cmtcfg.DefaultConfig()
	cfg.SetRoot(home)
	for _, folder := range []string{"config", "data"} {
		if err := os.MkdirAll(filepath.Join(home, folder), 0o700); err != nil {
			return nil, "", fmt.Errorf("cannot make the node's home: %w", err)
		}
	}
	validator := privval.LoadOrGenFilePV(cfg.PrivValidatorKeyFile(), cfg.PrivValidatorStateFile())
	key, err := validator.GetPubKey()
	if err != nil {
		return nil, "", err
	}
	public, err := cryptocodec.FromCmtPubKeyInterface(key)
	if err != nil {
		return nil, "", err
	}
	id, err := p2p.LoadOrGenNodeKey(cfg.NodeKeyFile())
	if err != nil {
		return nil, "", err
	}
	return public, string(id.ID()), nil
}

// Initialised says whether a home has a genesis.
func Initialised(home string) bool { return exists(genesisFile(home)) }

func genesisFile(home string) string { return filepath.Join(home, "config", "genesis.json") }

// Init writes the genesis of a new ledger into a node's home. It refuses to
// replace one.
func Init(home, chainID string, c app.GenesisConfig, start time.Time) error {
	if Initialised(home) {
		return fmt.Errorf("%s has a genesis already", home)
	}
	machine, err := app.New(ledgerLogger{slog.New(slog.DiscardHandler)}, dbm.NewMemDB(), home)
	if err != nil {
		return err
	}
	state, err := machine.NewGenesis(c)
	if err != nil {
		return fmt.Errorf("cannot make a genesis: %w", err)
	}
	data, err := json.Marshal(state)
	if err != nil {
		return err
	}
	params := cmttypes.DefaultConsensusParams()
	params.ABCI.VoteExtensionsEnableHeight = 1 // the beacon's contributions come with votes
	return WriteGenesis(home, &cmttypes.GenesisDoc{
		ChainID: chainID, GenesisTime: start, InitialHeight: 1, ConsensusParams: params, AppState: data,
	})
}

// WriteGenesis puts a genesis, of this ledger or another node's, in place.
func WriteGenesis(home string, doc *cmttypes.GenesisDoc) error {
	if err := doc.ValidateAndComplete(); err != nil {
		return fmt.Errorf("invalid genesis: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(home, "config"), 0o700); err != nil {
		return err
	}
	// Whole or not at all: a crash here must not leave a home that looks ready.
	part := genesisFile(home) + ".part"
	if err := doc.SaveAs(part); err != nil {
		return err
	}
	return os.Rename(part, genesisFile(home))
}
