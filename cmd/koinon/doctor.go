package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/devnet"
	"github.com/koinon/koinon/internal/doctor"
	"github.com/koinon/koinon/internal/instrument"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/ledger/node"
	"github.com/koinon/koinon/internal/tensor"
)

func newDoctorCommand() *cobra.Command {
	var home, ledger string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find what keeps this machine from working, and say what to do",
		Long: `Checks the clock, the disk, the ports, who may read keys, that the engine reproduces
its published bits, whether the ledger answers, and every role that runs here with its
peers. It changes nothing. Exits 4 if there is a problem; warnings alone exit 0.`,
		Example: "  koinon doctor\n  koinon doctor --ledger 10.0.0.1:9090 --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := configure(cmd, "", nil); err != nil {
				return err
			}
			found, err := examine(cmd, home, ledger)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), found)
			} else {
				err = printFindings(cmd.OutOrStdout(), found)
			}
			if n := countOf(found, doctor.Problem); err == nil && n > 0 {
				err = &exitError{exitInvalid, fmt.Errorf("%d of %d checks found a problem", n, len(found))}
			}
			return err
		},
	}
	cmd.Flags().StringVar(&home, "home", homesRoot(), homesUsage)
	cmd.Flags().StringVar(&ledger, "ledger", "", "gRPC address of a node that roles here use (default that of koinon up or of the node that runs here)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// examine makes every check, those that need nothing first.
func examine(cmd *cobra.Command, home, ledger string) ([]doctor.Finding, error) {
	ctx := cmd.Context()
	readings, err := instrument.ReadAll(ctx, home)
	if err != nil {
		return nil, err
	}
	synchronised, known := doctor.Synchronised()
	found := []doctor.Finding{doctor.Clock(time.Now(), lastBlock(readings), synchronised, known)}
	where := home
	if _, err := os.Stat(where); err != nil {
		where = "."
	}
	if free, err := doctor.Free(where); err == nil {
		found = append(found, doctor.Disk(home, free))
	}
	files, err := doctor.Secrets(home)
	if err != nil {
		return nil, err
	}
	found = append(found, doctor.Modes(home, files))
	found = append(found, unreadable(files)...)
	infos := networks()
	found = append(found, doctor.Ports(ports(infos, readings))...)
	found = append(found, engineCheck(cmd.ErrOrStderr()))
	if ledger == "" && len(infos) > 0 && len(readings) > 0 {
		ledger = infos[0].GRPC
	}
	if ledger != "" {
		found = append(found, ledgerCheck(ctx, ledger))
	}
	return append(found, doctor.Roles(readings)...), nil
}

// lastBlock is the time of the last block of a node that runs here; zero if none does.
func lastBlock(readings []instrument.Reading) (at time.Time) {
	for _, r := range readings {
		if seconds := r.Values.Sum("koinon_node_block_timestamp_seconds"); seconds > 0 {
			at = time.UnixMilli(int64(seconds * 1e3))
		}
	}
	return at
}

// networks are what is known of ledgers that run, or ran, here.
func networks() (list []devnet.Info) {
	for _, home := range []string{defaultHome(), nodeHome()} {
		if info, err := readInfo(home); err == nil {
			list = append(list, info)
		}
	}
	return list
}

// ports are those that roles take unless told otherwise.
func ports(infos []devnet.Info, readings []instrument.Reading) []doctor.Port {
	c := node.DefaultConfig()
	list := []doctor.Port{
		{What: "the gateway's API and pages", Address: "127.0.0.1:8080", Flag: "--gateway-addr of koinon up, --listen of koinon gateway"},
		{What: "the ledger's RPC", Address: c.RPCAddr, Flag: "--rpc-addr"},
		{What: "the ledger's REST", Address: c.RESTAddr, Flag: "--rest-addr"},
		{What: "the ledger's gRPC", Address: c.GRPCAddr, Flag: "--grpc-addr"},
		{What: "the ledger's other nodes", Address: c.P2PAddr, Flag: "--p2p-addr"},
	}
	running := slices.ContainsFunc(readings, func(r instrument.Reading) bool { return r.Silent == nil })
	for i := range list {
		p := &list[i]
		for _, info := range infos {
			for _, served := range []string{info.Gateway, info.RPC, info.REST, info.GRPC} {
				served = strings.TrimSuffix(strings.TrimPrefix(served, "http://"), "/v1")
				p.Ours = p.Ours || running && served == p.Address
			}
		}
		_, port, _ := net.SplitHostPort(p.Address)
		for _, r := range readings { // a node on its own listens to other nodes, too
			p.Ours = p.Ours || r.Silent == nil && r.Role == "node" && r.Home == nodeHome() && port == "26656"
		}
	}
	return list
}

// unreadable are the accounts whose keys cannot be used.
func unreadable(files []string) (found []doctor.Finding) {
	for _, path := range files {
		if !strings.HasSuffix(path, "account.json") {
			continue
		}
		protected := func() (string, error) { return "", client.ErrProtected }
		if _, err := client.OpenKey(path, protected); err != nil && !errors.Is(err, client.ErrProtected) {
			found = append(found, doctor.Finding{Check: "account", State: doctor.Problem, Found: path + ": " + err.Error(),
				Advice: "restore it from a backup; its words of recovery make it again (koinon wallet import)"})
		}
	}
	return found
}

// engineCheck sees whether this machine's kernels give the published bits.
func engineCheck(talk io.Writer) doctor.Finding {
	fmt.Fprintln(talk, "checking that the engine reproduces its published bits …")
	threads := []int{1, max(2, runtime.NumCPU())}
	if err := reproduces(threads); err != nil {
		return doctor.Finding{Check: "engine", State: doctor.Problem, Found: err.Error(),
			Advice: "do not sell answers of class exact from this machine: they would be found false; test its memory, and undo overclocking"}
	}
	return doctor.Ok("engine", "the published vector is reproduced with %v kernels and %v threads", tensor.Kernels(), threads)
}

// ledgerCheck sees whether a node of the ledger answers.
func ledgerCheck(ctx context.Context, address string) doctor.Finding {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := client.Dial(ctx, address, "")
	if err == nil {
		defer c.Close()
		var height int64
		if height, err = c.Height(ctx); err == nil {
			return doctor.Ok("ledger", "%s at %s is at block %d", c.ChainID(), address, height)
		}
	}
	return doctor.Finding{Check: "ledger", State: doctor.Problem, Found: err.Error(),
		Advice: "start the node, or give the --ledger of one that answers; roles work on meanwhile, and settle later"}
}

func countOf(found []doctor.Finding, s doctor.State) (n int) {
	for _, f := range found {
		if f.State == s {
			n++
		}
	}
	return n
}

func printFindings(w io.Writer, found []doctor.Finding) error {
	signs := map[doctor.State]string{doctor.OK: "ok      ", doctor.Warning: "warning ", doctor.Problem: "PROBLEM "}
	for _, f := range found {
		if _, err := fmt.Fprintf(w, "%s %s: %s\n", signs[f.State], f.Check, f.Found); err != nil {
			return err
		}
		if f.Advice != "" {
			if _, err := fmt.Fprintf(w, "           → %s\n", f.Advice); err != nil {
				return err
			}
		}
	}
	_, err := fmt.Fprintf(w, "\n%d checks: %d problems, %d warnings\n", len(found), countOf(found, doctor.Problem), countOf(found, doctor.Warning))
	return err
}
