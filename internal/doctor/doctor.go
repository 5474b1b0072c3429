// Package doctor looks for what keeps a machine's roles from working, or puts their
// money at risk, and says what to do about it. It changes nothing.
package doctor

import (
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/koinon/koinon/internal/instrument"
)

// State is how a check went.
type State string

// A problem keeps something from working, or puts money at risk; a warning may.
const (
	OK      State = "ok"
	Warning State = "warning"
	Problem State = "problem"
)

// Finding is what a check found, and what to do about it unless it is well.
type Finding struct {
	Check  string `json:"check"`
	State  State  `json:"state"`
	Found  string `json:"found"`
	Advice string `json:"advice,omitempty"`
}

// Ok is a finding that all is well.
func Ok(check, format string, args ...any) Finding {
	return Finding{Check: check, State: OK, Found: fmt.Sprintf(format, args...)}
}

// Bound of a clock's error: tickets and grants expire by it, and blocks are refused
// whose time is ahead.
const clockError = 2 * time.Second

// Clock judges the machine's clock by whether the system keeps it synchronised, and
// by the time of the ledger's last block, zero if none is known.
func Clock(now, block time.Time, synchronised, known bool) Finding {
	if ahead := block.Sub(now); !block.IsZero() && ahead > clockError {
		return Finding{"clock", Problem, fmt.Sprintf("the ledger's last block is %s ahead of this clock", ahead.Round(100*time.Millisecond)),
			"set the clock: timedatectl set-ntp true"}
	}
	switch {
	case !known:
		return Ok("clock", "%s; the system does not say whether it is synchronised", now.UTC().Format(time.DateTime))
	case !synchronised:
		return Finding{"clock", Warning, "the system does not keep the clock synchronised", "have it do so: timedatectl set-ntp true, or install chrony"}
	}
	return Ok("clock", "synchronised")
}

// What a disk should have free, in bytes: databases stop writing when it is full,
// and money-relevant state must be written.
const (
	leastDisk  = 1 << 30
	enoughDisk = 10 << 30
)

// Disk judges what is free where homes are.
func Disk(root string, free uint64) Finding {
	found := fmt.Sprintf("%.1f GB free at %s", float64(free)/1e9, root)
	switch {
	case free < leastDisk:
		return Finding{"disk", Problem, found, "free at least 1 GB: roles stop when they cannot write what they owe and are owed"}
	case free < enoughDisk:
		return Finding{"disk", Warning, found, "weights and the ledger grow: 10 GB and more is comfortable"}
	}
	return Ok("disk", "%s", found)
}

// Port is an address that a role wants.
type Port struct {
	What    string // the gateway's API
	Address string // host:port
	Flag    string // by which another is chosen
	// Ours says that a role of this machine has it.
	Ours bool
}

// Ports judges whether addresses can be used.
func Ports(list []Port) (found []Finding) {
	for _, p := range list {
		check := "port " + p.Address
		if p.Ours {
			found = append(found, Ok(check, "%s is served here", p.What))
			continue
		}
		listener, err := net.Listen("tcp", p.Address)
		if err != nil {
			found = append(found, Finding{check, Warning, fmt.Sprintf("%s cannot have it: %v", p.What, err),
				fmt.Sprintf("end what has it (ss -ltnp), or choose another with %s", p.Flag)})
			continue
		}
		listener.Close()
		found = append(found, Ok(check, "free for %s", p.What))
	}
	return found
}

// Roles judges what runs.
func Roles(readings []instrument.Reading) (found []Finding) {
	if len(readings) == 0 {
		return []Finding{Ok("roles", "none runs here")}
	}
	for _, r := range readings {
		check := "role " + filepath.Base(r.Home)
		log := "see koinon logs --home " + r.Home
		switch {
		case r.Silent != nil:
			found = append(found, Finding{check, Problem, "it was started and does not answer: " + r.Silent.Error(), log + "; then start it again: what it owes and is owed is on its disk"})
		case r.Waiting != "":
			found = append(found, Finding{check, Warning, "it waits: " + r.Waiting, log})
		default:
			found = append(found, Ok(check, "ready for %s", time.Since(r.Started).Round(time.Second)))
		}
		found = append(found, peers(r)...)
	}
	return found
}

// peers judges whom a role can reach.
func peers(r instrument.Reading) []Finding {
	check := "peers of " + filepath.Base(r.Home)
	v := r.Values
	switch {
	case v.Has("koinon_node_peers"):
		if v.Sum("koinon_node_peers") == 0 && v.Sum("koinon_node_validators") > 1 {
			return []Finding{{check, Problem, "the ledger has several validators, and this node is connected to none",
				"give --peers ID@HOST:PORT of nodes that run, and let 26656/tcp through the firewall"}}
		}
		return []Finding{Ok(check, "%.0f other nodes, %.0f validators", v.Sum("koinon_node_peers"), v.Sum("koinon_node_validators"))}
	case v.Has("koinon_gateway_live_providers"):
		if v.Sum("koinon_gateway_live_providers") == 0 {
			return []Finding{{check, Warning, "no provider can be reached", "see koinon query provider list-offers; give --bootstrap peers if their addresses are out of date"}}
		}
		return []Finding{Ok(check, "%.0f providers can be reached", v.Sum("koinon_gateway_live_providers"))}
	}
	return nil
}
