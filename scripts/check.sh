#!/bin/sh
# Formatting, vet, staticcheck, and that generated code is current.
set -eu
cd "$(dirname "$0")/.."
bin=$(pwd)/.tools
mkdir -p "$bin"

unformatted=$(git ls-files '*.go' | grep -v '^api/' | xargs gofmt -l)
if [ -n "$unformatted" ]; then
  echo "not gofmt-clean (run gofmt -w on them):" >&2
  echo "$unformatted" >&2
  exit 1
fi

go vet ./...

[ -x "$bin/staticcheck" ] || (cd / && GOBIN="$bin" go install honnef.co/go/tools/cmd/staticcheck@v0.8.2)
"$bin/staticcheck" $(go list ./... | grep -v '/api/')

if command -v npm >/dev/null; then
  npm ci --prefix internal/web/ui --ignore-scripts --no-audit --no-fund >/dev/null
  npm run --prefix internal/web/ui build >/dev/null
  npm test --prefix internal/web/ui >/dev/null
  if [ -n "$(git status --porcelain -- internal/web/assets)" ]; then
    echo "internal/web/assets is not what internal/web/ui makes: run make web and commit the result" >&2
    exit 1
  fi
else
  echo "SKIPPED: npm is absent, so the pages' assets are not compared with their sources"
fi

before=$(find api -name '*.go' -exec sha256sum {} + | LC_ALL=C sort | sha256sum)
./scripts/proto.sh
after=$(find api -name '*.go' -exec sha256sum {} + | LC_ALL=C sort | sha256sum)
if [ "$before" != "$after" ]; then
  echo "api/ is not what proto/ generates: run make proto and commit the result" >&2
  git --no-pager diff --stat -- api >&2
  exit 1
fi
