package gateway

import (
	"fmt"
)

// payer reveals tickets beside the reading of tokens, so that no token waits
// for the disk.
type payer struct {
	due  chan struct{} // holds one: tokens have arrived
	quit chan struct{}
	done chan error // what ended it
}

// startPaying begins revealing whatever falls due after a wake. Until it is
// stopped, nothing else may send on the stream but its opening, which precedes
// the first wake.
func (a *attempt) startPaying() *payer {
	p := &payer{make(chan struct{}, 1), make(chan struct{}), make(chan error, 1)}
	go func() {
		select { // the opening comes first
		case <-p.quit:
			p.done <- nil
			return
		case <-p.due:
		}
		for {
			offered := a.pay.Offered() // before asking, so that nothing is missed
			ticket, due, err := a.pay.Pay()
			if err != nil {
				err = fmt.Errorf("%w: %w", errStore, err)
			} else if due {
				// A stream that broke is seen by its reader, and the ticket
				// goes with the next opening.
				_ = a.reveal(ticket)
			}
			if err != nil {
				_ = a.stream.Reset()
				<-p.quit
				p.done <- err
				return
			}
			select {
			case <-p.quit:
				p.done <- nil
				return
			case <-p.due:
			case <-offered:
			}
		}
	}()
	return p
}

// wake says that tokens have arrived.
func (p *payer) wake() {
	select {
	case p.due <- struct{}{}:
	default:
	}
}

// stop ends the paying and returns what went wrong with it.
func (p *payer) stop() error {
	close(p.quit)
	return <-p.done
}
