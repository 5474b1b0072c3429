package app

import (
	errorsmod "cosmossdk.io/errors"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
)

// class is how a message comes to the ledger.
type class int

const (
	// free messages are a buyer's, who needs no KOIN.
	free class = iota + 1
	// paid messages cost gas.
	paid
	// authority messages are governance's: they come inside a proposal, and
	// no transaction has them.
	authority
	// closed messages belong to parts of a module that this ledger does not
	// open: the second version of IBC, for which it has no routes.
	closed
)

// classes holds every message the ledger knows, once. A message that is not
// here is refused, so that a new module's must be thought about.
var classes = func() map[string]class {
	list := map[string]class{}
	for c, urls := range map[class][]string{free: freeMessages, paid: paidMessages, authority: authorityMessages, closed: closedMessages} {
		for _, url := range urls {
			if list[url] != 0 {
				panic("message " + url + " is in two lists")
			}
			list[url] = c
		}
	}
	return list
}()

var freeMessages = []string{
	"/koinon.access.v1.MsgBuy",
	"/koinon.access.v1.MsgPresent",
	"/koinon.access.v1.MsgTransfer",
	"/koinon.audit.v1.MsgOpenDispute",
	"/koinon.audit.v1.MsgReportEquivocation",
	"/koinon.audit.v1.MsgReportOverCount",
	"/koinon.audit.v1.MsgSeal",
	"/koinon.curation.v1.MsgRate",
	"/koinon.escrow.v1.MsgCashOut",
	"/koinon.escrow.v1.MsgDeposit",
	"/koinon.escrow.v1.MsgSwapIn",
	"/koinon.escrow.v1.MsgSwapOut",
	"/koinon.escrow.v1.MsgWithdraw",
	"/koinon.share.v1.MsgClaim",
}

