package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/p2p"
	"github.com/koinon/koinon/internal/weights"
	"github.com/koinon/koinon/receipt"
)

var card = weights.Card{Name: "bench", Version: "1", License: "MIT", Class: receipt.Statistical}

// makeModel writes weights that no two blocks of are alike, in tensors of 32 MiB.
func makeModel(path string, mebibytes int) error {
	var w gguf.Writer
	w.Text("general.architecture", "llama")
	w.Uint32("llama.context_length", 512)
	const width, height = 4096, 2048
	for n := range max(1, mebibytes/32) {
		w.Stream(fmt.Sprintf("blk.%d.ffn_up.weight", n), gguf.F32, func(dst []float32, first uint64) error {
			for i := range dst {
				dst[i] = float32(n) + float32(first*width+uint64(i))/(width*height)
			}
			return nil
		}, width, height)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = w.WriteTo(f)
	return err
}

func newHost(listen string) (*p2p.Host, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return p2p.New(p2p.Config{Key: key, Listen: []string{listen}})
}

// newServeCommand is a peer that says where it is and serves until it is stopped.
func newServeCommand() *cobra.Command {
	return &cobra.Command{Use: "serve STORE FILE LISTEN PLAIN", Hidden: true, Args: cobra.ExactArgs(4), RunE: func(cmd *cobra.Command, args []string) error {
		store, err := weights.Open(args[0])
		if err != nil {
			return err
		}
		if _, _, err := store.Publish(cmd.Context(), args[1], card); err != nil {
			return err
		}
		host, err := newHost(args[2])
		if err != nil {
			return err
		}
		defer host.Close()
		swarm := weights.Join(host, store, weights.Limits{})
		defer swarm.Close()
		if args[3] != "" {
			if err := swarm.ServePlain(args[3]); err != nil {
				return err
			}
		}
		addrs, err := host.Peer().Multiaddrs()
		if err != nil {
			return err
		}
		fmt.Println(addrs[0])
		<-cmd.Context().Done()
		return nil
	}}
}

// newPullCommand is the peer that fetches.
func newPullCommand() *cobra.Command {
	return &cobra.Command{Use: "pull STORE VERSION PEER…", Hidden: true, Args: cobra.MinimumNArgs(3), RunE: func(cmd *cobra.Command, args []string) error {
		store, err := weights.Open(args[0])
		if err != nil {
			return err
		}
		version, err := receipt.ParseDigest(args[1])
		if err != nil {
			return err
		}
		var peers []p2p.Peer
		for _, text := range args[2:] {
			p, err := p2p.ParsePeer(text)
			if err != nil {
				return err
			}
			peers = append(peers, p)
		}
		host, err := newHost(p2p.Nowhere)
		if err != nil {
			return err
		}
		defer host.Close()
		swarm := weights.Join(host, store, weights.Limits{})
		defer swarm.Close()
		_, err = swarm.Weights(cmd.Context(), version, peers, nil)
		return err
	}}
}

// newWebCommand is a plain web server of one folder.
func newWebCommand() *cobra.Command {
	return &cobra.Command{Use: "web DIR", Hidden: true, Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		fmt.Println("http://" + l.Addr().String())
		return http.Serve(l, http.FileServer(http.Dir(args[0])))
	}}
}
