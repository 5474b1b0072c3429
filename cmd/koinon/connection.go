package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/devnet"
	"github.com/koinon/koinon/internal/ledger/cli"
	"github.com/koinon/koinon/internal/ledger/client"
)

// connection is where a buyer's commands find a gateway and a ledger. Flags
// win over the variables that every OpenAI client reads, and those over the
// network that `koinon up` keeps in its home.
type connection struct {
	home    string
	gateway string
	apiKey  string
	ledger  string
}

func (c *connection) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.home, "home", defaultHome(), "home of the network that koinon up runs")
	cmd.Flags().StringVar(&c.gateway, "gateway", "", "gateway's base URL (default $OPENAI_BASE_URL, else that of koinon up)")
	cmd.Flags().StringVar(&c.apiKey, "api-key", "", "API key (default $OPENAI_API_KEY, else that of koinon up)")
	cmd.Flags().StringVar(&c.ledger, "ledger", "", "ledger's gRPC address (default that of koinon up)")
}

// resolve fills what flags left empty.
func (c *connection) resolve() error {
	if c.gateway == "" {
		c.gateway = os.Getenv("OPENAI_BASE_URL")
	}
	if c.apiKey == "" {
		c.apiKey = os.Getenv("OPENAI_API_KEY")
	}
	info, err := readInfo(c.home)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	if c.gateway == "" {
		c.gateway = info.Gateway
	}
	if c.apiKey == "" {
		c.apiKey = info.APIKey
	}
	if c.ledger == "" {
		c.ledger = info.GRPC
	}
	c.gateway = strings.TrimSuffix(c.gateway, "/")
	return nil
}

func (c *connection) needGateway() error {
	if err := c.resolve(); err != nil {
		return err
	}
	if c.gateway == "" {
		return &exitError{exitNotFound, fmt.Errorf("no gateway known: run 'koinon up' in another terminal, or give --gateway and --api-key")}
	}
	return nil
}

func readInfo(home string) (devnet.Info, error) {
	var info devnet.Info
	data, err := os.ReadFile(filepath.Join(home, devnet.InfoFile))
	if err != nil {
		return info, err
	}
	if err := json.Unmarshal(data, &info); err != nil {
		return info, fmt.Errorf("%s is damaged (%w): start its network again to write it anew", filepath.Join(home, devnet.InfoFile), err)
	}
	return info, nil
}

// ledgerTarget finds the ledger of the network that koinon up, or of the node
// that koinon node, keeps in home, for koinon query and koinon tx, with its
// accounts as keys.
func ledgerTarget(home string) (cli.Target, error) {
	info, err := readInfo(home)
	if os.IsNotExist(err) {
		return cli.Target{}, &exitError{exitNotFound, fmt.Errorf("no network in %s: run 'koinon up', give a node's --home, or give --node and --chain-id", home)}
	}
	if err != nil {
		return cli.Target{}, err
	}
	target := cli.Target{RPC: strings.TrimPrefix(info.RPC, "http://"), ChainID: info.ChainID}
	for _, a := range info.Accounts {
		key, err := client.KeyFromMnemonic(a.Name, a.Mnemonic)
		if err != nil {
			return cli.Target{}, err
		}
		target.Keys = append(target.Keys, key)
	}
	return target, nil
}

// defaultHome is ~/.koinon/devnet.
func defaultHome() string {
	home, err := os.UserHomeDir()
	if err != nil {
		home = "."
	}
	return filepath.Join(home, ".koinon", "devnet")
}