var paidMessages = []string{
	"/cosmos.authz.v1beta1.MsgExec",
	"/cosmos.authz.v1beta1.MsgGrant",
	"/cosmos.authz.v1beta1.MsgRevoke",
	"/cosmos.bank.v1beta1.MsgMultiSend",
	"/cosmos.bank.v1beta1.MsgSend",
	"/cosmos.distribution.v1beta1.MsgDepositValidatorRewardsPool",
	"/cosmos.distribution.v1beta1.MsgFundCommunityPool",
	"/cosmos.distribution.v1beta1.MsgSetWithdrawAddress",
	"/cosmos.distribution.v1beta1.MsgWithdrawDelegatorReward",
	"/cosmos.distribution.v1beta1.MsgWithdrawValidatorCommission",
	"/cosmos.evidence.v1beta1.MsgSubmitEvidence",
	"/cosmos.feegrant.v1beta1.MsgGrantAllowance",
	"/cosmos.feegrant.v1beta1.MsgPruneAllowances",
	"/cosmos.feegrant.v1beta1.MsgRevokeAllowance",
	"/cosmos.gov.v1.MsgCancelProposal",
	"/cosmos.gov.v1.MsgDeposit",
	"/cosmos.gov.v1.MsgSubmitProposal",
	"/cosmos.gov.v1.MsgVote",
	"/cosmos.gov.v1.MsgVoteWeighted",
	"/cosmos.gov.v1beta1.MsgDeposit",
	"/cosmos.gov.v1beta1.MsgSubmitProposal",
	"/cosmos.gov.v1beta1.MsgVote",
	"/cosmos.gov.v1beta1.MsgVoteWeighted",
	"/cosmos.slashing.v1beta1.MsgUnjail",
	"/cosmos.staking.v1beta1.MsgBeginRedelegate",
	"/cosmos.staking.v1beta1.MsgCancelUnbondingDelegation",
	"/cosmos.staking.v1beta1.MsgCreateValidator",
	"/cosmos.staking.v1beta1.MsgDelegate",
	"/cosmos.staking.v1beta1.MsgEditValidator",
	"/cosmos.staking.v1beta1.MsgUndelegate",
	"/ibc.applications.transfer.v1.MsgTransfer",
	"/ibc.core.channel.v1.MsgAcknowledgement",
	"/ibc.core.channel.v1.MsgChannelCloseConfirm",
	"/ibc.core.channel.v1.MsgChannelCloseInit",
	"/ibc.core.channel.v1.MsgChannelOpenAck",
	"/ibc.core.channel.v1.MsgChannelOpenConfirm",
	"/ibc.core.channel.v1.MsgChannelOpenInit",
	"/ibc.core.channel.v1.MsgChannelOpenTry",
	"/ibc.core.channel.v1.MsgRecvPacket",
	"/ibc.core.channel.v1.MsgTimeout",
	"/ibc.core.channel.v1.MsgTimeoutOnClose",
	"/ibc.core.client.v1.MsgCreateClient",
	"/ibc.core.client.v1.MsgUpdateClient",
	"/ibc.core.client.v1.MsgUpgradeClient",
	"/ibc.core.connection.v1.MsgConnectionOpenAck",
	"/ibc.core.connection.v1.MsgConnectionOpenConfirm",
	"/ibc.core.connection.v1.MsgConnectionOpenInit",
	"/ibc.core.connection.v1.MsgConnectionOpenTry",
	"/koinon.access.v1.MsgClosePlan",
	"/koinon.access.v1.MsgGrant",
	"/koinon.access.v1.MsgOpenPlan",
	"/koinon.access.v1.MsgRevoke",
	"/koinon.access.v1.MsgSetPolicy",
	"/koinon.assembly.v1.MsgPropose",
	"/koinon.assembly.v1.MsgVote",
	"/koinon.audit.v1.MsgBond",
	"/koinon.audit.v1.MsgCommit",
	"/koinon.audit.v1.MsgFund",
	"/koinon.audit.v1.MsgOpenLeaves",
	"/koinon.audit.v1.MsgPlant",
	"/koinon.audit.v1.MsgPlay",
	"/koinon.audit.v1.MsgRegisterAuditor",
	"/koinon.audit.v1.MsgReport",
	"/koinon.audit.v1.MsgReveal",
	"/koinon.audit.v1.MsgUnbond",
	"/koinon.audit.v1.MsgUnjail",
	"/koinon.audit.v1.MsgUnmask",
	"/koinon.audit.v1.MsgUpdateAuditor",
	"/koinon.challenge.v1.MsgCommit",
	"/koinon.challenge.v1.MsgReveal",
	"/koinon.curation.v1.MsgCollect",
	"/koinon.curation.v1.MsgLeave",
	"/koinon.curation.v1.MsgSignal",
	"/koinon.escrow.v1.MsgActivate",
	"/koinon.escrow.v1.MsgBurn",
	"/koinon.escrow.v1.MsgMint",
	"/koinon.escrow.v1.MsgRedeem",
	"/koinon.escrow.v1.MsgSettle",
	"/koinon.model.v1.MsgRegisterNamespace",
	"/koinon.model.v1.MsgRegisterVersion",
	"/koinon.model.v1.MsgSetCard",
	"/koinon.model.v1.MsgSetStatus",
	"/koinon.model.v1.MsgSetTag",
	"/koinon.model.v1.MsgTransfer",
	"/koinon.offering.v1.MsgBuy",
	"/koinon.offering.v1.MsgEvaluate",
	"/koinon.offering.v1.MsgOpen",
	"/koinon.offering.v1.MsgRelease",
	"/koinon.offering.v1.MsgSell",
	"/koinon.offering.v1.MsgSettle",
	"/koinon.pin.v1.MsgAccept",
	"/koinon.pin.v1.MsgClose",
	"/koinon.pin.v1.MsgLeave",
	"/koinon.pin.v1.MsgOpen",
	"/koinon.pin.v1.MsgProve",
	"/koinon.pool.v1.MsgAdd",
	"/koinon.pool.v1.MsgRemove",
	"/koinon.pool.v1.MsgSwap",
	"/koinon.provider.v1.MsgBond",
	"/koinon.provider.v1.MsgRegister",
	"/koinon.provider.v1.MsgRemoveOffer",
	"/koinon.provider.v1.MsgSetOffer",
	"/koinon.provider.v1.MsgUnbond",
	"/koinon.provider.v1.MsgUnjail",
	"/koinon.provider.v1.MsgUpdate",
	"/koinon.share.v1.MsgBid",
	"/koinon.share.v1.MsgDelegate",
	"/koinon.share.v1.MsgIssue",
	"/koinon.share.v1.MsgLock",
	"/koinon.share.v1.MsgRelease",
	"/koinon.share.v1.MsgTakeBack",
	"/koinon.share.v1.MsgTender",
	"/koinon.share.v1.MsgUnlock",
	"/koinon.share.v1.MsgVest",
}

