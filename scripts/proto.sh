#!/bin/sh
# Generates api/ from proto/. Needs protoc (Debian: protobuf-compiler); the
# plug-ins and imported .proto files come from the Go modules this project pins.
set -eu
cd "$(dirname "$0")/.."
bin=$(pwd)/.tools
mkdir -p "$bin"
dir() { go list -m -f '{{.Dir}}' "$1"; }
go mod download
gogo=$(dir github.com/cosmos/gogoproto)
gateway=$(dir github.com/grpc-ecosystem/grpc-gateway)
(cd "$gogo" && GOFLAGS=-mod=mod GOBIN="$bin" go install github.com/cosmos/gogoproto/protoc-gen-gocosmos@v1.7.2)
(cd "$gateway" && GOFLAGS=-mod=mod GOBIN="$bin" go install github.com/grpc-ecosystem/grpc-gateway/protoc-gen-grpc-gateway@v1.16.0)

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
find proto -name '*.proto' | LC_ALL=C sort | while read -r file; do
  PATH="$bin:$PATH" protoc \
    -I proto \
    -I "$(dir github.com/cosmos/cosmos-sdk)/proto" \
    -I "$(dir github.com/cosmos/cosmos-proto)/proto" \
    -I "$gogo" -I "$gogo/protobuf" \
    -I "$gateway/third_party/googleapis" \
    --gocosmos_out="plugins=grpc,Mgoogle/protobuf/any.proto=github.com/cosmos/gogoproto/types/any:$out" \
    --grpc-gateway_out="logtostderr=true,allow_colon_final_segments=true:$out" \
    "$file"
done
rm -rf api/koinon
mkdir -p api
cp -r "$out/github.com/koinon/koinon/api/koinon" api/koinon
