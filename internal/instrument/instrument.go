// Package instrument shows how a role is doing to those who watch it: its metrics for
// Prometheus, whether it lives, whether it is ready, and which version it is, over
// HTTP. Where that is served stands in the role's home, for Prometheus and for
// commands on the same machine.
package instrument

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// DefaultListen is where a role that serves nothing else over HTTP serves its
// instruments: on loopback, at a port of the system's choice.
const DefaultListen = "127.0.0.1:0"

// Role is whose instruments they are.
type Role struct {
	// Name is what it does: gateway, provider, auditor, node, issuer.
	Name string
	// Home is where its [File] is written.
	Home string
	// Version is the program's.
	Version string
	// Account is the role's address on the ledger, if it has one.
	Account string
	// Ready says what is missing before it can do its work; nil if nothing is.
	Ready func(context.Context) error
}

// About is what GET /version answers.
type About struct {
	Name    string    `json:"name"` // koinon
	Version string    `json:"version"`
	Go      string    `json:"go"`
	Role    string    `json:"role"`
	Home    string    `json:"home"`
	Account string    `json:"account,omitempty"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
}

var started = time.Now()

// About describes the role.
func (r Role) About() About {
	about := About{Name: "koinon", Version: r.Version, Role: r.Name, Home: r.Home, Account: r.Account, PID: os.Getpid(), Started: started}
	if info, ok := debug.ReadBuildInfo(); ok {
		about.Go = info.GoVersion
	}
	return about
}

// Registry is a new one with what every process has: memory, processor time, the
// program's version.
func Registry(version string) *prometheus.Registry {
	r := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "koinon", Name: "build_info", Help: "1; the label is the program's version.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	up := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "koinon", Name: "uptime_seconds", Help: "Time since the process started.",
	}, func() float64 { return time.Since(started).Seconds() })
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), build, up)
	return r
}

// Handler serves GET /metrics, /livez, /readyz and /version.
func (r Role) Handler(metrics prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, status{Status: "ok"}) })
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, r.About()) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, q *http.Request) {
		if r.Ready != nil {
			if err := r.Ready(q.Context()); err != nil {
				answer(w, http.StatusServiceUnavailable, status{"waiting", err.Error()})
				return
			}
		}
		answer(w, http.StatusOK, status{Status: "ok"})
	})
	return mux
}

// status is what /livez and /readyz answer.
type status struct {
	Status string `json:"status"` // ok or waiting
	Reason string `json:"reason,omitempty"`
}

func answer(w http.ResponseWriter, code int, what any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(what) // who asked is gone
}

// Serve serves a role's instruments at an address, host:port, and announces them,
// until stop is called.
func Serve(listen string, r Role, metrics prometheus.Gatherer, log *slog.Logger) (stop func() error, err error) {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("the address %s for metrics cannot be used (%w): choose another with --metrics-addr", listen, err)
	}
	withdraw, err := Announce(r, listener.Addr().String())
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	server := &http.Server{Handler: r.Handler(metrics), ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	log.Info("metrics are served", "address", "http://"+listener.Addr().String()+"/metrics")
	return func() error {
		err := errors.Join(withdraw(), server.Close())
		if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	}, nil
}
