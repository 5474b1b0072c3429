package app

import (
	"errors"
	"strings"
	"testing"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	channelv2 "github.com/cosmos/ibc-go/v11/modules/core/04-channel/v2/types"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	msgv1 "cosmossdk.io/api/cosmos/msg/v1"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
)

// Every message is in exactly one list: classes refuses doubles, and this test
// gaps, leftovers, and a message of the authority's in another list.
func TestEveryMessageIsInOneList(t *testing.T) {
	encoding, err := NewEncoding()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, url := range encoding.Registry.ListImplementations(sdk.MsgInterfaceProtoName) {
		known[url] = true
		listed, ok := classes[url]
		if !ok {
			t.Errorf("%s is in no list", url)
			continue
		}
		descriptor, err := encoding.Registry.FindDescriptorByName(protoreflect.FullName(strings.TrimPrefix(url, "/")))
		if err != nil {
			t.Fatal(err)
		}
		signers := proto.GetExtension(descriptor.Options(), msgv1.E_Signer).([]string)
		// IBC's messages call every signer so.
		governed := len(signers) == 1 && (signers[0] == "authority" || strings.HasPrefix(url, "/ibc.") && listed == authority)
		if governed != (listed == authority) {
			t.Errorf("%s, signed by %v, is listed as %d", url, signers, listed)
		}
	}
	for url := range classes {
		if !known[url] {
			t.Errorf("%s is listed, but the ledger does not have it", url)
		}
	}
}

func TestOnlyListedMessagesComeByTransaction(t *testing.T) {
	deposit, send := &escrowv1.MsgDeposit{}, &banktypes.MsgSend{}
	if err := allowed([]sdk.Msg{deposit, send}); err != nil {
		t.Error(err)
	}
	if err := allowed([]sdk.Msg{deposit, &escrowv1.MsgSetIssuer{}}); !errors.Is(err, sdkerrors.ErrUnauthorized) {
		t.Errorf("a message of governance's: %v", err)
	}
	if err := allowed([]sdk.Msg{&escrowv1.Params{}}); !errors.Is(err, sdkerrors.ErrUnknownRequest) {
		t.Errorf("what is no message: %v", err)
	}
	if err := allowed([]sdk.Msg{&channelv2.MsgSendPacket{}}); !errors.Is(err, sdkerrors.ErrUnknownRequest) {
		t.Errorf("what the ledger has no route for: %v", err)
	}
	if !Free([]sdk.Msg{deposit, deposit}) || Free([]sdk.Msg{deposit, send}) || Free(nil) {
		t.Error("a transaction is free if all of its messages are, and it has any")
	}
}
