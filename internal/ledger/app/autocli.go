package app

import (
	"cosmossdk.io/client/v2/autocli"
	"cosmossdk.io/core/appmodule"

	"github.com/cosmos/cosmos-sdk/codec/address"
	"github.com/cosmos/cosmos-sdk/runtime/services"
)

// AutoCLI describes the commands that the modules' messages and queries
// become. The caller adds its client context.
func (app *App) AutoCLI() autocli.AppOptions {
	modules := map[string]appmodule.AppModule{}
	for name, m := range app.modules.Modules {
		if m, ok := m.(appmodule.AppModule); ok {
			modules[name] = m
		}
	}
	return autocli.AppOptions{
		Modules:               modules,
		ModuleOptions:         services.ExtractAutoCLIOptions(app.modules.Modules),
		AddressCodec:          address.NewBech32Codec(AddressPrefix),
		ValidatorAddressCodec: address.NewBech32Codec(AddressPrefix + "valoper"),
		ConsensusAddressCodec: address.NewBech32Codec(AddressPrefix + "valcons"),
	}
}
