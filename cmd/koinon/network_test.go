package main

import (
	"context"
	"log/slog"
	"regexp"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/koinon/koinon/internal/devnet"
)

// startNetwork is the script command `network HOME`: what koinon up runs, until
// the script ends. GRPC becomes the ledger's address.
func startNetwork(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: network HOME")
	}
	ctx, cancel := context.WithCancel(context.Background())
	n, err := devnet.Start(ctx, devnet.Config{
		Home: ts.MkAbs(args[0]), Providers: 1, Public: true, BlockTime: 100 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
		GatewayAddr: anyPort, RPCAddr: anyPort, RESTAddr: anyPort, GRPCAddr: anyPort,
	}, nil)
	ts.Defer(func() {
		cancel()
		if n != nil {
			ts.Check(n.Stop())
		}
	})
	ts.Check(err)
	ts.Setenv("GRPC", n.GRPC)
}

// keep is the script command `keep NAME PATTERN`: what the last command printed and
// the pattern matches is $NAME from here on.
func keep(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: keep NAME PATTERN")
	}
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	found := pattern.FindString(ts.ReadFile("stdout") + ts.ReadFile("stderr"))
	if found == "" {
		ts.Fatalf("nothing printed matches %s", args[1])
	}
	ts.Setenv(args[0], found)
}

// eventually is the script command `eventually PATTERN COMMAND…`: it runs a
// command until it succeeds and its output matches.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually PATTERN COMMAND...")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	for until := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		err := ts.Exec(args[1], args[2:]...)
		out := ts.ReadFile("stdout")
		if err == nil && pattern.MatchString(out) {
			return
		}
		if time.Now().After(until) {
			ts.Fatalf("%v: no match for %s in %q, %v\n%s", args[1:], args[0], out, err, ts.ReadFile("stderr"))
		}
	}
}
