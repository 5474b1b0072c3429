package instrument

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// File is where, in a role's home, it stands where its instruments are served. It
// has the form of Prometheus's file_sd_configs, so that a Prometheus on the same
// machine that is given homes/*/instruments.json watches every role in them.
const File = "instruments.json"

// Target is a group of targets as Prometheus reads it.
type Target struct {
	Targets []string          `json:"targets"` // host:port
	Labels  map[string]string `json:"labels"`
}

// Announce writes that a role's instruments are at an address, until it is withdrawn.
func Announce(r Role, address string) (withdraw func() error, err error) {
	path := filepath.Join(r.Home, File)
	data, err := json.Marshal([]Target{{[]string{address}, map[string]string{"role": r.Name, "home": filepath.Base(r.Home)}}})
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(r.Home, 0o700); err != nil {
		return nil, err
	}
	if err := renameio.WriteFile(path, append(data, '\n'), 0o644); err != nil {
		return nil, fmt.Errorf("announcing where metrics are: %w", err)
	}
	return func() error {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}, nil
}

// Announced are the roles whose instruments are announced in a folder and up to two
// folders below it, as far as their homes can be read. One that crashed is among
// them until it starts again.
func Announced(root string) (found map[string]Target, err error) {
	found = map[string]Target{}
	for _, pattern := range []string{File, "*/" + File, "*/*/" + File} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			var list []Target
			data, err := os.ReadFile(path)
			if err == nil {
				err = json.Unmarshal(data, &list)
			}
			if err == nil && len(list) == 1 && len(list[0].Targets) == 1 {
				found[filepath.Dir(path)] = list[0]
			}
		}
	}
	return found, nil
}
