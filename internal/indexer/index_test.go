package indexer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cosmos/gogoproto/jsonpb"
	"github.com/cosmos/gogoproto/proto"
	"pgregory.net/rapid"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
)

// book is a ledger of given blocks, of which so many are there yet.
type book struct {
	chain  string
	blocks []Block
	latest int64
	fails  int64 // the height that cannot be read; 0 for none
}

func (b *book) ChainID() string                       { return b.chain }
func (b *book) Height(context.Context) (int64, error) { return b.latest, nil }
func (b *book) Block(_ context.Context, height int64) (Block, error) {
	if height == b.fails {
		return Block{}, errors.New("no route to the node")
	}
	return b.blocks[height-1], nil
}

func body(m proto.Message) json.RawMessage {
	s, err := (&jsonpb.Marshaler{OrigName: true}).MarshalToString(m)
	if err != nil {
		panic(err)
	}
	return json.RawMessage(s)
}

func message(m proto.Message) Message { return Message{proto.MessageName(m), body(m), m} }
func event(m proto.Message) Event     { return Event{proto.MessageName(m), body(m), m} }

func account(i int) string { return "koinon1" + strings.Repeat("q", 37) + string("pzry9x8gf2"[i]) }
func digest(i int) string  { return "sha256:" + strings.Repeat(fmt.Sprint(i), 64) }
func grantID(i int) string { return strings.Repeat(fmt.Sprint(i), 63) + "a" }

var (
	versions = rapid.Custom(func(t *rapid.T) Tx {
		i := rapid.IntRange(0, 3).Draw(t, "version")
		return Tx{Sender: account(i), Messages: []Message{message(&modelv1.MsgRegisterVersion{
			Owner: account(i), Digest: digest(i), Name: "bard", Version: fmt.Sprint(i), Class: modelv1.VerificationClass_VERIFICATION_CLASS_EXACT, Parameters: 5e6,
		})}}
	})
	providers = rapid.Custom(func(t *rapid.T) Tx {
		i := rapid.IntRange(0, 9).Draw(t, "provider")
		tx := Tx{Sender: account(i), Fee: 7, Messages: []Message{message(&providerv1.MsgRegister{Provider: account(i), Moniker: "ada", Region: "DE"})}}
		if rapid.Bool().Draw(t, "refused") {
			tx.Refusal = "the bond is too small"
			return tx
		}
		tx.Events = []Event{event(&providerv1.EventRegistered{Provider: account(i), Moniker: "ada", Bond: 100}),
			event(&providerv1.EventOfferSet{Provider: account(i), ModelDigest: digest(i % 4), OutputPrice: uint64(1 + i)})}
		return tx
	})
	redemptions = rapid.Custom(func(t *rapid.T) Tx {
		i := rapid.IntRange(0, 9).Draw(t, "grant")
		return Tx{Sender: account(i), Events: []Event{
			event(&escrowv1.EventGrantActivated{Id: grantID(i), Payer: account(1), Provider: account(i), ModelDigest: digest(i % 4), Cap: 1_000_000}),
			event(&escrowv1.EventRedeemed{Id: grantID(i), Payer: account(1), Provider: account(i), ModelDigest: digest(i % 4), Amount: 10, Payouts: []escrowv1.Payout{
				{Recipient: account(i), Role: escrowv1.Role_ROLE_PROVIDER, Amount: 8}, {Recipient: account(2), Role: escrowv1.Role_ROLE_OWNER, Amount: 2},
			}}),
			{Kind: "coin_spent", Body: json.RawMessage(`{}`)},
		}}
	})
	histories = rapid.Custom(func(t *rapid.T) []Block {
		blocks := make([]Block, rapid.SampledFrom([]int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, stride + 1}).Draw(t, "blocks"))
		at := time.Unix(4_000_000, 0)
		for i := range blocks {
			b := &blocks[i]
			at = at.Add(rapid.SampledFrom([]time.Duration{10 * time.Minute, 20 * time.Hour, 20 * 24 * time.Hour}).Draw(t, "later"))
			b.Height, b.Time, b.Hash = int64(i+1), at, fmt.Sprintf("%064X", i+1)
			b.Txs = rapid.SliceOfN(rapid.OneOf(versions, providers, redemptions), 0, 2).Draw(t, "txs")
			for j := range b.Txs {
				b.Txs[j].Hash = fmt.Sprintf("%060X%04X", i+1, j)
			}
			b.Events = []Event{event(&providerv1.EventJailed{Provider: account(i % 10), Until: int64(i)}), {Kind: "transfer", Body: json.RawMessage(`{}`)}}
		}
		return blocks
	})
)

