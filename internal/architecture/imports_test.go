// Package architecture checks the shape of the code: which package may import
// which. See CONTRIBUTING.md.
package architecture

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/koinon/koinon"

// area is a folder of the repository with everything below it, and what its
// code, tests aside, may import.
type area struct {
	folder string
	// imports are the areas it may import; its own is always allowed.
	imports []string
	// modules are prefixes of what it may import from other modules; "*" is any.
	modules []string
}

// What several areas may do.
var (
	anything = []string{"*"}
	wire     = []string{"github.com/cosmos/gogoproto", "google.golang.org/protobuf", "google.golang.org/grpc"}
	// offline: mechanisms and kernels are judged by reading them, so they stand on
	// the standard library alone.
	offline []string
	// durable files appear whole or not at all.
	durable = []string{"github.com/google/renameio"}
	// services are what every role stands on.
	services = []string{
		"receipt", "api", "internal/mechanism", "internal/tensor", "internal/credit",
		"internal/ledger/client", "internal/p2p", "internal/inference", "internal/weights", "internal/engine", "internal/proof",
		"internal/reference", "internal/openai", "internal/anthropic", "internal/machine", "internal/route", "internal/region", "internal/heartbeat",
		"internal/instrument", "internal/journal", "internal/doctor", "internal/mcp", "internal/flush", "internal/tracing",
	}
	// server: a role has no SDK, no consensus engine, no node in it. It speaks to
	// the ledger through ledger/client and to its peers through p2p.
	server = append([]string{
		"modernc.org/sqlite", "github.com/prometheus", "go.opentelemetry.io", "golang.org/x/",
		"github.com/google/renameio", "github.com/spf13", "gopkg.in/yaml", "go.yaml.in/yaml", "sigs.k8s.io/yaml",
	}, wire...)
	roles  = []string{"internal/provider", "internal/gateway", "internal/trainer", "internal/auditor", "internal/indexer", "internal/issuer", "internal/standalone"}
	ledger = []string{"internal/ledger", "internal/ledger/client", "internal/ledger/cli", "internal/ledger/ledgertest"}
)

// areas, lowest first. A package belongs to the area with the longest matching
// folder. Provider and gateway do not import each other: they meet on the wire.
var areas = []area{
	{"receipt", nil, []string{"github.com/oasisprotocol/curve25519-voi"}}, // for verifiable random functions
	{"internal/credit", nil, offline},
	{"internal/instrument", nil, append([]string{"github.com/prometheus"}, durable...)},
	{"internal/journal", nil, []string{"golang.org/x/term", "gopkg.in/natefinch/lumberjack.v2"}},
	{"internal/tracing", nil, []string{"go.opentelemetry.io"}},
	{"internal/mcp", []string{"receipt", "internal/credit", "internal/openai", "internal/proof"}, []string{"github.com/modelcontextprotocol/go-sdk"}},
	{"internal/doctor", []string{"internal/instrument"}, []string{"golang.org/x/sys"}},
	{"internal/flush", nil, offline},
	{"internal/machine", []string{"internal/tensor"}, offline},
	{"internal/measure", []string{"internal/machine"}, []string{"github.com/spf13/cobra"}},
	{"internal/tensor", nil, []string{"golang.org/x/sys"}},
	{"internal/mechanism", []string{"receipt"}, offline},
	{"api", []string{}, anything},
	{"models", nil, durable},
	{"docs", nil, nil},
	{"spec", nil, nil},

	{"internal/engine", []string{"internal/tensor", "internal/mechanism", "receipt"}, anything},
	{"internal/inference", []string{"api", "receipt"}, wire},
	{"internal/region", nil, offline},
	{"internal/route", []string{"receipt", "internal/region"}, offline},
	{"internal/openai", []string{"receipt", "api", "internal/inference", "internal/engine", "internal/route", "internal/region"}, wire},
	{"internal/anthropic", []string{"internal/openai", "internal/inference"}, nil},
	{"internal/reference", []string{"internal/engine", "internal/inference"}, nil},
	{"internal/proof", []string{"internal/engine", "internal/tensor", "internal/mechanism", "internal/inference", "internal/reference", "receipt"}, nil},
	{"internal/p2p", nil, []string{"github.com/libp2p", "github.com/multiformats"}},
	{"internal/heartbeat", []string{"api", "receipt"}, nil},
	{"internal/weights", []string{"internal/p2p", "internal/engine", "internal/mechanism", "receipt"}, []string{"github.com/google/renameio", "github.com/ipfs", "github.com/libp2p", "github.com/multiformats", "golang.org/x/net/netutil", "golang.org/x/time"}},
	{"internal/ledger", []string{"internal/mechanism", "internal/region", "internal/instrument", "receipt", "api"}, anything},
	{"internal/ledger/client", []string{"internal/ledger", "internal/mechanism", "internal/credit", "receipt", "api"}, anything},
	{"internal/ledger/cli", ledger, anything},
	{"internal/ledger/ledgertest", append([]string{"receipt", "api", "internal/mechanism"}, ledger...), anything},

	{"internal/provider", services, server},
	{"internal/gateway", services, server},
	{"internal/trainer", services, server},
	{"internal/standalone", services, server},
	{"internal/auditor", append([]string{"client"}, services...), append([]string{"filippo.io/age", "github.com/oasisprotocol/curve25519-voi"}, server...)},
	{"internal/indexer", services, server},
	{"internal/issuer", services, append([]string{"github.com/stripe/stripe-go"}, server...)},
	{"internal/web", []string{"receipt", "internal/credit", "internal/indexer", "docs", "spec", "internal/web/prose"}, nil},
	{"internal/web/prose", nil, []string{"github.com/yuin/goldmark"}},
	{"internal/console", []string{"internal/web", "internal/indexer", "internal/ledger/client", "internal/mechanism", "internal/credit", "internal/instrument", "api"}, []string{"github.com/prometheus"}},
	{"client", []string{"receipt", "api"}, wire},

	{"internal/devnet", slices.Concat(services, roles, ledger, []string{"models", "internal/console"}), anything},
	{"internal/testnet", slices.Concat(services, roles, ledger, []string{"models", "internal/devnet"}), anything},
	{"internal/architecture", nil, nil},
	{"cmd", slices.Concat(services, roles, ledger, []string{"models", "client", "internal/web", "internal/console", "internal/devnet", "internal/testnet", "internal/measure"}), anything},
}

