#!/bin/sh
# Sells with a real Ollama, which is built into .tools from the Go module proxy.
set -eu
cd "$(dirname "$0")/.."
version=v0.5.13 # later tags lack headers that their modules need
ollama=$(pwd)/.tools/ollama-$version
if [ ! -x "$ollama" ]; then
  echo "building Ollama $version, which takes minutes" >&2
  made=$(mktemp -d)
  trap 'rm -rf "$made"' EXIT
  (cd / && GOEXPERIMENT= GOFLAGS=-mod=mod GOBIN="$made" go install "github.com/ollama/ollama@$version")
  mkdir -p .tools
  mv "$made/ollama" "$ollama"
fi
KOINON_E2E_OLLAMA=$ollama go test ./cmd/koinon -run TestOllama -count 1 -v -timeout 10m
