package challenge

import "github.com/koinon/koinon/receipt"

// Statement is what a provider says about its answer: a receipt of a request that
// nobody made. All of it but the tokens and the root
// follows from the challenge. As it is signed like any receipt, a wrong answer is
// disputed, and punished, like any other.
type Statement struct {
	Chain string
	Class string // of the model version
	// Payer stands for who would have asked: the account of the ledger's module.
	Payer, Provider string
	Model, Seed     receipt.Digest
	Tokens, Steps   int64
	// Attempt is which of the prompts was answered: the first to which the model
	// says anything.
	Attempt int
	// Output are the answer's tokens, Root the Merkle root over their leaves.
	Output []int32
	Root   receipt.Digest
}

// Receipt is the statement, not signed. It names no time and costs nothing; its
// grant is the challenge's seed, so that a provider makes one statement of each.
func (s Statement) Receipt() receipt.Receipt {
	finish := "stop"
	if int64(len(s.Output)) == s.Steps {
		finish = "length"
	}
	prompt := Prompt(s.Seed, s.Attempt, s.Tokens)
	return receipt.Receipt{
		Version: receipt.Version, ChainID: s.Chain, Grant: s.Seed, Sequence: 1,
		Provider: s.Provider, Payer: s.Payer, Model: s.Model, Class: s.Class, Request: s.Seed,
		PromptTokens: uint64(s.Tokens), CompletionTokens: uint64(len(s.Output)),
		PromptDigest: receipt.TokensDigest(prompt), OutputDigest: receipt.TokensDigest(s.Output), Commitment: s.Root,
		Sampling: receipt.Sampling{Kind: receipt.Categorical, TopP: 1, MaxTokens: uint32(s.Steps)},
		Seed:     receipt.NameSeed(0), FinishReason: finish,
		Started: 1, FirstToken: 1, Finished: 1, // a receipt has times; a statement has none to tell
	}
}
