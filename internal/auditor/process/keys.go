package process

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"github.com/koinon/koinon/internal/auditor/bench"
)

// keys are an auditor's own, beside its account.
type keys struct {
	age    bench.Identity     // reads what is sealed to it
	vrf    ed25519.PrivateKey // proves whom it was drawn for
	peer   ed25519.PrivateKey // its place in the network
	secret [32]byte           // of its purchases' chance
}

// keyFile is how they are written: one seed, of which the Ed25519 keys come.
type keyFile struct {
	Age  string `json:"age"`
	Seed []byte `json:"seed"`
}

// openKeys reads the auditor's keys, or makes them at the first start.
func openKeys(home string) (keys, error) {
	path := filepath.Join(home, "auditor.json")
	var f keyFile
	data, err := os.ReadFile(path)
	switch {
	case err == nil:
		if err := json.Unmarshal(data, &f); err != nil || len(f.Seed) != 32 {
			return keys{}, fmt.Errorf("%s holds no keys of an auditor: move it away to get new ones", path)
		}
	case !errors.Is(err, os.ErrNotExist):
		return keys{}, err
	default:
		if f, err = newKeys(home, path); err != nil {
			return keys{}, err
		}
	}
	var k keys
	if k.age, err = bench.ParseIdentity(f.Age); err != nil {
		return keys{}, err
	}
	for name, into := range map[string]*ed25519.PrivateKey{"vrf": &k.vrf, "peer": &k.peer} {
		seed, err := hkdf.Key(sha256.New, f.Seed, nil, "koinon/auditor/"+name, ed25519.SeedSize)
		if err != nil {
			return keys{}, fmt.Errorf("deriving the auditor's keys: %w", err)
		}
		*into = ed25519.NewKeyFromSeed(seed)
	}
	// Each start draws anew, so that nobody foretells its purchases.
	_, err = rand.Read(k.secret[:])
	return k, err
}

func newKeys(home, path string) (keyFile, error) {
	age, err := bench.NewIdentity()
	if err != nil {
		return keyFile{}, err
	}
	f := keyFile{Age: age.Secret(), Seed: make([]byte, 32)}
	if _, err := rand.Read(f.Seed); err != nil {
		return f, err
	}
	data, err := json.Marshal(f)
	if err != nil {
		return f, err
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return f, fmt.Errorf("creating the auditor's home: %w", err)
	}
	return f, renameio.WriteFile(path, data, 0o600)
}
