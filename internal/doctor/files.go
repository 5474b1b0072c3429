package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// secrets are the names of files that hold keys or words of recovery.
var secrets = []string{
	"account.json", "identity.pem", "grant.key", "auditor.json", "founder.json", "network.json", "priv_validator_key.json", "node_key.json",
}

// Secrets lists the files below a folder that hold keys, by their names: those of
// roles, and all in folders of accounts and keys.
func Secrets(root string) (files []string, err error) {
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone meanwhile, or nothing is there at all
		}
		if err != nil {
			return err
		}
		if d.IsDir() {
			if deep := strings.Count(strings.TrimPrefix(path, root), string(filepath.Separator)); deep > 4 || d.Name() == "weights" || d.Name() == "data" {
				return filepath.SkipDir
			}
			return nil
		}
		folder := filepath.Base(filepath.Dir(path))
		if slices.Contains(secrets, d.Name()) || strings.HasSuffix(d.Name(), ".json") && (folder == "accounts" || folder == "keys") {
			files = append(files, path)
		}
		return nil
	})
	return files, err
}

// Modes judges who may read the files that hold keys.
func Modes(root string, files []string) Finding {
	if len(files) == 0 {
		return Ok("keys", "there are none in %s yet", root)
	}
	var open []string
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil {
			return Finding{"keys", Problem, err.Error(), "run this as the user whose keys they are"}
		}
		if info.Mode().Perm()&0o077 != 0 {
			open = append(open, path)
		}
	}
	if len(open) > 0 {
		return Finding{"keys", Problem, fmt.Sprintf("others on this machine can read %s", strings.Join(open, ", ")), "chmod 600 " + strings.Join(open, " ")}
	}
	return Ok("keys", "%d files, which only their owner reads", len(files))
}
