package devnet_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	cdpage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/cosmos/cosmos-sdk/crypto/hd"
	sdk "github.com/cosmos/cosmos-sdk/types"

	accessv1 "github.com/koinon/koinon/api/koinon/access/v1"
	assemblyv1 "github.com/koinon/koinon/api/koinon/assembly/v1"
	offeringv1 "github.com/koinon/koinon/api/koinon/offering/v1"
	sharev1 "github.com/koinon/koinon/api/koinon/share/v1"
	"github.com/koinon/koinon/internal/devnet"
	"github.com/koinon/koinon/internal/ledger/app"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
)

// hand acts on the ledger by itself, for what a story needs to be there.
type hand struct {
	t      *testing.T
	ledger *client.Client
	words  map[string]string // by account's name
}

func newHand(t *testing.T, n devnet.Info) hand {
	ledger, err := client.Dial(t.Context(), n.GRPC, n.ChainID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ledger.Close() })
	h := hand{t, ledger, map[string]string{}}
	for _, a := range n.Accounts {
		h.words[a.Name] = a.Mnemonic
	}
	return h
}

func (h hand) key(name string) client.Key {
	key, err := client.KeyFromMnemonic(name, h.words[name])
	if err != nil {
		h.t.Fatal(err)
	}
	return key
}

func (h hand) must(name string, msgs ...sdk.Msg) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	if _, err := h.ledger.Send(ctx, h.key(name), msgs...); err != nil {
		h.t.Fatalf("%s: %v", name, err)
	}
}

// offers has Ada's model be owned in shares, half of them Bob's, and some for sale.
func (h hand) offers() {
	ada, bob := h.key("ada").Address(), h.key("bob").Address()
	h.must("ada", ledgertest.Version(ledgertest.Account{Address: ada}, "bard"))
	h.must("ada", &sharev1.MsgIssue{Owner: ada, Model: "bard", Allocations: []sharev1.Allocation{{Holder: ada, Shares: 1_000_000}, {Holder: bob, Shares: 1_000_000}}})
	now := time.Now()
	h.must("ada", &offeringv1.MsgOpen{Opener: ada, Terms: offeringv1.Terms{
		Model: "bard", Opener: ada, Beneficiary: ada, Linear: &offeringv1.Linear{Base: 10_000_000, Slope: 50_000_000}, RaiseBps: 5_000, Shares: 400_000, SoftCap: 1_000_000,
		Deadline: now.Add(time.Hour).Unix(), Lapse: now.Add(2 * time.Hour).Unix(),
		Milestones: []offeringv1.Milestone{{Title: "It is <b>trained</b>", Bps: 10_000, Proof: offeringv1.Proof_PROOF_DECISION}},
	}})
}

// reviews fills a form of the wallet, asks what it would do, and has it done.
func (b *browser) reviews(says, fee string, fill ...chromedp.Action) {
	b.t.Helper()
	b.do("fill the form", fill...)
	b.do("review", chromedp.Click("#review-button"))
	b.until("the wallet says what will happen", `!document.getElementById("review").hidden || !document.getElementById("trouble").hidden`)
	if trouble := read[string](b, `document.getElementById("trouble").hidden ? "" : document.getElementById("trouble").textContent`); trouble != "" {
		b.t.Fatalf("the wallet says: %s", trouble)
	}
	if got := read[string](b, `document.getElementById("says").textContent`); got != says {
		b.t.Errorf("it says %q, not %q", got, says)
	}
	if got := read[string](b, `document.getElementById("fee").textContent`); !strings.Contains(got, fee) {
		b.t.Errorf("it costs %q, not %q", got, fee)
	}
	b.keep("review.png")
	b.do("sign", chromedp.Click("#sign"))
	b.until("a block has it", `!document.getElementById("done").hidden || !document.getElementById("trouble").hidden`)
	if done := read[string](b, `document.getElementById("done").textContent`); !strings.HasPrefix(done, "Done. "+says) {
		b.t.Fatalf("it ends with: %s", b.shown())
	}
}

// signs opens the wallet with somebody's account.
func (b *browser) signs(address, query string) {
	b.t.Helper()
	b.open("/wallet" + query)
	b.do("choose who signs", chromedp.SetValue("#who", "devnet:"+address), chromedp.Evaluate(`document.getElementById("who").dispatchEvent(new Event("change"))`, nil))
	b.until("the account is shown", fmt.Sprintf(`document.querySelector("#balances a")?.textContent === %q`, address))
}

// What a transaction costs a buyer, and others.
const nothing, someKoin = "nothing", "KOIN"

