package inference

import (
	"errors"
	"fmt"

	"github.com/koinon/koinon/receipt"
)

// Refusals of a [Meter].
var (
	// ErrCap says that the grant's cap does not cover what would be owed.
	ErrCap = errors.New("the grant's cap is reached: open a new grant")
	// ErrTicketValue says that one ticket is worth less than one token, so that
	// neither side could keep its risk to a ticket.
	ErrTicketValue = errors.New("the grant's ticket is worth less than one token at this price")
	// ErrLateDiscount says that the cached part of a prompt, or that an answer is
	// free, was named after the first token, which has charged the prompt.
	ErrLateDiscount = errors.New("a discount was named after the first token")
)

// Books are what outlives a process of one grant, on either side.
type Books struct {
	// Settled is what streams that have ended owe together, in ucredit.
	Settled uint64
	// Revealed is the index of the highest ticket revealed.
	Revealed uint64
	// Forgiven is what the provider delivered in broken streams and does not
	// claim, in ucredit; always 0 at the gateway.
	Forgiven uint64
}

// Meter keeps the books of one grant: what is owed, what is revealed, when the
// gateway must reveal and when the provider must wait. Both sides run the same
// arithmetic over the same events, with these rules:
//
//   - A stream owes nothing before its first token, then the price of its
//     prompt and of the tokens so far, rounded up once per request. What of the
//     prompt is cached is known with the first token; until then nothing is.
//   - The gateway reveals a ticket only for what it has received, so it never
//     has paid more than the rest of one ticket ahead.
//   - The provider lets what is unpaid run to the prompt's price and one ticket
//     for each running stream, then waits.
//   - A stream that breaks costs the gateway what it received. The provider,
//     who cannot know that, claims only what the tickets prove ([Stream.Forgive]).
//   - The gateway stores its books before it reveals or acknowledges, the
//     provider before it serves on; [Resume] then takes a ticket as proof that
//     all but the last micro-credits of its index were owed. A side whose machine
//     lost the last of that is shown the other's highest ticket when the next
//     stream begins ([Meter.Reveal], [Meter.CatchUp]).
//
// Together they keep the provider's claim at or below what the gateway admits,
// whatever is lost, so an honest pair never waits for each other. A Meter does
// no I/O and is not safe for concurrent use.
type Meter struct {
	ticketValue uint64 // ucredit
	tickets     uint64
	books       Books
	running     uint64 // Σ cost of streams
	allowed     uint64 // Σ of what streams may leave unpaid, ucredit
	reserved    uint64 // Σ of what streams may come to, ucredit
	dearest     uint64 // most that one token of a stream adds, ucredit
	streams     map[*Stream]struct{}
	sinceReveal uint64 // tokens since the last advance of Revealed
}

// Stream is one running request on a grant.
type Stream struct {
	meter      *Meter
	price      receipt.Price
	prompt     uint64 // tokens
	cached     uint64 // of them, charged at the cached price
	limit      uint64 // most completion tokens; 0 reserves nothing
	completion uint64 // tokens
	cost       uint64 // ucredit
	promptCost uint64 // ucredit
	worst      uint64 // cost at the limit, ucredit; 0 without one
	reserved   uint64 // of the meter's, ucredit
	tokenCost  uint64 // most that one token can add, ucredit
}

// NewMeter opens the books of a fresh grant.
func NewMeter(g receipt.Grant) (*Meter, error) { return Resume(g, Books{}) }

// Resume opens the books of a grant where a process left them, with no stream
// running. Tickets that were revealed for streams lost with the process count
// as owed.
func Resume(g receipt.Grant, b Books) (*Meter, error) {
	limit, err := g.Cap()
	if err != nil {
		return nil, fmt.Errorf("opening the books of a grant: %w", err)
	}
	if b.Revealed > g.Tickets || b.Settled > limit {
		return nil, fmt.Errorf("opening the books of a grant: %w", ErrCap)
	}
	m := &Meter{
		ticketValue: g.TicketValue,
		tickets:     g.Tickets,
		books:       b,
		streams:     map[*Stream]struct{}{},
	}
	m.books.Settled = max(b.Settled, m.proven())
	return m, nil
}

// Books are the values to store; running streams are not in them.
func (m *Meter) Books() Books { return m.books }

// Cap is the most that the grant can pay, in ucredit.
func (m *Meter) Cap() uint64 { return m.ticketValue * m.tickets }

// Owed is what ended and running streams owe, in ucredit.
func (m *Meter) Owed() uint64 { return m.books.Settled + m.running }

// Paid is the value of the revealed tickets, in ucredit.
func (m *Meter) Paid() uint64 { return m.books.Revealed * m.ticketValue }

// Unpaid is what is owed beyond the revealed tickets, in ucredit.
func (m *Meter) Unpaid() uint64 { return saturatingSub(m.Owed(), m.Paid()) }

// Revealed is the index of the highest ticket revealed.
func (m *Meter) Revealed() uint64 { return m.books.Revealed }

