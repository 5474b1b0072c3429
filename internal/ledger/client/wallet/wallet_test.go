package wallet_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/ledger/client/wallet"
)

func says(passphrase string) func() (string, error) {
	return func() (string, error) { return passphrase, nil }
}

func unasked(t *testing.T) func() (string, error) {
	return func() (string, error) { t.Fatal("asked for a passphrase"); return "", nil }
}

func TestKeysAreKept(t *testing.T) {
	w := wallet.Wallet{Dir: filepath.Join(t.TempDir(), "wallet")}
	made, err := w.Create("me", "")
	if err != nil {
		t.Fatal(err)
	}
	opened, err := w.Open("me", unasked(t))
	if err != nil || opened.Address() != made.Address() || opened.Mnemonic != made.Mnemonic {
		t.Fatalf("%s, %v; made was %s", opened.Address(), err, made.Address())
	}
	info, err := os.Stat(filepath.Join(w.Dir, "me.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key file: %v, %v", info.Mode(), err)
	}
	if _, err := w.Create("me", ""); !errors.Is(err, wallet.ErrExists) {
		t.Errorf("a second key of the name: %v", err)
	}
	again, err := w.Import("copy", "  "+strings.ReplaceAll(made.Mnemonic, " ", "\n "), "")
	if err != nil || again.Address() != made.Address() {
		t.Errorf("imported %s, %v", again.Address(), err)
	}
	if _, err := w.Import("bad", "one two three", ""); !errors.Is(err, client.ErrMnemonic) {
		t.Errorf("three words: %v", err)
	}
	list, err := w.List()
	if err != nil || len(list) != 2 || list[0].Name != "copy" || list[1].Name != "me" || list[1].Address != made.Address() {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestAPassphraseProtects(t *testing.T) {
	w := wallet.Wallet{Dir: t.TempDir()}
	made, err := w.Create("safe", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(w.Dir, "safe.json"))
	if err != nil || strings.Contains(string(data), strings.Fields(made.Mnemonic)[0]+" ") {
		t.Errorf("the file has the words: %s, %v", data, err)
	}
	opened, err := w.Open("safe", says("correct horse"))
	if err != nil || opened.Address() != made.Address() {
		t.Errorf("%v", err)
	}
	if _, err := w.Open("safe", says("wrong horse")); !errors.Is(err, client.ErrPassphrase) {
		t.Errorf("a wrong passphrase: %v", err)
	}
	if _, err := client.LoadKey(filepath.Join(w.Dir, "safe.json"), "safe"); !errors.Is(err, client.ErrProtected) {
		t.Errorf("a role that cannot ask: %v", err)
	}
	mine, err := made.GrantKey()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := opened.GrantKey(); err != nil || !again.Equal(mine) {
		t.Errorf("another grant key for the same account: %v", err)
	}
}

func TestNamesAndFilesThatAreNone(t *testing.T) {
	w := wallet.Wallet{Dir: t.TempDir()}
	for _, name := range []string{"", "../me", "Me", "a b", strings.Repeat("a", 33)} {
		if _, err := w.Create(name, ""); !errors.Is(err, wallet.ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := w.Open("nobody", unasked(t)); !errors.Is(err, wallet.ErrUnknown) {
		t.Errorf("nobody: %v", err)
	}
	for _, content := range []string{"", "{}", `{"name":"x"}`, "[1]", `{"name":"x","address":"y","armour":"-----BEGIN"}`, `{"name":"x","mnemonic":"a b"}`} {
		if err := os.WriteFile(filepath.Join(w.Dir, "x.json"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Open("x", says("p")); err == nil {
			t.Errorf("%q was opened", content)
		}
	}
}
