package web

import "context"

// Ledger is what stands on the ledger now, where the index has what happened. A
// node's public addresses answer all of it.
type Ledger interface {
	// Account is what an address holds; one that never held anything is empty.
	Account(ctx context.Context, address string) (Account, error)
	// Simulate says what a transaction would need, or why it would be refused: then
	// the error is a [Refusal].
	Simulate(ctx context.Context, tx []byte) (Estimate, error)
	// Send sends a signed transaction once the node has checked it, and names it.
	// Its error is a [Refusal] if the node would not take it.
	Send(ctx context.Context, tx []byte) (hash string, err error)
	// Sales are the offerings of a model, or of all for an empty name, the latest first.
	Sales(ctx context.Context, model string) ([]Sale, error)
	// Ballots are what shareholders of a model, or of all, vote on, the latest first.
	Ballots(ctx context.Context, model string) ([]Ballot, error)
	// Proposals are what governance votes on, the latest first.
	Proposals(ctx context.Context) ([]Ballot, error)
	// Plans are the kinds of access token for sale of a model, or of all for an empty
	// name, the cheapest first.
	Plans(ctx context.Context, model string) ([]Plan, error)
	// Gated says whether a version answers those alone who have access.
	Gated(ctx context.Context, digest string) (bool, error)
	// Shares are a model's; none for one that has no shares.
	Shares(ctx context.Context, model string) (Shares, error)
	// Validators are those who make blocks, the largest stake first.
	Validators(ctx context.Context) ([]Validator, error)
	// Modules are the ledger's, with the parameters that govern them.
	Modules(ctx context.Context) ([]Module, error)
	// Issuers are those who issue credit, the largest first.
	Issuers(ctx context.Context) ([]Issuer, error)
	// Capital is what KOIN is at stake, where providers that serve have bonds of so
	// many ukoin.
	Capital(ctx context.Context, bonds uint64) (Capital, error)
}

// Refusal is the ledger's own words for what it would not do.
type Refusal struct{ Says string }

// Error is what the ledger says.
func (r Refusal) Error() string { return r.Says }

// Account is what an address holds. Amounts are in micro-units, written as text so
// that a browser keeps them exact.
type Account struct {
	Address string `json:"address"`
	// Number and Sequence are what a signature needs; Exists says that there are.
	Exists   bool   `json:"exists"`
	Number   uint64 `json:"number,string"`
	Sequence uint64 `json:"sequence,string"`
	Credit   uint64 `json:"credit,string"` // ucredit
	Koin     uint64 `json:"koin,string"`   // ukoin
	// Escrow can be spent on answers; Locked of the escrow backs grants. GrantKey
	// says that the escrow has the key of somebody who may spend it.
	Escrow   uint64 `json:"escrow,string"`
	Locked   uint64 `json:"locked,string"`
	GrantKey bool   `json:"grant_key"`
	Others   []Coin `json:"others"` // shares
	// Tokens are the rights to call gated models that it holds and that have not ended.
	Tokens []Token `json:"tokens"`
}

// Token is a right to call a model's gated versions.
type Token struct {
	ID    uint64 `json:"id"`
	Scope string `json:"scope"` // a model's name, or a namespace's for all models in it
	Good  string `json:"good"`  // for what: "7 calls, until 2026-11-23 10:00 UTC"
}

// Plan is a kind of access token that is for sale.
type Plan struct {
	ID    uint64 `json:"id"`
	Model string `json:"model"`
	Good  string `json:"good"` // for what: "1000 calls in 30 days"
	// Transferable tokens can be given to others.
	Transferable bool   `json:"transferable"`
	Price        uint64 `json:"price"` // ucredit
	Sold         uint64 `json:"sold"`
}

// Coin is an amount of a denomination.
type Coin struct {
	Denom  string `json:"denom"`
	Amount string `json:"amount"`
}

// Estimate is what a transaction would need.
type Estimate struct {
	Gas uint64 `json:"gas,string"`
	Fee uint64 `json:"fee,string"` // ukoin
}

// Sale is an offering of a model's shares.
type Sale struct {
	ID     uint64 `json:"id"`
	Model  string `json:"model"`
	Status string `json:"status"` // open, succeeded, failed or lapsed
	Shares uint64 `json:"shares"` // for sale
	Sold   uint64 `json:"sold"`
	Raised uint64 `json:"raised"` // ucredit
	// SoftCap must be raised by Deadline, or all of it goes back.
	SoftCap  uint64 `json:"soft_cap"` // ucredit
	Deadline int64  `json:"deadline"` // Unix seconds
	// Price is what a million shares cost now, in ucredit.
	Price uint64 `json:"price"`
	// Curve is the price at each of some numbers of shares sold; empty if it is fixed.
	Curve      []Point     `json:"curve,omitempty"`
	Milestones []Milestone `json:"milestones"`
}

