package client

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cosmos/cosmos-sdk/codec/address"
	"github.com/cosmos/cosmos-sdk/crypto"
	"github.com/cosmos/cosmos-sdk/crypto/hd"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	bip39 "github.com/cosmos/go-bip39"
	"github.com/google/renameio/v2"

	"github.com/koinon/koinon/internal/ledger/account"
	"github.com/koinon/koinon/internal/ledger/app"
)

// Key is an account's key (secp256k1, derived as Cosmos wallets do).
type Key struct {
	Name     string
	Mnemonic string // empty for a key from a file that a passphrase protects
	private  cryptotypes.PrivKey
}

// Errors of keys and their files.
var (
	ErrMnemonic   = errors.New("not a mnemonic: expected 12 to 24 words of BIP-39")
	ErrProtected  = errors.New("the key file is protected by a passphrase")
	ErrPassphrase = errors.New("not the key file's passphrase")
	ErrKeyFile    = errors.New("not a key file of koinon")
)

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
	return Key{Name: name, Mnemonic: mnemonic, private: hd.Secp256k1.Generate()(secret)}, nil
}

// Address is the account's.
func (k Key) Address() string { return sdk.AccAddress(k.private.PubKey().Address()).String() }

// Sign signs bytes that are no transaction, as the ledger checks them.
func (k Key) Sign(data []byte) ([]byte, error) { return k.private.Sign(data) }

// CheckAddress refuses what is not an account's address in its one canonical form.
func CheckAddress(text string) error {
	_, err := account.Parse(address.NewBech32Codec(app.AddressPrefix), text)
	return err
}

// GrantKey signs the grants of an account's owner who keeps no other key for
// it: it follows from the account's, and does not lead back to it.
func (k Key) GrantKey() (ed25519.PrivateKey, error) {
	seed, err := hkdf.Key(sha256.New, k.private.Bytes(), nil, "koinon grant key v1", ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// keyFile is how a key is kept, readable by its owner alone: in clear as its
// mnemonic, or protected by a passphrase (Argon2, ChaCha20-Poly1305) as the
// armour that Cosmos wallets export and import.
type keyFile struct {
	Name     string `json:"name"`
	Address  string `json:"address"`
	Mnemonic string `json:"mnemonic,omitempty"`
	Armour   string `json:"armour,omitempty"`
}

// LoadKey reads a key file, or makes a new key and writes it if there is none.
// It cannot read one that a passphrase protects: see OpenKey.
func LoadKey(path, name string) (Key, error) {
	k, err := OpenKey(path, func() (string, error) { return "", fmt.Errorf("%w: %s", ErrProtected, path) })
	if errors.Is(err, os.ErrNotExist) {
		k, err := NewKey(name)
		if err != nil {
			return Key{}, err
		}
		return k, k.Save(path)
	}
	return k, err
}

// KeyInfo is what a key file says without its passphrase.
type KeyInfo struct {
	Name, Address string
	Protected     bool
}

// ReadKeyInfo reads whose key a file has.
func ReadKeyInfo(path string) (KeyInfo, error) {
	f, err := readKeyFile(path)
	return KeyInfo{f.Name, f.Address, f.Armour != ""}, err
}

// OpenKey reads a key file; passphrase is called if one protects it.
func OpenKey(path string, passphrase func() (string, error)) (Key, error) {
	f, err := readKeyFile(path)
	if err != nil {
		return Key{}, err
	}
	if f.Armour == "" {
		k, err := KeyFromMnemonic(f.Name, f.Mnemonic)
		if err != nil {
			return Key{}, fmt.Errorf("key file %s: %w", path, err)
		}
		return k, nil
	}
	words, err := passphrase()
	if err != nil {
		return Key{}, err
	}
	private, _, err := crypto.UnarmorDecryptPrivKey(f.Armour, words)
	if err != nil {
		return Key{}, fmt.Errorf("%w: %s", ErrPassphrase, path)
	}
	k := Key{Name: f.Name, private: private}
	if k.Address() != f.Address {
		return Key{}, fmt.Errorf("%w: %s says %s, its key is %s's", ErrKeyFile, path, f.Address, k.Address())
	}
	return k, nil
}

func readKeyFile(path string) (keyFile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return keyFile{}, err
	}
	var f keyFile
	if err := json.Unmarshal(data, &f); err != nil {
		return keyFile{}, fmt.Errorf("%w: %s: %w", ErrKeyFile, path, err)
	}
	if f.Name == "" || f.Mnemonic == "" && f.Armour == "" {
		return keyFile{}, fmt.Errorf("%w: %s has no name, or neither mnemonic nor armour", ErrKeyFile, path)
	}
	return f, nil
}

// Save writes the key, in clear, to a file that only its owner can read, whole
// or not at all.
func (k Key) Save(path string) error {
	return keyFile{Name: k.Name, Address: k.Address(), Mnemonic: k.Mnemonic}.write(path)
}

// SaveProtected is Save with a passphrase; the mnemonic is not in the file.
func (k Key) SaveProtected(path, passphrase string) error {
	armour := crypto.EncryptArmorPrivKey(k.private, passphrase, k.private.Type())
	return keyFile{Name: k.Name, Address: k.Address(), Armour: armour}.write(path)
}

func (f keyFile) write(path string) error {
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return renameio.WriteFile(path, append(data, '\n'), 0o600)
}
