package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/koinon/koinon/internal/devnet"
)

// way is one path to the mock engine.
type way struct {
	name string
	target
	children []*child // what stands between client and engine
}

// portkey is the package that is compared.
const portkey = "@portkey-ai/gateway@1.15.2"

// bench is everything that runs.
type bench struct {
	options
	dir      string
	children []*child
	ways     []way
}

// close ends all processes, the last one first.
func (b *bench) close() error {
	var failed []error
	for i := len(b.children) - 1; i >= 0; i-- {
		failed = append(failed, b.children[i].stop())
	}
	return errors.Join(append(failed, os.RemoveAll(b.dir))...)
}

// start runs a program and keeps it to be stopped.
func (b *bench) start(ctx context.Context, name string, into any, environment []string, program string, args ...string) (*child, error) {
	c, err := startChild(ctx, name, into, environment, program, args...)
	if err == nil {
		b.children = append(b.children, c)
	}
	return c, err
}

// address is what this program's own roles print.
type address struct {
	URL string `json:"url"`
}

// startWays starts the engine and every way to it.
func (b *bench) startWays(ctx context.Context, progress func(string, ...any)) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var engine, proxy address
	progress("starting the mock engine")
	if _, err := b.start(ctx, "engine", &engine, nil, self, append([]string{"engine"}, b.mockFlags()...)...); err != nil {
		return err
	}
	b.ways = append(b.ways, way{"direct", target{url: engine.URL + "/v1", header: http.Header{}, model: "mock"}, nil})
	c, err := b.start(ctx, "reverse proxy", &proxy, nil, self, "proxy", "--to", engine.URL)
	if err != nil {
		return err
	}
	b.ways = append(b.ways, way{"reverse proxy", target{url: proxy.URL + "/v1", header: http.Header{}, model: "mock"}, []*child{c}})
	if !b.withoutPortkey {
		progress("installing and starting %s", portkey)
		if err := b.startPortkey(ctx, engine.URL); err != nil {
			return err
		}
	}
	progress("starting a ledger, two providers and a gateway")
	if err := b.startKoinon(ctx, self); err != nil {
		return err
	}
	b.ways = slices.DeleteFunc(b.ways, func(w way) bool { return !b.wants(w.name) })
	return nil
}

// wants says whether a way is to be measured.
func (o options) wants(name string) bool {
	return len(o.only) == 0 || name == "direct" || slices.ContainsFunc(o.only, func(part string) bool { return strings.Contains(name, part) })
}

// packages is what npm installs. The package names no version of the server it
// stands on but the first that will do, and with those since 1.19 its streams
// fail (TypeError: immutable), so that one is said here.
const packages = `{"private": true, "dependencies": {"@portkey-ai/gateway": "1.15.2"}, "overrides": {"@hono/node-server": "1.13.7"}}
`

// installPortkey returns the path of the package's server.
func installPortkey(ctx context.Context, folder string) (string, error) {
	server := filepath.Join(folder, "node_modules", "@portkey-ai", "gateway", "build", "start-server.js")
	list := filepath.Join(folder, "package.json")
	if there, err := os.ReadFile(list); err == nil && string(there) == packages {
		if _, err := os.Stat(server); err == nil {
			return server, nil
		}
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(list, []byte(packages), 0o644); err != nil {
		return "", err
	}
	install := exec.CommandContext(ctx, "npm", "install", "--prefix", folder, "--no-audit", "--no-fund", "--ignore-scripts")
	if out, err := install.CombinedOutput(); err != nil {
		return "", fmt.Errorf("installing %s: %w: %s", portkey, err, out)
	}
	return server, nil
}

// startPortkey runs the npm package's server.
func (b *bench) startPortkey(ctx context.Context, engine string) error {
	folder, err := filepath.Abs(b.tools)
	if err != nil {
		return err
	}
	server, err := installPortkey(ctx, folder)
	if err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	c, err := b.start(ctx, "portkey", nil, []string{"NODE_ENV=production", "TRUSTED_CUSTOM_HOSTS=127.0.0.1,localhost"},
		"node", server, "--headless", "--port="+strconv.Itoa(port))
	if err != nil {
		return err
	}
	b.ways = append(b.ways, way{"portkey", target{
		url: fmt.Sprintf("http://127.0.0.1:%d/v1", port), model: "mock",
		header: http.Header{
			"X-Portkey-Provider": {"openai"}, "X-Portkey-Custom-Host": {engine + "/v1"}, "Authorization": {"Bearer none"},
		},
	}, []*child{c}})
	return nil
}

// freePort is one that nobody listens to now; Portkey cannot be told to take any.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return listener.Addr().(*net.TCPAddr).Port, listener.Close()
}

