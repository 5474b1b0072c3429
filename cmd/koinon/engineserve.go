package main

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/standalone"
	"github.com/koinon/koinon/receipt"
)

// served is what `koinon engine serve` takes.
type served struct {
	config  standalone.Config
	options engine.Options
	gguf    string
	listen  string
	asJSON  bool
}

func newEngineServeCommand() *cobra.Command {
	s := served{
		config:  standalone.Config{MaxBody: 4 << 20, Version: version},
		options: engine.Options{Slots: 8, Queue: 256, Threads: runtime.NumCPU()},
	}
	cmd := &cobra.Command{
		Use:   "serve --gguf FILE",
		Short: "Serve OpenAI's API from a model file: no ledger, no payment",
		Long: `Serves OpenAI's API from one model file: /v1/chat/completions, /v1/completions,
/v1/embeddings and /v1/models; beside them /tokenize, /detokenize and /score.
Requests are computed together, and what one gets is the same to the bit whatever
runs beside it.`,
		Example: `  koinon engine serve --gguf model.gguf
  koinon engine serve --gguf model.gguf --listen 0.0.0.0:8081 --api-key "$SECRET"
  curl http://127.0.0.1:8081/tokenize -d '{"content": "Once more"}'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringVar(&s.gguf, "gguf", "", "model file; of a split set, the first")
	flags.StringVar(&s.listen, "listen", "127.0.0.1:8081", "address of the API")
	flags.StringVar(&s.config.Name, "name", "", "model's name in the API (default the file's own)")
	flags.StringVar(&s.config.APIKey, "api-key", "", "key that requests must carry (default none)")
	flags.IntVar(&s.options.Slots, "slots", s.options.Slots, "answers at once")
	flags.IntVar(&s.options.Queue, "queue", s.options.Queue, "requests that may wait for a slot")
	flags.IntVar(&s.options.Threads, "threads", s.options.Threads, "threads")
	flags.BoolVar(&s.asJSON, "json", false, "print one JSON object once requests are taken")
	_ = cmd.MarkFlagRequired("gguf") // fails only for an unknown flag
	return cmd
}

func (s *served) run(cmd *cobra.Command) error {
	if s.options.Slots < 1 || s.options.Queue < 0 || s.options.Threads < 1 {
		return usageError("--slots and --threads must be at least 1, --queue at least 0")
	}
	listener, err := net.Listen("tcp", s.listen)
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("%s is taken: choose another address with --listen, such as --listen 127.0.0.1:0 for any free port", s.listen)
		}
		return fmt.Errorf("cannot listen: %w", err)
	}
	defer listener.Close() // Serve has closed it, unless it never ran
	begun := time.Now()
	talk := cmd.ErrOrStderr()
	fmt.Fprintf(talk, "loading %s …\n", s.gguf)
	m, err := s.load()
	if err != nil {
		return err
	}
	s.config.Threads, s.config.Log = s.options.Threads, commandLog(cmd)
	url := "http://" + listener.Addr().String()
	fmt.Fprintf(talk, `%s: %s, %s, %.1f million parameters, context %d, loaded in %s
serving %s/v1 (Ctrl-C stops)
`, s.config.Name, m.Architecture, m.Quantization, float64(m.Parameters)/1e6, m.ContextLength, time.Since(begun).Round(time.Millisecond), url)
	if host, _, _ := net.SplitHostPort(listener.Addr().String()); s.config.APIKey == "" && !net.ParseIP(host).IsLoopback() {
		fmt.Fprintln(talk, "warning: anybody who reaches this address may use it; --api-key asks for a key")
	}
	if s.asJSON {
		err = printJSON(cmd.OutOrStdout(), map[string]string{"url": url + "/v1", "model": s.config.Name, "digest": s.config.Digest.String()})
		if err != nil {
			return err
		}
	}
	return ended(cmd.Context(), standalone.New(s.config, engine.New(m, s.options)).Serve(cmd.Context(), listener))
}

// load loads the model and gives it name and digest.
func (s *served) load() (*engine.Model, error) {
	m, err := engine.Load(s.gguf)
	if err != nil {
		return nil, err
	}
	f, err := gguf.Open(s.gguf)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s.config.Digest = receipt.Digest(f.Digest())
	if s.config.Name == "" {
		s.config.Name = m.Name
	}
	if s.config.Name == "" {
		s.config.Name = strings.TrimSuffix(filepath.Base(s.gguf), ".gguf")
	}
	return m, nil
}
