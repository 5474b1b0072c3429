package client

import (
	"context"
	"encoding/json"
	"fmt"

	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	distributiontypes "github.com/cosmos/cosmos-sdk/x/distribution/types"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"
	minttypes "github.com/cosmos/cosmos-sdk/x/mint/types"
	slashingtypes "github.com/cosmos/cosmos-sdk/x/slashing/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"
	"github.com/cosmos/gogoproto/proto"
	"google.golang.org/grpc"

	assemblyv1 "github.com/koinon/koinon/api/koinon/assembly/v1"
	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	beaconv1 "github.com/koinon/koinon/api/koinon/beacon/v1"
	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
	curationv1 "github.com/koinon/koinon/api/koinon/curation/v1"
	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	pinv1 "github.com/koinon/koinon/api/koinon/pin/v1"
	poolv1 "github.com/koinon/koinon/api/koinon/pool/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
)

// Module is a part of the ledger: what governs it and what it has.
type Module struct {
	Name   string
	Params json.RawMessage // as protobuf's JSON
	// Holds is what its account holds; Books compare that with what it owes, as
	// protobuf's JSON, and are nil for modules that keep none.
	Holds sdk.Coins
	Books json.RawMessage
}

// question is a query of a module's service.
func question[Request any, Response proto.Message](ctx context.Context, r Request, ask func(context.Context, Request, ...grpc.CallOption) (Response, error)) asking {
	return func() (proto.Message, error) { return ask(ctx, r) }
}

// asking is a question for one thing that a module has.
type asking func() (proto.Message, error)

// questions are how each module is asked for its parameters, koinon's first, and
// some for their books.
func (c *Client) questions(ctx context.Context) (params []named, books map[string]asking) {
	return []named{
			{"escrow", question(ctx, &escrowv1.QueryParamsRequest{}, escrowv1.NewQueryClient(c.conn).Params)},
			{"provider", question(ctx, &providerv1.QueryParamsRequest{}, providerv1.NewQueryClient(c.conn).Params)},
			{"assembly", question(ctx, &assemblyv1.QueryParamsRequest{}, assemblyv1.NewQueryClient(c.conn).Params)},
			{"audit", question(ctx, &auditv1.QueryParamsRequest{}, auditv1.NewQueryClient(c.conn).Params)},
			{"beacon", question(ctx, &beaconv1.QueryParamsRequest{}, beaconv1.NewQueryClient(c.conn).Params)},
			{"challenge", question(ctx, &challengev1.QueryParamsRequest{}, challengev1.NewQueryClient(c.conn).Params)},
			{"curation", question(ctx, &curationv1.QueryParamsRequest{}, curationv1.NewQueryClient(c.conn).Params)},
			{"pin", question(ctx, &pinv1.QueryParamsRequest{}, pinv1.NewQueryClient(c.conn).Params)},
			{"pool", question(ctx, &poolv1.QueryParamsRequest{}, poolv1.NewQueryClient(c.conn).Params)},
			{"staking", question(ctx, &stakingtypes.QueryParamsRequest{}, stakingtypes.NewQueryClient(c.conn).Params)},
			{"slashing", question(ctx, &slashingtypes.QueryParamsRequest{}, slashingtypes.NewQueryClient(c.conn).Params)},
			{"mint", question(ctx, &minttypes.QueryParamsRequest{}, minttypes.NewQueryClient(c.conn).Params)},
			{"gov", question(ctx, &govv1.QueryParamsRequest{}, govv1.NewQueryClient(c.conn).Params)},
		}, map[string]asking{
			"escrow": question(ctx, &escrowv1.QueryInvariantsRequest{}, escrowv1.NewQueryClient(c.conn).Invariants),
			"audit":  question(ctx, &auditv1.QueryInvariantsRequest{}, auditv1.NewQueryClient(c.conn).Invariants),
		}
}

// named is a module and how it is asked.
type named struct {
	module string
	ask    asking
}

// Modules lists the modules that have parameters, koinon's first.
func (c *Client) Modules(ctx context.Context) ([]Module, error) {
	params, books := c.questions(ctx)
	list := []Module{}
	for _, q := range params {
		m := Module{Name: q.module}
		var err error
		if m.Params, err = c.answer(q.ask, "params"); err != nil {
			return nil, fmt.Errorf("parameters of %s: %w", q.module, err)
		}
		if ask := books[q.module]; ask != nil {
			if m.Books, err = c.answer(ask, "invariants"); err != nil {
				return nil, fmt.Errorf("books of %s: %w", q.module, err)
			}
		}
		if m.Holds, err = c.Balances(ctx, authtypes.NewModuleAddress(q.module).String()); err != nil {
			return nil, fmt.Errorf("what %s holds: %w", q.module, err)
		}
		list = append(list, m)
	}
	return list, nil
}

// answer is one field of what a question brings.
func (c *Client) answer(ask asking, field string) (json.RawMessage, error) {
	found, err := ask()
	if err != nil {
		return nil, asked(err)
	}
	var body map[string]json.RawMessage
	err = json.Unmarshal(c.JSON(found), &body)
	return body[field], err
}

// ModuleAccounts are the accounts that the ledger's own modules hold money in, by
// address, with a name for each.
func ModuleAccounts() map[string]string {
	names := map[string]string{}
	for module, name := range map[string]string{
		"escrow": "escrows", "provider": "bonds", "audit": "audit fund", "curation": "curation", "share": "royalties", "offering": "offerings",
		"pin": "pins", "pool": "pools", "assembly": "models' treasuries", govtypes.ModuleName: "governance", distributiontypes.ModuleName: "treasury",
		stakingtypes.BondedPoolName: "stake", stakingtypes.NotBondedPoolName: "unbonding stake", authtypes.FeeCollectorName: "fees",
	} {
		names[authtypes.NewModuleAddress(module).String()] = name
	}
	return names
}
