package process

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"

	"github.com/google/renameio/v2"

	"github.com/koinon/koinon/internal/p2p"
)

// ports are those that the system chose when the provider first started. It
// takes them again, so that gateways find it where it was.
type ports struct {
	UDP string `json:"udp"`
	TCP string `json:"tcp"`
}

// join takes a provider's place in the network: at the addresses configured, or
// at the ports it had before, or else at any.
func join(c Config, settings p2p.Config, log *slog.Logger) (*p2p.Host, error) {
	if settings.Listen = c.Listen; len(c.Listen) > 0 {
		return p2p.New(settings)
	}
	file := filepath.Join(c.Home, "ports.json")
	var had ports
	if data, err := os.ReadFile(file); err == nil && json.Unmarshal(data, &had) == nil && had.UDP != "" && had.TCP != "" {
		settings.Listen = everywhere(had)
		host, err := p2p.New(settings)
		if err == nil {
			return host, nil
		}
		log.Warn("the ports of before are taken: listening at others", "error", err)
	}
	settings.Listen = everywhere(ports{"0", "0"})
	host, err := p2p.New(settings)
	if err != nil {
		return nil, err
	}
	if err := keep(file, host.Addrs()); err != nil {
		host.Close()
		return nil, err
	}
	return host, nil
}

func everywhere(p ports) []string {
	return []string{fmt.Sprintf("/ip4/0.0.0.0/udp/%s/quic-v1", p.UDP), fmt.Sprintf("/ip4/0.0.0.0/tcp/%s", p.TCP)}
}

// portOf finds the ports of the addresses that [everywhere] gives.
var portOf = regexp.MustCompile(`^/ip4/[0-9.]+/(udp|tcp)/([0-9]+)(/quic-v1)?$`)

// keep notes the ports that a host listens at.
func keep(file string, addrs []string) error {
	var now ports
	for _, a := range addrs {
		switch m := portOf.FindStringSubmatch(a); {
		case m == nil:
		case m[1] == "udp":
			now.UDP = m[2]
		default:
			now.TCP = m[2]
		}
	}
	data, err := json.Marshal(now)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return renameio.WriteFile(file, data, 0o600)
}