var authorityMessages = []string{
	"/cosmos.auth.v1beta1.MsgUpdateParams",
	"/cosmos.bank.v1beta1.MsgSetSendEnabled",
	"/cosmos.bank.v1beta1.MsgUpdateParams",
	"/cosmos.consensus.v1.MsgUpdateParams",
	"/cosmos.distribution.v1beta1.MsgCommunityPoolSpend",
	"/cosmos.distribution.v1beta1.MsgUpdateParams",
	"/cosmos.gov.v1.MsgExecLegacyContent",
	"/cosmos.gov.v1.MsgUpdateParams",
	"/cosmos.mint.v1beta1.MsgUpdateParams",
	"/cosmos.slashing.v1beta1.MsgUpdateParams",
	"/cosmos.staking.v1beta1.MsgUpdateParams",
	"/cosmos.upgrade.v1beta1.MsgCancelUpgrade",
	"/cosmos.upgrade.v1beta1.MsgSoftwareUpgrade",
	"/ibc.applications.transfer.v1.MsgUpdateParams",
	"/ibc.core.client.v1.MsgIBCSoftwareUpgrade",
	"/ibc.core.client.v1.MsgRecoverClient",
	"/ibc.core.client.v1.MsgUpdateParams",
	"/ibc.core.connection.v1.MsgUpdateParams",
	"/koinon.assembly.v1.MsgUpdateParams",
	"/koinon.audit.v1.MsgSetProfile",
	"/koinon.audit.v1.MsgUpdateParams",
	"/koinon.beacon.v1.MsgUpdateParams",
	"/koinon.challenge.v1.MsgUpdateParams",
	"/koinon.curation.v1.MsgUpdateParams",
	"/koinon.escrow.v1.MsgSetIssuer",
	"/koinon.escrow.v1.MsgUpdateParams",
	"/koinon.offering.v1.MsgSetCouncil",
	"/koinon.pin.v1.MsgUpdateParams",
	"/koinon.pool.v1.MsgUpdateParams",
	"/koinon.provider.v1.MsgUpdateParams",
}

var closedMessages = []string{
	"/ibc.core.channel.v2.MsgAcknowledgement",
	"/ibc.core.channel.v2.MsgRecvPacket",
	"/ibc.core.channel.v2.MsgSendPacket",
	"/ibc.core.channel.v2.MsgTimeout",
	"/ibc.core.client.v1.MsgDeleteClientCreator",
	"/ibc.core.client.v2.MsgRegisterCounterparty",
	"/ibc.core.client.v2.MsgUpdateClientConfig",
}

// Free says whether messages are all a buyer's, who needs no KOIN: those cost
// no gas, and are limited in number instead.
func Free(msgs []sdk.Msg) bool {
	for _, msg := range msgs {
		if classes[sdk.MsgTypeURL(msg)] != free {
			return false
		}
	}
	return len(msgs) > 0
}

// allowed refuses messages that do not come by transaction.
func allowed(msgs []sdk.Msg) error {
	for _, msg := range msgs {
		switch url := sdk.MsgTypeURL(msg); classes[url] {
		case free, paid:
		case authority:
			return errorsmod.Wrapf(sdkerrors.ErrUnauthorized, "%s is for governance: put it in a proposal", url)
		default:
			return errorsmod.Wrapf(sdkerrors.ErrUnknownRequest, "%s is not taken by this ledger", url)
		}
	}
	return nil
}
