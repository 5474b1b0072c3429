#!/bin/sh
# Computes the published vectors, and compares bits across kernels, on every
# platform that can be reached from here: this processor without vector
# instructions and with those of amd64 v3, arm64 under qemu, WebAssembly in Node.
set -eu
cd "$(dirname "$0")/.."
export CGO_ENABLED=0
tests='^(TestVectors|TestVectorsOfNoise|TestEmbeddingVectors|TestTokenizerVectors|TestPieceVectors|TestPublishedProducts|TestProductsAreReproducible)$'

try() { # name, then variables for go
  name=$1; shift
  echo "== $name"
  env "$@" go test -run "$tests" -count=1 ./internal/tensor ./internal/engine ./internal/engine/sampling ./internal/engine/tokenizer
}

try "amd64 v1, no vector instructions" GOARCH=amd64 GOAMD64=v1 GOEXPERIMENT=
try "amd64 v3" GOARCH=amd64 GOAMD64=v3 GOEXPERIMENT=simd
if command -v qemu-aarch64 >/dev/null; then
  try "arm64 under qemu" GOOS=linux GOARCH=arm64 GOEXPERIMENT= "GOFLAGS=-exec=qemu-aarch64"
else
  echo "SKIPPED: arm64; qemu-aarch64 (Debian: qemu-user) is absent"
fi
if command -v node >/dev/null; then
  try "WebAssembly in Node" GOOS=js GOARCH=wasm GOEXPERIMENT= "GOFLAGS=-exec=$(go env GOROOT)/lib/wasm/go_js_wasm_exec"
else
  echo "SKIPPED: WebAssembly; node is absent"
fi
