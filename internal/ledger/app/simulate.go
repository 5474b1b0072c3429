package app

import (
	abci "github.com/cometbft/cometbft/abci/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
)

// Simulate runs a transaction that changes nothing. It waits while a block is
// executed or stored: unlike the queries, which have a version of the state to
// themselves, it reads the trees that a block changes in place.
func (app *App) Simulate(tx []byte) (sdk.GasInfo, *sdk.Result, error) {
	app.trees.RLock()
	defer app.trees.RUnlock()
	return app.BaseApp.Simulate(tx)
}

// FinalizeBlock executes a block.
func (app *App) FinalizeBlock(request *abci.RequestFinalizeBlock) (*abci.ResponseFinalizeBlock, error) {
	app.trees.Lock()
	defer app.trees.Unlock()
	return app.BaseApp.FinalizeBlock(request)
}

// Commit stores the block that was executed last.
func (app *App) Commit() (*abci.ResponseCommit, error) {
	app.trees.Lock()
	defer app.trees.Unlock()
	return app.BaseApp.Commit()
}
