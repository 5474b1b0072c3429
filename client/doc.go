// Package client buys inference from any gateway that is open to strangers: no
// registration, no API key, a wallet alone.
//
// It finds what an answer would cost, signs a grant to the provider, calls, pays
// ticket by ticket for what has arrived, and verifies the receipt:
//
//	b := client.Buyer{Gateway: "https://gateway.example/v1", ChainID: "koinon-1", Payer: address, Key: grantKey, Dir: "grants"}
//	answer, err := b.Chat(ctx, client.Request{Model: "trivium", Messages: messages, MaxTokens: 200, MaxCost: 10_000}, print)
//
// The key is the grant key of the payer's escrow on the ledger, which has to hold
// credit: `koinon wallet deposit` puts it there. What is at risk is the credit of
// the ticket given last: a gateway or a provider that stops, or lies, is paid for
// no token that did not arrive.
package client