// trades: a devnet's account deposits, withdraws, sends and buys into an offering;
// what the ledger would refuse is said before anything is signed.
func (h hand) trades(t *testing.T, b *browser) {
	h.t = t
	h.offers()
	bob, ada := h.key("bob").Address(), h.key("ada").Address()
	b.signs(bob, "")
	if faults := b.faults(everything); len(faults) > 0 {
		t.Error(strings.Join(faults, "\n"))
	}
	b.reviews("Put $5.00 into your escrow, to be spent on answers.", nothing, chromedp.SetValue("#deposit-amount", "5"))
	if escrow, err := h.ledger.Escrow(t.Context(), bob); err != nil || escrow.Available != 5_000_000 {
		t.Errorf("the escrow has %d, %v", escrow.Available, err)
	} else if key, err := h.key("bob").GrantKey(); err != nil || string(escrow.GrantKey) != string(key[32:]) {
		t.Errorf("grants are signed by %x, which is not the account's own key", escrow.GrantKey)
	}
	b.signs(bob, "?do=withdraw")
	b.reviews("Take $1.50 out of your escrow.", nothing, chromedp.SetValue("#withdraw-amount", "1.5"))
	b.signs(bob, "?do=send&to="+ada)
	b.reviews("Send $2.25 to "+ada+".", someKoin, chromedp.SetValue("#send-amount", "2.25"))
	b.do("send more than there is", chromedp.SetValue("#send-amount", "100000"), chromedp.Click("#review-button"))
	b.until("the ledger's refusal is told", `document.getElementById("trouble").textContent.includes("would refuse")`)
	b.signs(bob, "?do=buy&offering=0")
	b.reviews("Order shares of bard for up to $3.00.", someKoin, chromedp.SetValue("#budget", "3"))
	b.open("/models/" + ledgertest.Digest("bard"))
	b.until("the offering has sold", `/[1-9]\d* *\D*of\D*400/.test(document.getElementById("sales").innerText)`)
}

// admits: Ada gates her model, and Bob buys access from its page.
func (h hand) admits(t *testing.T, b *browser) {
	h.t = t
	ada, bob, digest := h.key("ada").Address(), h.key("bob").Address(), ledgertest.Digest("bard")
	h.must("ada", &accessv1.MsgSetPolicy{Owner: ada, Policy: accessv1.Policy{Digest: digest, Gated: true}})
	h.must("ada", &accessv1.MsgOpenPlan{Owner: ada, Digest: digest, Calls: 1000, Seconds: 30 * 24 * 3600, Price: 2_500_000})
	b.open("/models/" + digest)
	b.do("follow the link to buy", chromedp.Click("#access a.button"))
	b.until("the wallet is open", `document.getElementById("do")?.value === "access"`)
	b.signs(bob, "?do=access&plan=1")
	b.reviews("Buy an access token of bard for $2.50: 1000 calls in 30 days.", nothing)
	b.until("what Bob holds is shown", `/Access to bard\s+1000 calls left, until/.test(document.getElementById("balances").innerText)`)
	if held, err := h.ledger.AccessTokens(t.Context(), bob); err != nil || len(held) != 1 || held[0].Plan != 1 {
		t.Errorf("the ledger has %v of Bob's, %v", held, err)
	}
}

// votes: a shareholder votes from the model's page, which shows the vote so far.
func (h hand) votes(t *testing.T, b *browser) {
	h.t = t
	ada := h.key("ada").Address()
	h.must("ada", &assemblyv1.MsgPropose{Proposer: ada, Model: "bard", Title: "Cheaper answers", Action: assemblyv1.Action{What: &assemblyv1.Action_Ceiling{Ceiling: &assemblyv1.Ceiling{OutputPrice: 400_000}}}})
	b.open("/models/" + ledgertest.Digest("bard"))
	b.do("follow the link to vote", chromedp.Click(`#ballots a[href*="choice=yes"]`))
	b.until("the wallet is open", `document.getElementById("choice")?.value === "yes" && document.querySelector("#balances a") !== null`)
	b.reviews("Vote yes on “Cheaper answers”.", someKoin)
	b.open("/models/" + ledgertest.Digest("bard"))
	if shown := read[string](b, `document.getElementById("ballots").innerText`); !regexp.MustCompile(`Yes [1-9]`).MatchString(shown) || !strings.Contains(shown, "at most $0.40 of answers") {
		t.Errorf("after the vote: %s", shown)
	}
}