// Running is the number of running streams.
func (m *Meter) Running() int { return len(m.streams) }

// Debt is the part of what ended streams were given, claimed or not, that no
// ticket has paid, in ucredit. A provider refuses a grant whose debt grows.
func (m *Meter) Debt() uint64 {
	return saturatingSub(m.books.Settled+m.books.Forgiven, m.Paid())
}

// proven is the least that was owed for the highest ticket to be due.
func (m *Meter) proven() uint64 {
	if m.books.Revealed == 0 {
		return 0
	}
	return (m.books.Revealed-1)*m.ticketValue + 1
}

// Room is what the grant can still take on, in ucredit, when every running
// stream goes to its limit.
func (m *Meter) Room() uint64 { return saturatingSub(m.Cap(), m.books.Settled+m.reserved) }

// Start begins a stream: prompt tokens, at most limit completion tokens, at a
// price. The gateway gives the request's real limit and is refused with [ErrCap]
// if that does not fit beside what the other streams may take, so that its
// streams never starve each other. The provider reserves nothing with limit 0,
// and is refused if not even the first token fits. Either is refused with
// [ErrTicketValue] if a ticket could not keep the risk small.
func (m *Meter) Start(prompt, limit uint64, price receipt.Price) (*Stream, error) {
	promptCost, err := price.Cost(prompt, 0, 0)
	if err != nil {
		return nil, fmt.Errorf("pricing a prompt of %d tokens: %w", prompt, err)
	}
	tokenCost, err := price.Cost(0, 0, 1)
	if err != nil {
		return nil, fmt.Errorf("pricing a token: %w", err)
	}
	if tokenCost > m.ticketValue {
		return nil, ErrTicketValue
	}
	s := &Stream{
		meter: m, price: price, prompt: prompt, limit: limit,
		promptCost: promptCost, tokenCost: tokenCost,
	}
	if _, err := s.after(1); err != nil {
		return nil, err
	}
	if limit > 0 {
		if s.worst, err = price.Cost(prompt, 0, limit); err != nil || s.worst > m.Room() {
			return nil, ErrCap
		}
	}
	m.streams[s] = struct{}{}
	m.allowed += promptCost + m.ticketValue
	m.dearest = max(m.dearest, tokenCost)
	s.reserve()
	return s, nil
}

// reserve keeps the sum of what running streams may come to.
func (s *Stream) reserve() {
	s.meter.reserved -= s.reserved
	s.reserved = max(s.worst, s.cost)
	s.meter.reserved += s.reserved
}

// Cached says, before the first token, how many of the prompt's tokens are
// charged at the cached price. Until then the whole prompt counts in full, so
// that no grant depends on a discount.
func (s *Stream) Cached(tokens uint64) error {
	if s.completion > 0 {
		return ErrLateDiscount
	}
	cost, err := s.price.Cost(s.prompt, tokens, 0)
	if err != nil {
		return fmt.Errorf("pricing a prompt: %w", err)
	}
	if s.limit > 0 {
		if s.worst, err = s.price.Cost(s.prompt, tokens, s.limit); err != nil {
			return fmt.Errorf("pricing an answer: %w", err)
		}
	}
	if s.runs() {
		s.meter.allowed += cost - s.promptCost
		s.reserve()
	}
	s.cached, s.promptCost = tokens, cost
	return nil
}

// Free says, before the first token, that nothing is charged.
func (s *Stream) Free() error {
	if s.completion > 0 {
		return ErrLateDiscount
	}
	if s.runs() {
		s.meter.allowed -= s.promptCost
		s.worst = 0
		s.reserve()
	}
	s.price, s.promptCost, s.tokenCost = receipt.Price{}, 0, 0
	return nil
}

// runs says whether the stream has not ended.
func (s *Stream) runs() bool {
	_, ok := s.meter.streams[s]
	return ok
}

// Due says whether the gateway must reveal now, and which ticket: after every
// so many tokens (0 for never), and always before the provider would wait.
func (m *Meter) Due(every uint64) (index uint64, due bool) {
	unpaid := m.Unpaid()
	if unpaid == 0 {
		return m.books.Revealed, false
	}
	due = every > 0 && m.sinceReveal >= every ||
		unpaid >= m.ticketValue-m.ticketValue/2 ||
		m.dearest > saturatingSub(m.ticketValue, unpaid) ||
		len(m.streams) == 0
	return receipt.TicketsFor(m.Owed(), m.ticketValue), due
}

// Reveal records that the tickets up to index are revealed. A lower index than
// before, as streams that overtake each other give, changes nothing.
func (m *Meter) Reveal(index uint64) (advanced bool, err error) {
	if index > m.tickets {
		return false, fmt.Errorf("ticket %d of %d: %w", index, m.tickets, ErrCap)
	}
	if index <= m.books.Revealed {
		return false, nil
	}
	m.books.Revealed = index
	m.sinceReveal = 0
	return true, nil
}

