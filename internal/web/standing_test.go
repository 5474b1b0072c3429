package web

import "context"

// named is a ledger on which everything that others can name has one name.
type named string

func (n named) Account(_ context.Context, address string) (Account, error) {
	if address != owner {
		return Account{}, Refusal{string(n)}
	}
	return Account{Address: address, Exists: true, Credit: 5, Others: []Coin{{"share/" + string(n), "7"}}, Tokens: []Token{{1, string(n), string(n)}}}, nil
}

func (n named) Simulate(context.Context, []byte) (Estimate, error) {
	return Estimate{}, Refusal{string(n)}
}

func (n named) Send(context.Context, []byte) (string, error) { return "", Refusal{string(n)} }

func (n named) Sales(context.Context, string) ([]Sale, error) {
	return []Sale{{ID: 1, Model: string(n), Status: "open", Shares: 9, Curve: []Point{{1, 2}}, Milestones: []Milestone{{Title: string(n), Proof: "closing"}}}}, nil
}

func (n named) Plans(context.Context, string) ([]Plan, error) {
	return []Plan{{ID: 1, Model: string(n), Good: string(n), Price: 5}}, nil
}

func (named) Gated(context.Context, string) (bool, error) { return true, nil }

func (n named) Ballots(context.Context, string) ([]Ballot, error) {
	return []Ballot{{ID: 1, Model: string(n), Title: string(n), Status: "voting", Does: string(n), Why: string(n), Yes: 1, Total: 4, Closes: 1, Open: true}}, nil
}

func (n named) Proposals(ctx context.Context) ([]Ballot, error) { return n.Ballots(ctx, "") }

func (n named) Shares(context.Context, string) (Shares, error) {
	return Shares{Supply: 9, Holders: []Holder{{Address: owner, Shares: 9}}}, nil
}

func (n named) Validators(context.Context) ([]Validator, error) {
	return []Validator{{Operator: "koinonvaloper1q", Moniker: string(n), Status: "bonded", Stake: 5}}, nil
}

func (n named) Modules(context.Context) ([]Module, error) {
	return []Module{{string(n), []Setting{{string(n), string(n)}}, []Setting{{string(n), string(n)}}}}, nil
}

func (n named) Issuers(context.Context) ([]Issuer, error) {
	return []Issuer{{Address: owner, Name: string(n), Backing: string(n)}}, nil
}

func (named) Capital(_ context.Context, bonds uint64) (Capital, error) {
	return Capital{Capacity: 10 * bonds, Supply: 100, Staked: 25, Yield: 1300}, nil
}
