package instrument

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// TestARoleIsFoundAndRead: what a role serves is found by its home alone, read as it
// was meant, and not found any more once the role has stopped.
func TestARoleIsFoundAndRead(t *testing.T) {
	root := t.TempDir()
	home := filepath.Join(root, "devnet", "provider-1")
	var missing error = errors.New("no bond yet")
	role := Role{Name: "provider", Home: home, Version: "v1", Account: "koinon1x", Ready: func(context.Context) error { return missing }}
	metrics := Registry("v1")
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "koinon_provider_requests_total"}, []string{"outcome"})
	requests.WithLabelValues("ok").Add(3)
	requests.WithLabelValues("busy").Inc()
	readable := false
	metrics.MustRegister(requests, Account(func(context.Context) (uint64, uint64, error) {
		if !readable {
			return 0, 0, errors.New("the ledger does not answer")
		}
		return 1_500_000, 7, nil
	}))
	stop, err := Serve(DefaultListen, role, metrics, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	read := func() Reading {
		t.Helper()
		list, err := ReadAll(t.Context(), root)
		if err != nil || len(list) != 1 {
			t.Fatalf("%v, %v", list, err)
		}
		return list[0]
	}
	r := read()
	if r.Silent != nil || r.Waiting != missing.Error() || r.Role != "provider" || r.Home != home || r.PID != os.Getpid() || r.Account != "koinon1x" {
		t.Errorf("%+v", r)
	}
	if r.Values.Sum("koinon_provider_requests_total") != 4 || r.Values.Sum("koinon_provider_requests_total", "outcome", "ok") != 3 {
		t.Errorf("requests: %v", r.Values["koinon_provider_requests_total"])
	}
	if r.Values.Has("koinon_account_ucredit") || !r.Values.Has("koinon_build_info") || !r.Values.Has("go_goroutines") {
		t.Error("what cannot be read is shown, or what every process has is not")
	}
	missing, readable = nil, true
	if r = read(); r.Waiting != "" || r.Values.Amount("koinon_account_ucredit") != 1_500_000 {
		t.Errorf("%q, %v", r.Waiting, r.Values["koinon_account_ucredit"])
	}
	response, err := http.Get("http://" + r.Address + "/livez")
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatal(response, err)
	}
	if body, _ := io.ReadAll(response.Body); string(body) != "{\"status\":\"ok\"}\n" {
		t.Errorf("%s", body)
	}
	withdrawn := filepath.Join(home, File)
	announced, err := os.ReadFile(withdrawn)
	if err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if list, err := ReadAll(t.Context(), root); err != nil || len(list) != 0 {
		t.Errorf("after the end: %v, %v", list, err)
	}
	if err := os.WriteFile(withdrawn, announced, 0o644); err != nil { // as a crash leaves it
		t.Fatal(err)
	}
	if r := read(); r.Silent == nil || r.Role != "provider" {
		t.Errorf("after a crash: %+v", r)
	}
}
