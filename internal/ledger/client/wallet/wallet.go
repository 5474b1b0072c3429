// Package wallet keeps a person's keys in a folder, one file each, and adds up
// what an account has on the ledger.
package wallet

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/koinon/koinon/internal/ledger/client"
)

// Errors of wallets.
var (
	ErrName    = errors.New("a key's name has 1 to 32 of a-z, 0-9, - and _")
	ErrExists  = errors.New("the wallet has a key of that name already")
	ErrUnknown = errors.New("the wallet has no key of that name")
)

// Wallet is a folder of key files, readable by its owner alone.
type Wallet struct{ Dir string }

var named = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

func (w Wallet) file(name string) (string, error) {
	if !named.MatchString(name) {
		return "", fmt.Errorf("%w, not %q", ErrName, name)
	}
	return filepath.Join(w.Dir, name+".json"), nil
}

// Create makes a key from new random words and keeps it. With a passphrase the
// words are nowhere but in what is returned.
func (w Wallet) Create(name, passphrase string) (client.Key, error) {
	key, err := client.NewKey(name)
	if err != nil {
		return client.Key{}, err
	}
	return key, w.keep(key, passphrase)
}

// Import keeps the first key of a mnemonic.
func (w Wallet) Import(name, mnemonic, passphrase string) (client.Key, error) {
	key, err := client.KeyFromMnemonic(name, strings.Join(strings.Fields(mnemonic), " "))
	if err != nil {
		return client.Key{}, err
	}
	return key, w.keep(key, passphrase)
}

// keep writes a key that is not there yet; one that is there is never replaced.
func (w Wallet) keep(key client.Key, passphrase string) error {
	path, err := w.file(key.Name)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%w: %s", ErrExists, path)
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if passphrase != "" {
		return key.SaveProtected(path, passphrase)
	}
	return key.Save(path)
}

// List returns the keys by name.
func (w Wallet) List() ([]client.KeyInfo, error) {
	files, err := filepath.Glob(filepath.Join(w.Dir, "*.json")) // sorted
	if err != nil {
		return nil, err
	}
	list := make([]client.KeyInfo, 0, len(files))
	for _, file := range files {
		info, err := client.ReadKeyInfo(file)
		if err != nil {
			return nil, err
		}
		info.Name = strings.TrimSuffix(filepath.Base(file), ".json")
		list = append(list, info)
	}
	return list, nil
}

// Open reads a key; passphrase is called if one protects it.
func (w Wallet) Open(name string, passphrase func() (string, error)) (client.Key, error) {
	path, err := w.file(name)
	if err != nil {
		return client.Key{}, err
	}
	key, err := client.OpenKey(path, passphrase)
	if errors.Is(err, os.ErrNotExist) {
		return client.Key{}, fmt.Errorf("%w: %s is not in %s", ErrUnknown, name, w.Dir)
	}
	return key, err
}