// CatchUp records, at the gateway, that a ticket was revealed of which its books
// know nothing, for they lost their last moments with the power. All that it paid
// for counts as owed. [ErrCap] says that what runs no longer fits beside it.
func (m *Meter) CatchUp(index uint64) error {
	if advanced, err := m.Reveal(index); !advanced {
		return err
	}
	m.books.Settled = max(m.books.Settled, m.Paid())
	if m.books.Settled+m.reserved > m.Cap() {
		return ErrCap
	}
	return nil
}

// after is the stream's cost n tokens on, if the cap covers it.
func (s *Stream) after(n uint64) (uint64, error) {
	cost, err := s.price.Cost(s.prompt, s.cached, s.completion+n)
	if err != nil {
		return 0, fmt.Errorf("pricing an answer: %w", err)
	}
	if others := s.meter.Owed() - s.cost; cost > saturatingSub(s.meter.Cap(), others) {
		return 0, ErrCap
	}
	return cost, nil
}

// MustWait says whether the provider has to wait for a ticket before the next
// token; [ErrCap] says that no ticket can pay for it.
func (s *Stream) MustWait() (bool, error) {
	cost, err := s.after(1)
	if err != nil {
		return false, err
	}
	unpaid := saturatingSub(s.meter.Owed()-s.cost+cost, s.meter.Paid())
	return unpaid > s.meter.allowed, nil
}

// Token counts one token, sent by the provider or received by the gateway.
// [ErrCap] leaves the books as they were.
func (s *Stream) Token() error {
	cost, err := s.after(1)
	if err != nil {
		return err
	}
	s.meter.running += cost - s.cost
	s.cost = cost
	s.reserve()
	s.completion++
	s.meter.sinceReveal++
	return nil
}

// Next is what the next token adds to the cost, in ucredit; the first one adds
// the prompt's price.
func (s *Stream) Next() (uint64, error) {
	cost, err := s.after(1)
	if err != nil {
		return 0, err
	}
	return cost - s.cost, nil
}

// Tokens is the number of tokens counted so far.
func (s *Stream) Tokens() uint64 { return s.completion }

// Cost is what the stream owes so far, in ucredit.
func (s *Stream) Cost() uint64 { return s.cost }

// Prompt is the price of the prompt alone, in ucredit: what an answer without
// tokens costs.
func (s *Stream) Prompt() uint64 { return s.promptCost }

// Complete counts the end of an answer: one without tokens owes its prompt, as
// far as the cap goes. The provider calls it before it sends Done; the stream
// runs on until the gateway acknowledges.
func (s *Stream) Complete() {
	if !s.runs() {
		return
	}
	others := s.meter.Owed() - s.cost
	cost := max(s.cost, min(s.promptCost, saturatingSub(s.meter.Cap(), others)))
	s.meter.running += cost - s.cost
	s.cost = cost
	s.reserve()
}

// Finish ends a stream that both sides know to be complete: the gateway calls
// it on receiving Done, the provider on its acknowledgement.
func (s *Stream) Finish() {
	s.Complete()
	s.end(s.cost)
}

// Break ends, at the gateway, a stream that ended without Done: what was
// received stays owed. At the provider it ends a stream of which nothing was
// sent.
func (s *Stream) Break() { s.end(s.cost) }

// Forgive ends, at the provider, a stream whose end the gateway did not
// acknowledge. What tickets prove to have been received stays owed; the rest
// is given up, for claiming it could leave both sides waiting for ever. It
// returns how many whole tokens the kept part pays for.
func (s *Stream) Forgive() (tokens uint64) {
	m := s.meter
	if _, ok := m.streams[s]; !ok {
		return 0
	}
	others := m.Owed() - s.cost
	kept := min(s.cost, saturatingSub(m.proven(), others))
	delivered := max(s.cost, s.promptCost)
	m.books.Forgiven += delivered - kept
	s.end(kept)
	return s.affordable(kept)
}

// affordable is the largest number of tokens, of those counted, whose cost with
// the prompt is at most amount.
func (s *Stream) affordable(amount uint64) uint64 {
	lo, hi := uint64(0), s.completion
	for lo < hi {
		mid := hi - (hi-lo)/2
		if cost, err := s.price.Cost(s.prompt, s.cached, mid); err == nil && cost <= amount {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	return lo
}

// end settles the stream at a cost. Ending twice changes nothing.
func (s *Stream) end(cost uint64) {
	if _, ok := s.meter.streams[s]; !ok {
		return
	}
	delete(s.meter.streams, s)
	s.meter.allowed -= s.promptCost + s.meter.ticketValue
	s.meter.reserved -= s.reserved
	if len(s.meter.streams) == 0 {
		s.meter.dearest = 0
	}
	s.meter.running -= s.cost
	s.meter.books.Settled += cost
	s.cost = cost
}

func saturatingSub(a, b uint64) uint64 {
	if b >= a {
		return 0
	}
	return a - b
}
