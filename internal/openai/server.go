package openai

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Serve answers requests until the context ends. Running answers then have the
// grace to finish; those that do not are cut off as if their clients had left,
// and have the time to settle.
func (e Endpoints) Serve(ctx context.Context, listener net.Listener, handler http.Handler, grace, settle time.Duration) error {
	requests, cut := context.WithCancel(context.WithoutCancel(ctx))
	requests = context.WithValue(requests, serverLife{}, requests)
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(e.Log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return requests },
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()

	var err error
	select {
	case err = <-failed:
		err = fmt.Errorf("serving the API: %w", err)
	case <-ctx.Done():
		if shutdown(ctx, server, grace) != nil {
			e.Log.Warn("answers still running at shutdown are cut off")
		}
	}
	cut()
	if shutdown(ctx, server, settle) != nil {
		err = errors.Join(err, server.Close())
	}
	return err
}

// serverLife is the key of a server's own context in those of its requests.
type serverLife struct{}

// Outlive gives work for a request a context that ends with the server, and not
// when the client leaves. Cancel releases it.
func Outlive(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, end := context.WithCancel(context.WithoutCancel(ctx))
	server, ok := ctx.Value(serverLife{}).(context.Context)
	if !ok {
		return longer, end
	}
	stop := context.AfterFunc(server, end)
	return longer, func() {
		stop()
		end()
	}
}

// shutdown waits for requests to end, at most so long.
func shutdown(ctx context.Context, server *http.Server, most time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), most)
	defer cancel()
	return server.Shutdown(ctx)
}
