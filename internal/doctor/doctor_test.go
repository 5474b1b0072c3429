package doctor

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/koinon/koinon/internal/instrument"
)

func TestClock(t *testing.T) {
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		block               time.Time
		synchronised, known bool
		want                State
	}{
		{now.Add(-time.Hour), true, true, OK}, {time.Time{}, false, false, OK}, {time.Time{}, false, true, Warning},
		{now.Add(time.Second), true, true, OK}, {now.Add(3 * time.Second), true, true, Problem},
	} {
		if got := Clock(now, c.block, c.synchronised, c.known); got.State != c.want || (got.State == OK) != (got.Advice == "") {
			t.Errorf("%+v: %+v", c, got)
		}
	}
}

func TestDisk(t *testing.T) {
	for free, want := range map[uint64]State{1 << 20: Problem, 2 << 30: Warning, 100 << 30: OK} {
		if got := Disk("/srv", free); got.State != want {
			t.Errorf("%d: %+v", free, got)
		}
	}
	if free, err := Free(t.TempDir()); free == 0 || err != nil && !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%d, %v", free, err)
	}
}

func TestPorts(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	found := Ports([]Port{{"the gateway", address, "--listen", false}, {"the gateway", address, "--listen", true}, {"a node", "127.0.0.1:0", "--rpc-addr", false}})
	if found[0].State != Warning || !strings.Contains(found[0].Advice, "--listen") || found[1].State != OK || found[2].State != OK {
		t.Errorf("%+v", found)
	}
}

func TestKeysThatOthersCanRead(t *testing.T) {
	root := t.TempDir()
	write := func(mode os.FileMode, path ...string) string {
		t.Helper()
		file := filepath.Join(append([]string{root}, path...)...)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	write(0o600, "provider", "account.json")
	write(0o600, "devnet", "node", "config", "priv_validator_key.json")
	write(0o600, "devnet", "accounts", "buyer.json")
	write(0o644, "devnet", "node", "config", "genesis.json")
	files, err := Secrets(root)
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, %v", files, err)
	}
	if f := Modes(root, files); f.State != OK {
		t.Errorf("%+v", f)
	}
	bad := write(0o644, "gateway", "grant.key")
	if files, err = Secrets(root); err != nil {
		t.Fatal(err)
	}
	if f := Modes(root, files); f.State != Problem || !strings.Contains(f.Advice, "chmod 600 "+bad) {
		t.Errorf("%+v", f)
	}
	if files, err := Secrets(filepath.Join(root, "nowhere")); err != nil || Modes(root, files).State != OK {
		t.Errorf("%v, %v", files, err)
	}
}

func TestRoles(t *testing.T) {
	value := func(name string, v float64) (string, *dto.MetricFamily) {
		return name, &dto.MetricFamily{Metric: []*dto.Metric{{Gauge: &dto.Gauge{Value: &v}}}}
	}
	node := instrument.Reading{About: instrument.About{Home: "/h/node", Started: time.Now()}, Values: instrument.Values{}}
	set := func(name string, v float64) { name, family := value(name, v); node.Values[name] = family }
	set("koinon_node_peers", 0)
	set("koinon_node_validators", 1)
	states := func(r instrument.Reading) (list []State) {
		for _, f := range Roles([]instrument.Reading{r}) {
			list = append(list, f.State)
		}
		return list
	}
	if got := states(node); len(got) != 2 || got[0] != OK || got[1] != OK {
		t.Errorf("a ledger of one: %v", got)
	}
	set("koinon_node_validators", 4)
	if got := states(node); got[1] != Problem {
		t.Errorf("a node that is alone: %v", got)
	}
	if got := states(instrument.Reading{Silent: errors.New("refused")}); got[0] != Problem {
		t.Errorf("a role that crashed: %v", got)
	}
	if got := states(instrument.Reading{Waiting: "no bond"}); got[0] != Warning {
		t.Errorf("a role that waits: %v", got)
	}
}