// dump is all that the tables hold.
func dump(t interface{ Fatal(...any) }, x *Index) string {
	ctx := context.Background()
	tables, err := column(ctx, x.reader, `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, table := range tables {
		rows, err := x.reader.QueryContext(ctx, `SELECT * FROM `+table)
		if err != nil {
			t.Fatal(err)
		}
		names, _ := rows.Columns()
		var lines []string
		for rows.Next() {
			values := make([]any, len(names))
			for i := range values {
				values[i] = new(any)
			}
			if err := rows.Scan(values...); err != nil {
				t.Fatal(err)
			}
			line := table
			for _, v := range values {
				line += fmt.Sprintf("|%v", *v.(*any))
			}
			lines = append(lines, line)
		}
		rows.Close()
		slices.Sort(lines)
		all.WriteString(strings.Join(lines, "\n") + "\n")
	}
	return all.String()
}

func open(t interface {
	Fatal(...any)
	Cleanup(func())
}, path string) *Index {
	x, err := Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

// However the blocks came, block by block, after failures and restarts or at
// once, the tables are the same.
func TestRebuiltTablesAreTheSame(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		l := &book{chain: "test-1", blocks: histories.Draw(t, "history")}
		n++
		path := filepath.Join(dir, fmt.Sprint(n), "index.db")
		x := open(t, path)
		for l.latest < int64(len(l.blocks)) {
			l.latest = min(l.latest+rapid.Int64Range(1, 100).Draw(t, "more"), int64(len(l.blocks)))
			if l.fails = rapid.Int64Range(0, l.latest).Draw(t, "fails"); l.fails > 0 {
				_ = x.CatchUp(ctx, l, nil)
				l.fails = 0
			}
			if rapid.Bool().Draw(t, "restart") {
				if err := x.Close(); err != nil {
					t.Fatal(err)
				}
				x = open(t, path)
			}
			if err := x.CatchUp(ctx, l, nil); err != nil {
				t.Fatal(err)
			}
		}
		followed := dump(t, x)
		if err := x.Rebuild(ctx, l, nil); err != nil {
			t.Fatal(err)
		}
		if rebuilt := dump(t, x); rebuilt != followed {
			t.Fatalf("rebuilt:\n%s\nfollowed:\n%s", rebuilt, followed)
		}
		sumsHold(t, x)
		walks(t, func(after string, limit int) ([]VersionRow, error) { return x.Versions(ctx, after, limit) }, func(v VersionRow) string { return v.Digest })
		walks(t, func(after string, limit int) ([]ProviderRow, error) { return x.Providers(ctx, after, limit) }, func(p ProviderRow) string { return p.Address })
		totals, err := x.Totals(ctx, 0)
		if err != nil {
			t.Fatal(err)
		}
		var paid, txs uint64
		for _, b := range l.blocks {
			for _, tx := range b.Txs {
				txs++
				for _, e := range tx.Events {
					if r, ok := e.Value.(*escrowv1.EventRedeemed); ok {
						paid += r.Amount
					}
				}
			}
		}
		if totals.Paid != paid || uint64(totals.Txs) != txs || totals.Height != int64(len(l.blocks)) {
			t.Fatalf("%+v, want %d paid in %d transactions", totals, paid, txs)
		}
	})
}

// walks: a list read page by page is the list read at once.
func walks[T comparable](t *rapid.T, read func(after string, limit int) ([]T, error), name func(T) string) {
	all, err := read("", MaxPage)
	if err != nil {
		t.Fatal(err)
	}
	after, walked := "", []T{}
	for {
		next, err := read(after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(next) == 0 {
			break
		}
		walked = append(walked, next...)
		after = name(next[len(next)-1])
	}
	if !slices.Equal(all, walked) {
		t.Fatalf("at once %v, page by page %v", all, walked)
	}
}

// lately is the beginning of the last thirty days.
const lately = `(SELECT (MAX(at) / 86400 - 30) * 86400 FROM blocks)`

// sumsHold compares what triggers keep with what the tables add up to.
func sumsHold(t *rapid.T, x *Index) {
	for kept, added := range map[string]string{
		`SELECT txs, providers, bonded, backing, slashed, locked FROM totals`: `SELECT (SELECT COUNT(*) FROM txs), (SELECT COUNT(*) FROM providers WHERE status = 'active'),
			(SELECT COALESCE(SUM(bond), 0) FROM providers), (SELECT COALESCE(SUM(bond), 0) FROM providers WHERE status = 'active'), (SELECT COALESCE(SUM(slashed), 0) FROM providers), (SELECT COALESCE(SUM(cap - redeemed), 0) FROM grants WHERE closed = 0)`,
		`SELECT group_concat(digest || providers || '/' || paid) FROM versions`: `SELECT group_concat(digest || (SELECT COUNT(*) FROM offers o JOIN providers p ON p.address = o.provider WHERE model = digest AND status = 'active')
			|| '/' || (SELECT COALESCE(SUM(amount), 0) FROM payments WHERE model = digest)) FROM versions`,
		`SELECT group_concat(address || offers || '/' || earned || '/' || audits || '/' || passed) FROM providers`: `SELECT group_concat(address || (SELECT COUNT(*) FROM offers WHERE provider = address)
			|| '/' || (SELECT COALESCE(SUM(amount), 0) FROM payments WHERE provider = address AND role = 'provider') || '/' || (SELECT COUNT(*) FROM audits WHERE provider = address)
			|| '/' || (SELECT COUNT(*) FROM audits WHERE provider = address AND outcome IN ('passed', 'agreed', 'upheld'))) FROM providers`,
		`SELECT group_concat(digest || lately) FROM versions`: `SELECT group_concat(digest || (SELECT COALESCE(SUM(amount), 0) FROM payments WHERE model = digest AND at >= ` + lately + `)) FROM versions`,
		`SELECT buyers, sellers FROM totals`:                  `SELECT COUNT(DISTINCT payer), COUNT(DISTINCT provider) FROM payments WHERE at >= ` + lately,
		`SELECT group_concat(model || day || role || amount) FROM parts WHERE model <> ''`: `SELECT group_concat(model || day || role || amount)
			FROM (SELECT model, at / 86400 * 86400 AS day, role, SUM(amount) AS amount FROM payments GROUP BY 1, 2, 3)`,
		`SELECT group_concat(day || role || amount) FROM parts WHERE model = ''`: `SELECT group_concat(day || role || amount)
			FROM (SELECT at / 86400 * 86400 AS day, role, SUM(amount) AS amount FROM payments GROUP BY 1, 2)`,
		`SELECT COALESCE(SUM(grants), 0), COALESCE(SUM(seconds), 0) FROM hours`: `SELECT COUNT(*), COALESCE(SUM(first - at), 0)
			FROM grants JOIN (SELECT grant_id, MIN(at) AS first FROM payments GROUP BY 1) ON grant_id = id`,
		`SELECT group_concat(side || account || last) FROM traders`: `SELECT group_concat(side || account || last) FROM (SELECT 'buyer' AS side, payer AS account, MAX(at) AS last FROM payments GROUP BY 2
			UNION ALL SELECT 'seller', provider, MAX(at) FROM payments GROUP BY 2)`,
	} {
		if got, want := row(t, x, kept), row(t, x, added); got != want {
			t.Fatalf("%s\nkept  %s\nadded %s", kept, got, want)
		}
	}
}

// row is a query's only row; if that is a list, sorted.
func row(t *rapid.T, x *Index, query string) string {
	rows, err := x.reader.Query(query)
	if err != nil {
		t.Fatal(query, err)
	}
	defer rows.Close()
	names, _ := rows.Columns()
	values := make([]any, len(names))
	for i := range values {
		values[i] = new(any)
	}
	rows.Next()
	if err := rows.Scan(values...); err != nil {
		t.Fatal(query, err)
	}
	text := ""
	for _, v := range values {
		text += fmt.Sprint(*v.(*any), ",")
	}
	if len(values) > 1 {
		return text
	}
	parts := strings.Split(text, ",") // of a list, in whatever order
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

func TestAnotherLedgerIsRefused(t *testing.T) {
	x := open(t, filepath.Join(t.TempDir(), "index.db"))
	blocks := []Block{{Height: 1}, {Height: 2}}
	if err := x.CatchUp(t.Context(), &book{chain: "test-1", blocks: blocks, latest: 2}, nil); err != nil {
		t.Fatal(err)
	}
	for name, l := range map[string]*book{"another id": {chain: "test-2", blocks: blocks, latest: 2}, "a new one": {chain: "test-1", blocks: blocks, latest: 1}} {
		if err := x.CatchUp(t.Context(), l, nil); !errors.Is(err, ErrOtherLedger) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestQueries(t *testing.T) {
	ctx := t.Context()
	x := open(t, filepath.Join(t.TempDir(), "index.db"))
	day := time.Unix(20_000*86400, 0)
	l := &book{chain: "test-1", latest: 2, blocks: []Block{
		{Height: 1, Time: day, Hash: strings.Repeat("A", 64), Txs: []Tx{
			{Hash: strings.Repeat("B", 64), Sender: account(1), Messages: []Message{message(&modelv1.MsgRegisterVersion{Owner: account(1), Digest: digest(1), Name: "bard", Version: "2"})}},
			{Hash: strings.Repeat("C", 64), Sender: account(3), Messages: []Message{message(&providerv1.MsgRegister{Provider: account(3), Region: "DE"})}, Events: []Event{
				event(&providerv1.EventRegistered{Provider: account(3), Moniker: "Ada's 100% machine", Bond: 5}),
				event(&providerv1.EventOfferSet{Provider: account(3), ModelDigest: digest(1), InputPrice: 2, OutputPrice: 3}),
			}},
		}},
		{Height: 2, Time: day.Add(time.Hour), Hash: strings.Repeat("D", 64), Events: []Event{
			event(&escrowv1.EventRedeemed{Id: grantID(4), Payer: account(4), Provider: account(3), ModelDigest: digest(1), Amount: 10, Payouts: []escrowv1.Payout{
				{Recipient: account(3), Role: escrowv1.Role_ROLE_PROVIDER, Amount: 9}, {Recipient: account(1), Role: escrowv1.Role_ROLE_ROYALTY, Amount: 1},
			}}),
		}},
	}}
	if err := x.CatchUp(ctx, l, nil); err != nil {
		t.Fatal(err)
	}
	p, err := x.Provider(ctx, account(3))
	if err != nil || p.Earned != 9 || p.Region != "DE" || p.Offers != 1 || p.Status != "active" {
		t.Errorf("provider: %+v, %v", p, err)
	}
	v, err := x.Version(ctx, digest(1))
	if err != nil || v.Paid != 10 || v.Providers != 1 || v.Output != 3 {
		t.Errorf("version: %+v, %v", v, err)
	}
	if totals, err := x.Totals(ctx, 0); err != nil || totals.Royalties != 1 || totals.Buyers != 1 || totals.Sellers != 1 {
		t.Errorf("totals: %+v, %v", totals, err)
	}
	fees, err := x.FeesByModel(ctx, 0)
	if err != nil || len(fees) != 1 || fees[0] != (DayRow{day.Unix(), "bard@2", 10}) {
		t.Errorf("fees: %+v, %v", fees, err)
	}
	if _, err := x.Tx(ctx, "none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("no such transaction: %v", err)
	}
	for query, want := range map[string]string{
		"1": "block 1", "#2": "block 2", strings.Repeat("a", 64): "block 1", strings.Repeat("b", 64): "transaction " + strings.Repeat("B", 64),
		account(3): "provider " + account(3), account(4): "account " + account(4), "ada": "provider " + account(3), "bar": "model " + digest(1), "@bard": "model " + digest(1),
		digest(1): "model " + digest(1), grantID(4): "digest " + grantID(4), "%": "", "' OR 1=1 --": "", "": "",
	} {
		hits, err := x.Search(ctx, query)
		got := ""
		for _, h := range hits {
			got += h.Kind + " " + h.ID
		}
		if err != nil || got != want {
			t.Errorf("search %q: %q, %v; want %q", query, got, err, want)
		}
	}
	of, err := x.TxsOf(ctx, account(1), Page{})
	if err != nil || len(of) != 2 || of[0].Position != own || of[1].Hash != strings.Repeat("B", 64) || len(of[1].Messages) != 1 {
		t.Errorf("of an account: %+v, %v", of, err)
	}
	older, err := x.TxsOf(ctx, account(1), Page{Before: of[0].Cursor(), Limit: 1})
	if err != nil || len(older) != 1 || older[0].Hash != of[1].Hash {
		t.Errorf("older: %+v, %v", older, err)
	}
	if in, err := x.TxsIn(ctx, 2, own, 9); err != nil || len(in) != 1 || len(in[0].Events) != 1 {
		t.Errorf("in a block: %+v, %v", in, err)
	}
}