// Point is the price of a million shares, in ucredit, when so many are sold.
type Point struct {
	Sold  uint64 `json:"sold"`
	Price uint64 `json:"price"`
}

// Milestone pays out a part of what a sale raised.
type Milestone struct {
	Title string `json:"title"`
	Bps   uint32 `json:"bps"`
	Proof string `json:"proof"` // closing, decision or listing
	Done  bool   `json:"done"`
}

// Ballot is something that is voted on.
type Ballot struct {
	ID     uint64 `json:"id"`
	Model  string `json:"model,omitempty"` // empty for governance
	Title  string `json:"title"`
	Status string `json:"status"`
	Does   string `json:"does"` // when it passes
	// Yes, No and Abstain have been cast, of Total that could be; with veto, which
	// only governance has, among No.
	Yes     uint64 `json:"yes"`
	No      uint64 `json:"no"`
	Abstain uint64 `json:"abstain"`
	Total   uint64 `json:"total"`
	Closes  int64  `json:"closes"` // Unix seconds
	Why     string `json:"why,omitempty"`
	// Open says that votes are taken.
	Open bool `json:"open"`
}

// Shares are a model's, by who holds them.
type Shares struct {
	Supply  uint64   `json:"supply"`
	Held    uint64   `json:"held"` // royalties not claimed yet, ucredit
	Holders []Holder `json:"holders"`
}

// Holder has shares of a model.
type Holder struct {
	Address string `json:"address"`
	Shares  uint64 `json:"shares"`
	Unpaid  uint64 `json:"unpaid"` // royalties it can claim, ucredit
}

// Validator makes blocks.
type Validator struct {
	Operator   string `json:"operator"`
	Moniker    string `json:"moniker"`
	Status     string `json:"status"` // bonded, unbonding or unbonded
	Jailed     bool   `json:"jailed"`
	Stake      uint64 `json:"stake"`      // ukoin
	Commission uint32 `json:"commission"` // basis points
}

// Module is a part of the ledger: what governs it, and what it has and owes.
type Module struct {
	Name   string    `json:"name"`
	Params []Setting `json:"params"`
	State  []Setting `json:"state"`
}

// Setting is something of a module as text.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Issuer mints credit.
type Issuer struct {
	Address     string `json:"address"`
	Name        string `json:"name"`
	Backing     string `json:"backing,omitempty"`
	Cap         uint64 `json:"cap"`         // ucredit
	Outstanding uint64 `json:"outstanding"` // ucredit
}

// Capital is what KOIN is at stake, and what it brings.
type Capital struct {
	// Capacity is what the bonds let providers have in active grants, in ucredit; 0
	// if nothing bounds it.
	Capacity uint64
	Supply   uint64 // ukoin, in all
	Staked   uint64 // of it, with validators
	// Yield is what stake brings in a year, in basis points.
	Yield uint32
}

// silent is a ledger that nobody can ask: pages show what the index has.
type silent struct{}

func (silent) Account(context.Context, string) (Account, error)   { return Account{}, nil }
func (silent) Simulate(context.Context, []byte) (Estimate, error) { return Estimate{}, errSilent }
func (silent) Send(context.Context, []byte) (string, error)       { return "", errSilent }
func (silent) Sales(context.Context, string) ([]Sale, error)      { return nil, nil }
func (silent) Ballots(context.Context, string) ([]Ballot, error)  { return nil, nil }
func (silent) Proposals(context.Context) ([]Ballot, error)        { return nil, nil }
func (silent) Plans(context.Context, string) ([]Plan, error)      { return nil, nil }
func (silent) Gated(context.Context, string) (bool, error)        { return false, nil }
func (silent) Shares(context.Context, string) (Shares, error)     { return Shares{}, nil }
func (silent) Validators(context.Context) ([]Validator, error)    { return nil, nil }
func (silent) Modules(context.Context) ([]Module, error)          { return nil, nil }
func (silent) Issuers(context.Context) ([]Issuer, error)          { return nil, nil }
func (silent) Capital(context.Context, uint64) (Capital, error)   { return Capital{}, nil }

var errSilent = Refusal{"there is no ledger behind these pages"}
