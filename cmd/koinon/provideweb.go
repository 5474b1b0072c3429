package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/koinon/koinon/internal/console"
	"github.com/koinon/koinon/internal/provider/control"
	"github.com/koinon/koinon/internal/provider/process"
)

// pages serves the console of a provider's owner until the context ends. What the
// provider does it is asked as `koinon provide status` asks it.
func (o *provideOptions) pages(ctx context.Context, v *view, log *slog.Logger, address string) error {
	c, err := console.Open(ctx, console.Config{
		Ledger: o.Ledger, Index: filepath.Join(o.Home, indexFile), Names: map[string]string{address: "this provider"}, Version: version, Log: log, Own: o.own,
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.web)
	if err != nil {
		return errors.Join(fmt.Errorf("the pages' address %s cannot be used (%w): choose another with --web", o.web, err), c.Close())
	}
	fmt.Fprintf(v, "pages at http://%s/\n", listener.Addr())
	server := &http.Server{Handler: c, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { server.Close() })
	err = server.Serve(listener)
	if ctx.Err() != nil {
		err = nil
	}
	return errors.Join(err, c.Close())
}

// own is what the provider that runs in this home does.
func (o *provideOptions) own(ctx context.Context) (console.Own, error) {
	var s process.Status
	if err := control.Status(ctx, o.Home, &s); err != nil {
		return console.Own{}, err
	}
	own := console.Own{
		Address: s.Address, Model: s.Model, Digest: s.Digest, State: string(s.State), Reason: s.Reason, Running: s.Running, Slots: s.Slots,
		Requests: s.Requests, Failed: s.Failed, TokensPerSecond: s.TokensPerSecond, Exposed: s.Exposed, Pending: s.Pending, Redeemed: s.Redeemed,
		Grants: s.Grants, Locked: s.Locked, LastError: s.LastError,
	}
	if s.Earnings != nil {
		own.Maturing = s.Earnings.Maturing
	}
	return own, nil
}