// startKoinon starts a ledger, a provider of the mock for money and one for
// nothing, and the gateway, each a process of its own.
func (b *bench) startKoinon(ctx context.Context, self string) error {
	const free = "127.0.0.1:0"
	var network devnet.Info
	home := filepath.Join(b.dir, "network")
	_, err := b.start(ctx, "koinon up", &network, nil, b.binary, "up", "--providers", "1", "--json", "--home", home,
		"--gateway-addr", free, "--rpc-addr", free, "--rest-addr", free, "--grpc-addr", free)
	if err != nil {
		return err
	}
	var sellers []*child
	var digests []string
	for i, s := range []struct{ name, price string }{{"free", "0"}, {"paid", "2000000"}} {
		var sold struct{ Digest string }
		var profiling []string
		if b.profile != "" {
			profiling = []string{"KOINON_CPU_PROFILE=" + filepath.Join(b.profile, "provider-"+s.name+".pprof")}
		}
		c, err := b.start(ctx, "provider "+s.name, &sold, profiling, self, append([]string{
			"provide", "--home", filepath.Join(b.dir, s.name), "--ledger", network.GRPC, "--name", s.name, "--price", s.price,
			"--key-file", filepath.Join(home, "accounts", fmt.Sprintf("provider-%d.json", i+2)),
		}, b.mockFlags()...)...)
		if err != nil {
			return err
		}
		sellers, digests = append(sellers, c), append(digests, sold.Digest)
	}
	return b.startGateway(ctx, network, filepath.Join(home, "accounts", "bob.json"), sellers, digests)
}

func (b *bench) startGateway(ctx context.Context, network devnet.Info, keyFile string, sellers []*child, digests []string) error {
	home := filepath.Join(b.dir, "gateway")
	made, err := exec.CommandContext(ctx, b.binary, "keys", "create", "--budget", "1000", "--gateway-home", home, "--json").Output()
	if err != nil {
		return fmt.Errorf("making a key: %w", err)
	}
	var key struct {
		Text string `json:"api_key"`
	}
	if err := json.Unmarshal(made, &key); err != nil {
		return err
	}
	settings := filepath.Join(b.dir, "gateway.yaml")
	// Tickets are as in koinon up; the caller may have more requests in flight
	// than connections, as one ends a moment after its answer.
	if err := os.WriteFile(settings, []byte("ticket_value: 10\nmax_in_flight: 2048\ndeposit: 90000000\ntop_up_below: 1000000\n"), 0o600); err != nil {
		return err
	}
	var where struct{ Gateway string }
	var profiling []string
	if b.profile != "" {
		profiling = []string{"KOINON_CPU_PROFILE=" + filepath.Join(b.profile, "gateway.pprof")}
	}
	gateway, err := b.start(ctx, "koinon gateway", &where, profiling, b.binary, "gateway", "--home", home, "--config", settings,
		"--ledger", network.GRPC, "--key-file", keyFile, "--listen", "127.0.0.1:0", "--json")
	if err != nil {
		return err
	}
	for i, name := range []string{"koinon, free", "koinon, paid"} {
		t := target{url: where.Gateway, header: http.Header{"Authorization": {"Bearer " + key.Text}}, model: digests[i]}
		b.ways = append(b.ways, way{name, t, []*child{gateway, sellers[i]}})
	}
	return nil
}

// await asks each way until it answers: a gateway has to hear of its providers,
// and a ledger to confirm the first grants.
func (b *bench) await(ctx context.Context) error {
	for _, w := range b.ways {
		one := load{target: w.target, connections: 1, tokens: b.mock.Tokens}
		deadline := time.Now().Add(readyWithin)
		for {
			_, err := one.run(ctx, time.Millisecond)
			if err == nil {
				break
			}
			if ctx.Err() != nil || time.Now().After(deadline) {
				return fmt.Errorf("%s does not answer: %w", w.name, err)
			}
			time.Sleep(200 * time.Millisecond)
		}
	}
	return nil
}
