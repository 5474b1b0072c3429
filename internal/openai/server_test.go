package openai

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"
)

// Work that outlives its client goes on when the client leaves, and ends with the
// server.
func TestOutlive(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	begun, left, ended := make(chan struct{}), make(chan error, 1), make(chan struct{})
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx, cancel := Outlive(r.Context())
		defer close(ended)
		defer cancel()
		close(begun)
		<-r.Context().Done()
		left <- ctx.Err()
		<-ctx.Done()
	})
	server, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- Endpoints{Log: slog.New(slog.DiscardHandler)}.Serve(server, listener, handler, time.Millisecond, 10*time.Second)
	}()
	client, leave := context.WithCancel(t.Context())
	go func() {
		request, _ := http.NewRequestWithContext(client, "GET", "http://"+listener.Addr().String(), nil)
		if response, err := http.DefaultClient.Do(request); err == nil {
			response.Body.Close()
		}
	}()
	<-begun
	leave()
	if err := <-left; err != nil {
		t.Errorf("when the client left: %v", err)
	}
	stop()
	<-ended
	if err := <-served; err != nil {
		t.Error(err)
	}
}
