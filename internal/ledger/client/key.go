package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cosmos/cosmos-sdk/crypto/hd"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	bip39 "github.com/cosmos/go-bip39"
	"github.com/google/renameio/v2"

	"github.com/koinon/koinon/internal/ledger/app"
)

// Key is an account's key (secp256k1, derived as Cosmos wallets do).
type Key struct {
	Name     string
	Mnemonic string
	private  cryptotypes.PrivKey
}

// ErrMnemonic is returned for words that make no key.
var ErrMnemonic = errors.New("not a mnemonic: expected 12 to 24 words of BIP-39")

// NewKey makes a key from new random words.
func NewKey(name string) (Key, error) {
	const bits = 256
	entropy, err := bip39.NewEntropy(bits)
	if err != nil {
		return Key{}, err
	}
	mnemonic, err := bip39.NewMnemonic(entropy)
	if err != nil {
		return Key{}, err
	}
	return KeyFromMnemonic(name, mnemonic)
}

// KeyFromMnemonic makes the first key of a mnemonic.
func KeyFromMnemonic(name, mnemonic string) (Key, error) {
	if !bip39.IsMnemonicValid(mnemonic) {
		return Key{}, ErrMnemonic
	}
	path := hd.CreateHDPath(app.CoinType, 0, 0).String()
	secret, err := hd.Secp256k1.Derive()(mnemonic, "", path)
	if err != nil {
		return Key{}, fmt.Errorf("%w: %w", ErrMnemonic, err)
	}
	return Key{name, mnemonic, hd.Secp256k1.Generate()(secret)}, nil
}

// Address is the account's.
func (k Key) Address() string { return sdk.AccAddress(k.private.PubKey().Address()).String() }

// keyFile is how a key is kept: in clear, readable by its owner alone.
type keyFile struct {
	Name     string `json:"name"`
	Address  string `json:"address"`
	Mnemonic string `json:"mnemonic"`
}

// LoadKey reads a key file, or makes a new key and writes it if there is none.
func LoadKey(path, name string) (Key, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		k, err := NewKey(name)
		if err != nil {
			return Key{}, err
		}
		return k, k.Save(path)
	}
	if err != nil {
		return Key{}, err
	}
	var f keyFile
	if err := json.Unmarshal(data, &f); err != nil {
		return Key{}, fmt.Errorf("key file %s: %w", path, err)
	}
	return KeyFromMnemonic(f.Name, f.Mnemonic)
}

// Save writes the key to a file that only its owner can read, whole or not at all.
func (k Key) Save(path string) error {
	data, err := json.MarshalIndent(keyFile{k.Name, k.Address(), k.Mnemonic}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return renameio.WriteFile(path, append(data, '\n'), 0o600)
}