// areaOf is the area of a folder; nil if the table has none.
func areaOf(folder string) *area {
	var best *area
	for i, a := range areas {
		if within(folder, a.folder) && (best == nil || len(a.folder) > len(best.folder)) {
			best = &areas[i]
		}
	}
	return best
}

func within(folder, root string) bool { return folder == root || strings.HasPrefix(folder, root+"/") }

// judge says what is wrong with one import of a package in a folder; "" if
// nothing is.
func judge(folder, imported string) string {
	from := areaOf(folder)
	if from == nil {
		return fmt.Sprintf("%s is in no area: say in this test what it may import", folder)
	}
	if rest, ours := strings.CutPrefix(imported, module+"/"); ours {
		to := areaOf(rest)
		if to != nil && (to == from || slices.Contains(from.imports, to.folder)) {
			return ""
		}
		return fmt.Sprintf("%s imports %s: %s may import %v", folder, rest, from.folder, from.imports)
	}
	first, _, _ := strings.Cut(imported, "/")
	if !strings.Contains(first, ".") { // the standard library
		return ""
	}
	for _, prefix := range from.modules {
		if prefix == "*" || strings.HasPrefix(imported, prefix) {
			return ""
		}
	}
	return fmt.Sprintf("%s imports %s: %s may import %v and the standard library", folder, imported, from.folder, from.modules)
}

// root is the repository, seen from this test.
const root = "../.."

// eachFile calls f for the files of the repository with a suffix; path is
// relative to the root, with slashes.
func eachFile(t *testing.T, suffix string, f func(path string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if p != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules" || name == "bin") {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(name, suffix) {
			rel, err := filepath.Rel(root, p)
			if err != nil {
				return err
			}
			f(filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Every file counts, whatever its build tags.
func TestImportsPointOneWay(t *testing.T) {
	files := 0
	eachFile(t, ".go", func(name string) {
		if strings.HasSuffix(name, "_test.go") {
			return
		}
		files++
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name), nil, parser.ImportsOnly)
		if err != nil {
			t.Error(err)
			return
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Error(err)
				continue
			}
			if wrong := judge(path.Dir(name), imported); wrong != "" {
				t.Errorf("%s: %s", name, wrong)
			}
		}
	})
	if files < 50 {
		t.Fatalf("only %d files were found: is %s still the repository?", files, root)
	}
}

// The rules that the design names must be among those of the table.
func TestTheTableForbids(t *testing.T) {
	for _, c := range []struct{ folder, imported string }{
		{"receipt", module + "/internal/credit"},
		{"receipt", module + "/api/koinon/escrow/v1"},
		{"receipt", "github.com/cosmos/gogoproto/proto"},
		{"internal/mechanism/escrow", "github.com/cosmos/cosmos-sdk/types"},
		{"internal/mechanism/escrow", module + "/internal/ledger/x/escrow"},
		{"internal/tensor", module + "/internal/engine"},
		{"internal/engine/gguf", module + "/internal/weights"},
		{"internal/ledger/x/escrow", module + "/internal/p2p"},
		{"internal/ledger/x/escrow", module + "/internal/ledger/client"},
		{"internal/ledger/app", module + "/internal/gateway"},
		{"internal/ledger/node", module + "/internal/engine"},
		{"internal/gateway", module + "/internal/provider"},
		{"internal/provider/onledger", module + "/internal/gateway/pay"},
		{"internal/gateway", module + "/internal/ledger/x/escrow"},
		{"internal/gateway", module + "/internal/ledger/app"},
		{"internal/gateway", "github.com/cosmos/cosmos-sdk/types"},
		{"internal/provider", module + "/internal/devnet"},
		{"internal/web", module + "/internal/ledger/client"},
		{"internal/devnet", module + "/cmd/koinon"},
		{"internal/util", "fmt"},
	} {
		if judge(c.folder, c.imported) == "" {
			t.Errorf("%s may import %s", c.folder, c.imported)
		}
	}
	for _, a := range areas {
		for _, name := range a.imports {
			if !slices.ContainsFunc(areas, func(b area) bool { return b.folder == name }) {
				t.Errorf("%s may import %s, which is no area", a.folder, name)
			}
		}
	}
}

// A package's name says what it is about; these say nothing.
func TestNoPackageWithoutASubject(t *testing.T) {
	empty := []string{"util", "utils", "common", "helper", "helpers", "manager", "misc", "shared", "base", "types"}
	eachFile(t, ".go", func(name string) {
		folder := path.Dir(name)
		if slices.Contains(empty, path.Base(folder)) && !within(folder, "api") {
			t.Errorf("%s: package %s", name, path.Base(folder))
		}
	})
}
