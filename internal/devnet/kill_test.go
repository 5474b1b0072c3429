package devnet_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/devnet"
	"github.com/koinon/koinon/internal/gateway"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/receipt"
)

// networkHome, when set, makes the test's binary a network, for the test to kill.
const networkHome = "KOINON_TEST_NETWORK_HOME"

func TestMain(m *testing.M) {
	if home := os.Getenv(networkHome); home != "" {
		if err := serve(home); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serve runs a network until SIGTERM, and writes what it is known by once it is
// ready.
func serve(home string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	n, err := devnet.Start(ctx, config(home), nil)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(n.Info); err != nil {
		return errors.Join(err, n.Stop())
	}
	select {
	case <-ctx.Done():
	case err = <-n.Failed():
	}
	return errors.Join(err, n.Stop())
}

// child is a network in a process of its own.
type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	ready chan devnet.Info
	log   bytes.Buffer // standard error; read it only when the process has ended
}

func spawn(t *testing.T, home string) *child {
	t.Helper()
	c := &child{t: t, cmd: exec.Command(os.Args[0]), ready: make(chan devnet.Info, 1)}
	c.cmd.Env = append(os.Environ(), networkHome+"="+home)
	c.cmd.Stderr = &c.log
	out, err := c.cmd.StdoutPipe()
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.ready)
		var info devnet.Info
		if json.NewDecoder(out).Decode(&info) == nil {
			c.ready <- info
		}
	}()
	t.Cleanup(func() { c.cmd.Process.Kill() })
	return c
}

// info waits until the network serves.
func (c *child) info() devnet.Info {
	c.t.Helper()
	select {
	case info, ok := <-c.ready:
		if !ok {
			err := c.cmd.Wait()
			c.t.Fatalf("the network does not come up again: %v\n%s", err, c.log.String())
		}
		return info
	case <-time.After(90 * time.Second):
		c.cmd.Process.Signal(syscall.SIGQUIT) // shows where it hangs
		c.cmd.Wait()
		c.t.Fatalf("the network is not ready after 90 s\n%s", c.log.String())
	}
	panic("unreachable")
}

// kill is kill -9.
func (c *child) kill() {
	c.t.Helper()
	c.cmd.Process.Kill()
	c.cmd.Wait()
	if log := c.log.String(); strings.Contains(log, "DATA RACE") || strings.Contains(log, "panic") {
		c.t.Fatal(log)
	}
}

// stop is what Ctrl-C does.
func (c *child) stop() {
	c.t.Helper()
	c.cmd.Process.Signal(syscall.SIGTERM)
	if err := c.cmd.Wait(); err != nil {
		c.t.Fatalf("a clean stop: %v\n%s", err, c.log.String())
	}
}

// crowd asks and remembers what came of it.
type crowd struct {
	mu       sync.Mutex
	prompt   uint64 // tokens of the question
	complete uint64 // cost of whole answers, in ucredit
	answers  int
	broken   []uint64 // tokens that came of each answer that broke off
	refused  map[string]int
}

// most is the most that may have been charged for all that arrived: what the
// dearest provider asks for each broken answer, and for a few tokens that the
// gateway had received and the client had not.
func (c *crowd) most(t *testing.T) uint64 {
	t.Helper()
	const underway = 32
	sum := c.complete
	for _, tokens := range c.broken {
		cost, err := receipt.Price{Input: 600_000, Output: 2_400_000}.Cost(c.prompt, 0, tokens+underway)
		if err != nil {
			t.Fatal(err)
		}
		sum += cost
	}
	return sum
}

// chunk is what one event of a stream says.
type chunk struct {
	Choices []struct {
		Logprobs struct{ Content []struct{} } // one for each token: an event may have several
	}
	Usage struct {
		PromptTokens uint64 `json:"prompt_tokens"`
	}
	Koinon struct{ Cost uint64 }
	Error  *struct{ Message string }
}

// ask streams one answer and enters in the crowd's books what came of it.
func (c *crowd) ask(info devnet.Info, tokens int) error {
	body := fmt.Sprintf(`{"model":"trivium","stream":true,"stream_options":{"include_usage":true},"logprobs":true,"max_tokens":%d,
		"messages":[{"role":"user","content":"KING HENRY:\nOnce more"}]}`, tokens)
	request, err := http.NewRequest(http.MethodPost, info.Gateway+"/chat/completions", strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+info.APIKey)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		c.enter(0, chunk{})
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		c.mu.Lock()
		c.refused[response.Status]++
		c.mu.Unlock()
		return errors.New(response.Status)
	}
	var received uint64
	var last chunk
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok || data == "[DONE]" {
			continue
		}
		var event chunk
		if json.Unmarshal([]byte(data), &event) != nil {
			break // the line was cut
		}
		if len(event.Choices) > 0 {
			received += uint64(len(event.Choices[0].Logprobs.Content))
		}
		last.Koinon.Cost = max(last.Koinon.Cost, event.Koinon.Cost)
		last.Usage.PromptTokens = max(last.Usage.PromptTokens, event.Usage.PromptTokens)
	}
	c.enter(received, last)
	if last.Koinon.Cost == 0 {
		return fmt.Errorf("the answer broke off after %d tokens: %v", received, lines.Err())
	}
	return nil
}

