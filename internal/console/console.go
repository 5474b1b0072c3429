// Package console joins the index and the pages into what a node shows to people.
package console

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/koinon/koinon/internal/indexer"
	"github.com/koinon/koinon/internal/indexer/onledger"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/web"
)

// Person is an account of a network for trying things out.
type Person = web.Person

// Own is how a provider does, as whoever runs it sees it.
type Own = web.Own

// HostedFile is where, in its home, whoever runs a console may put what hosted
// APIs cost.
const HostedFile = "hosted.csv"

// Config is a console.
type Config struct {
	// Ledger is a node's gRPC address.
	Ledger string
	// Index is the file of the index; it is made if it is not there.
	Index string
	// Key, unless empty, is an API key for the playground of whoever opens a page
	// on this machine itself.
	Key string
	// People, unless nil, are accounts of a network for trying things out; RPC and
	// REST are a node's public URLs, for wallets in a browser's extension.
	People    []Person
	RPC, REST string
	// Own, unless nil, is the provider whose owner's console this is; then no
	// gateway is beside it.
	Own func(context.Context) (Own, error)
	// Hosted, unless empty, is a CSV file of what hosted APIs cost, for comparison.
	Hosted string
	// Names are names for accounts.
	Names map[string]string
	// Version is the program's.
	Version string
	Log     *slog.Logger
}

// Console follows the ledger and serves pages about it.
type Console struct {
	http.Handler
	ledger *client.Client
	index  *indexer.Index
	pages  *pages
	stop   context.CancelFunc
	work   sync.WaitGroup
}

// every is how often the ledger is asked for new blocks.
const every = time.Second

// Open starts a console; it works until Close, or until ctx ends.
func Open(ctx context.Context, c Config) (_ *Console, err error) {
	console := new(Console)
	ctx, console.stop = context.WithCancel(ctx)
	defer func() {
		if err != nil {
			err = errors.Join(err, console.Close())
		}
	}()
	if console.ledger, err = client.Dial(ctx, c.Ledger, ""); err != nil {
		return nil, err
	}
	if console.index, err = indexer.Open(ctx, c.Index); err != nil {
		return nil, err
	}
	names := client.ModuleAccounts()
	maps.Copy(names, c.Names)
	site, err := web.New(web.Config{
		Index: console.index, Ledger: standing{console.ledger}, People: c.People, RPC: c.RPC, REST: c.REST, Own: c.Own, Alone: c.Own != nil,
		Hosted: c.Hosted, Key: c.Key, Names: names, Version: c.Version, ChainID: console.ledger.ChainID(), Log: c.Log, Ended: ctx.Done(),
	})
	if err != nil {
		return nil, fmt.Errorf("preparing the pages: %w", err)
	}
	console.pages = newPages()
	console.Handler = console.pages.measured(site.Handler())
	console.work.Go(func() {
		if err := console.index.Follow(ctx, onledger.New(console.ledger), every, c.Log); err != nil {
			c.Log.Error("the index follows the ledger no more", "error", err)
		}
	})
	return console, nil
}

// Close ends the console. Requests still running fail.
func (c *Console) Close() error {
	c.stop()
	c.work.Wait()
	var failed []error
	if c.index != nil {
		failed = append(failed, c.index.Close())
	}
	if c.ledger != nil {
		failed = append(failed, c.ledger.Close())
	}
	return errors.Join(failed...)
}
