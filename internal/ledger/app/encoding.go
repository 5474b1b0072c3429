package app

import (
	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	"github.com/cosmos/cosmos-sdk/codec/address"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/std"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authtx "github.com/cosmos/cosmos-sdk/x/auth/tx"
	"github.com/cosmos/cosmos-sdk/x/tx/signing"
	"github.com/cosmos/gogoproto/proto"
)

// AddressPrefix begins every address; validators and their consensus keys have
// it with the SDK's endings.
const AddressPrefix = "koinon"

// CoinType is the number under which wallets derive keys (SLIP-44): that of
// Cosmos, so that every wallet made for it works.
const CoinType = 118

func init() {
	config := sdk.GetConfig()
	config.SetBech32PrefixForAccount(AddressPrefix, AddressPrefix+sdk.PrefixPublic)
	config.SetBech32PrefixForValidator(AddressPrefix+"valoper", AddressPrefix+"valoper"+sdk.PrefixPublic)
	config.SetBech32PrefixForConsensusNode(AddressPrefix+"valcons", AddressPrefix+"valcons"+sdk.PrefixPublic)
	config.SetCoinType(CoinType)
	config.Seal()
}

// Encoding is how messages, transactions and state are written.
type Encoding struct {
	Registry codectypes.InterfaceRegistry
	Codec    codec.Codec
	Amino    *codec.LegacyAmino
	TxConfig client.TxConfig
}

// newEncoding knows the SDK's own types; modules add theirs.
func newEncoding() (Encoding, error) {
	registry, err := codectypes.NewInterfaceRegistryWithOptions(codectypes.InterfaceRegistryOptions{
		ProtoFiles: proto.HybridResolver,
		SigningOptions: signing.Options{
			AddressCodec:          address.NewBech32Codec(AddressPrefix),
			ValidatorAddressCodec: address.NewBech32Codec(AddressPrefix + "valoper"),
		},
	})
	if err != nil {
		return Encoding{}, err
	}
	cdc := codec.NewProtoCodec(registry)
	amino := codec.NewLegacyAmino()
	std.RegisterInterfaces(registry)
	std.RegisterLegacyAminoCodec(amino)
	return Encoding{registry, cdc, amino, authtx.NewTxConfig(cdc, authtx.DefaultSignModes)}, nil
}