func (c *crowd) enter(received uint64, last chunk) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if last.Koinon.Cost == 0 {
		c.broken = append(c.broken, received)
		return
	}
	c.answers++
	c.complete += last.Koinon.Cost
	c.prompt = max(c.prompt, last.Usage.PromptTokens)
}

// load asks from several clients until the network is gone.
func (c *crowd) load(info devnet.Info) (wait func()) {
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for c.ask(info, 100) == nil {
			}
		})
	}
	return clients.Wait
}

// paid is what a gateway that is not running has on disk.
type paid struct {
	spent    uint64                    // by the API key, in ucredit
	revealed map[receipt.Digest]uint64 // tickets, by grant
	value    uint64                    // of all of these, in ucredit
}

// books reads the gateway's database of a network that is dead.
func books(t *testing.T, home string) paid {
	t.Helper()
	store, err := gateway.OpenStore(t.Context(), filepath.Join(home, "gateway"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	p := paid{revealed: map[receipt.Digest]uint64{}}
	all, err := store.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range all {
		p.spent += key.Spent
		if key.Spent > key.Budget {
			t.Errorf("a key spent %d of %d", key.Spent, key.Budget)
		}
	}
	grants, err := store.OpenGrants(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range grants {
		p.revealed[g.ID()] = g.Books.Revealed
		p.value += g.Books.Revealed * g.TicketValue
	}
	return p
}

// redeemed is what the ledger has paid on the buyer's grants, in ucredit. No
// grant may have been paid beyond the tickets that the gateway revealed.
func redeemed(t *testing.T, info devnet.Info, p paid) uint64 {
	t.Helper()
	ledger, err := client.Dial(t.Context(), info.GRPC, info.ChainID)
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	var buyer string
	for _, a := range info.Accounts {
		if a.Name == "buyer" {
			buyer = a.Address
		}
	}
	grants, err := ledger.Grants(t.Context(), buyer, "")
	if err != nil {
		t.Fatal(err)
	}
	var sum uint64
	for _, g := range grants {
		sum += g.Redeemed * g.Grant.TicketValue
		var id receipt.Digest
		if _, err := hex.Decode(id[:], []byte(g.Id)); err != nil {
			t.Fatal(err)
		}
		if revealed := p.revealed[id]; g.Redeemed > revealed {
			t.Errorf("grant %s: %d tickets redeemed, %d revealed", g.Id, g.Redeemed, revealed)
		}
	}
	return sum
}

// Nothing is lost when the whole network is killed, again and again, at any
// moment of its life, with answers under way: it comes up by itself, the ledger's
// books hold, no credit appears or vanishes, nobody pays twice, and whole answers
// are paid for.
func TestKilledAtAnyMomentUnderLoad(t *testing.T) {
	kills := 20
	if testing.Short() {
		kills = 4
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	home := t.TempDir()
	c := &crowd{refused: map[string]int{}}
	var total uint64
	for i := range kills {
		p := spawn(t, home)
		if i%5 == 0 { // also while it starts, the first time included
			time.Sleep(time.Duration(random.IntN(3000)) * time.Millisecond)
			p.kill()
			continue
		}
		info := p.info()
		if h := take(t, t.Context(), info); total == 0 {
			total = h.total()
		} else if h.total() != total {
			t.Fatalf("kill %d: %d ucredit became %d", i, total, h.total())
		}
		if err := c.ask(info, 20); err != nil {
			t.Fatalf("kill %d: the first question after a restart: %v", i, err)
		}
		wait := c.load(info)
		time.Sleep(time.Duration(random.IntN(2500)) * time.Millisecond)
		p.kill()
		wait()
		now := books(t, home)
		if most := c.most(t); now.spent > most || now.spent < c.complete {
			t.Fatalf("kill %d: the key paid %d ucredit; whole answers cost %d, all that arrived at most %d", i, now.spent, c.complete, most)
		}
	}
	settle(t, home, c, total)
}

// settle stops the network cleanly, which redeems all, and compares everybody's
// books.
func settle(t *testing.T, home string, c *crowd, total uint64) {
	t.Helper()
	p := spawn(t, home)
	info := p.info()
	for range 3 { // each provider hears of tickets that a kill kept from it
		if err := c.ask(info, 20); err != nil {
			t.Fatal(err)
		}
	}
	p.stop()
	now := books(t, home)
	p = spawn(t, home)
	info = p.info()
	if h := take(t, t.Context(), info); h.total() != total {
		t.Errorf("%d ucredit became %d", total, h.total())
	}
	sum := redeemed(t, info, now)
	p.stop()
	t.Logf("%d whole answers for %s, %d broken, refusals %v; the key paid %s, tickets worth %s, redeemed %s", c.answers, credit.Dollars(c.complete),
		len(c.broken), c.refused, credit.Dollars(now.spent), credit.Dollars(now.value), credit.Dollars(sum))
	if c.answers == 0 || len(c.broken) == 0 {
		t.Error("the load was none")
	}
	const ticket = 10
	slack := uint64(len(now.revealed)+len(c.broken)) * ticket
	if sum > now.value || sum+slack < c.complete || now.value > now.spent+slack {
		t.Errorf("redeemed %d of tickets worth %d, the key paid %d, whole answers cost %d", sum, now.value, now.spent, c.complete)
	}
}