// keeps: words are kept in the browser under a passphrase and are not stored in
// clear; after a reload the key signs once it is unlocked, and not with a wrong
// passphrase.
func (h hand) keeps(t *testing.T, b *browser) {
	words := h.words["bob"]
	b.open("/wallet")
	b.do("keep", chromedp.Click("#keep-box summary"), chromedp.SetValue("#key-name", "bob's"), chromedp.SetValue("#words", words),
		chromedp.SetValue("#new-passphrase", "correct horse"), chromedp.Click(`#keep button[type=submit]`))
	b.until("the key is kept", `JSON.parse(localStorage.getItem("keyring") ?? "[]").length === 1`)
	if stored := read[string](b, `JSON.stringify(localStorage)`); strings.Contains(stored, strings.Fields(words)[0]) || strings.Contains(stored, hex.EncodeToString([]byte(words))[:20]) {
		t.Errorf("the browser stores %s", stored)
	}
	b.open("/wallet?do=deposit")
	b.until("the key is offered", `!document.getElementById("unlock").hidden`)
	b.do("unlock wrongly", chromedp.SetValue("#passphrase", "correct house"), chromedp.Click("#unlock button[type=submit]"))
	b.until("it stays locked", `document.getElementById("trouble").textContent === "That is not its passphrase."`)
	b.do("unlock", chromedp.SetValue("#passphrase", "correct horse"), chromedp.Click("#unlock button[type=submit]"))
	b.until("it is unlocked", `document.getElementById("unlock").hidden && document.querySelector("#balances a") !== null`)
	b.reviews("Put $0.50 into your escrow, to be spent on answers.", nothing, chromedp.SetValue("#deposit-amount", "0.50"))
	b.do("forget", chromedp.Evaluate(`localStorage.removeItem("keyring")`, nil))
}

// extends: a browser's extension is told of the ledger, and signs what is asked.
func (h hand) extends(t *testing.T, b *browser) {
	h.t = t
	secret, err := hd.Secp256k1.Derive()(h.words["bob"], "", hd.CreateHDPath(app.CoinType, 0, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	key := hd.Secp256k1.Generate()(secret)
	ctx, done := context.WithCancel(b.ctx)
	defer done()
	chromedp.ListenTarget(ctx, func(event any) {
		call, ok := event.(*runtime.EventBindingCalled)
		if !ok {
			return
		}
		var bytes []byte
		if err := json.Unmarshal([]byte(`"`+call.Payload+`"`), &bytes); err != nil {
			t.Error(err)
		}
		signature, err := key.Sign(bytes)
		if err != nil {
			t.Error(err)
		}
		go chromedp.Run(b.ctx, chromedp.Evaluate(fmt.Sprintf("window.signed(%q)", base64.StdEncoding.EncodeToString(signature)), nil))
	})
	var script cdpage.ScriptIdentifier
	b.do("install an extension", runtime.AddBinding("askExtension"), chromedp.ActionFunc(func(ctx context.Context) (err error) {
		script, err = cdpage.AddScriptToEvaluateOnNewDocument(fmt.Sprintf(keplr, base64.StdEncoding.EncodeToString(key.PubKey().Bytes()), h.key("bob").Address())).Do(ctx)
		return err
	}))
	b.open("/wallet?do=withdraw")
	b.do("choose the extension", chromedp.SetValue("#who", "extension:keplr"), chromedp.Evaluate(`document.getElementById("who").dispatchEvent(new Event("change"))`, nil))
	b.until("the account is shown", `document.querySelector("#balances a") !== null`)
	if told := read[string](b, `JSON.stringify(window.suggested)`); !strings.Contains(told, `"chainId":"koinon-devnet-1"`) || !strings.Contains(told, `"bech32PrefixAccAddr":"koinon"`) || !strings.Contains(told, `"rpc":"http://127.0.0.1`) {
		t.Errorf("the extension was told %s", told)
	}
	b.reviews("Take $0.25 out of your escrow.", nothing, chromedp.SetValue("#withdraw-amount", "0.25"))
	b.do("remove the extension", cdpage.RemoveScriptToEvaluateOnNewDocument(script))
}

// keplr is an extension as pages see it, whose key the test has.
const keplr = `window.keplr = {
	experimentalSuggestChain: async (chain) => { window.suggested = chain; },
	enable: async () => {},
	getKey: async () => ({ name: "bob", pubKey: Uint8Array.from(atob(%q), (c) => c.charCodeAt(0)), bech32Address: %q }),
	signDirect: (chain, signer, d) => new Promise((resolve) => {
		const varint = (n) => n < 128 ? [n] : [n %% 128 | 128, ...varint(Math.floor(n / 128))];
		const sized = (field, bytes) => [field << 3 | 2, ...varint(bytes.length), ...bytes];
		const number = Number(d.accountNumber);
		const bytes = [...sized(1, d.bodyBytes), ...sized(2, d.authInfoBytes), ...sized(3, new TextEncoder().encode(d.chainId)), ...(number ? [32, ...varint(number)] : [])];
		window.signed = (signature) => resolve({ signed: d, signature: { signature } });
		askExtension(btoa(String.fromCharCode(...bytes)));
	}),
};`
