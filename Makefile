# koinon: `make up` runs a whole network here; `make test` tests it.
export GOEXPERIMENT := simd
export GOTOOLCHAIN  := local

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)

# The race detector watches everything but kernels, mechanisms, the router and the
# ledger's modules: there it would only slow arithmetic that shares nothing and
# blocks that run one by one, so they are tested without it.
PURE  := ./internal/tensor/... ./internal/trainer/... ./internal/engine/... ./internal/mechanism/... ./internal/route/... ./internal/ledger/x/...
RACED  = $(shell $(GO) list ./... | grep -v -E '/internal/(tensor|trainer|engine|mechanism|route|ledger/x)(/|$$)|/api/|/cmd/koinon$$')

# Scripts and browsers drive the program as it ships: under the race detector each of
# their many processes takes three times as long, and internal/devnet runs every role
# under it in one.
BROWSED := TestPeopleWithABrowser

.PHONY: up build test load court platforms check web docs man proto bench bench-engine bench-gateway bench-ledger bench-router bench-dispute bench-proof bench-weights bench-index bench-paint calibrate softfloat simulate-router simulate-audit e2e nat fuzz clean

up: build ## A whole network in one process on loopback.
	./bin/koinon up

build: ## The one binary.
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/koinon ./cmd/koinon

test: ## Every test; Node's npm adds the clients written in JavaScript.
	$(GO) test -timeout 10m $(PURE)
	$(GO) test -timeout 15m ./cmd/koinon
	$(GO) test -timeout 10m -run $(BROWSED) ./internal/devnet
	$(GO) test -race -timeout 15m -skip $(BROWSED) $(RACED)
	@if command -v python3 >/dev/null; then cd deploy/vllm && python3 -B -m unittest; \
	else echo "SKIPPED: python3 is absent, so deploy/vllm is not tested"; fi

load: ## 1,000 streams of one payer at 50 providers; a ledger that stalls for a minute.
	KOINON_LOAD=1 $(GO) test -count=1 -v -timeout 9m ./internal/testnet

court: ## Five providers in processes of their own, of which four cheat, and auditors who convict them: a minute.
	KOINON_COURT=$(CURDIR)/cmd/koinon/testdata/court.transcript $(GO) test -count=1 -v -timeout 9m -run FourOfFive ./cmd/koinon

platforms: ## The published vectors on amd64, arm64 and WebAssembly.
	./scripts/platforms.sh

check: ## Formatting, vet, staticcheck, and that generated code is current.
	./scripts/check.sh

web: ## The pages' scripts and style from internal/web/ui; needs npm.
	npm ci --prefix internal/web/ui --ignore-scripts --no-audit --no-fund
	npm run --prefix internal/web/ui build

docs: build ## docs/reference from the program.
	HOME='~' ./bin/koinon docs reference docs/reference

man: ## Manual pages and completions of the shells, in bin/share.
	$(GO) run -trimpath -ldflags '$(LDFLAGS)' ./cmd/koinon docs man bin/share/man/man1
	mkdir -p bin/share/completions
	for shell in bash zsh fish; do $(GO) run -trimpath ./cmd/koinon completion $$shell > bin/share/completions/koinon.$$shell || exit 1; done

proto: ## api/ from proto/; needs protoc (Debian: protobuf-compiler).
	./scripts/proto.sh

bench: build ## Speed and idle cost, with the machine's name.
	$(GO) run ./cmd/bench --binary bin/koinon

bench-engine: build ## The engine beside llama.cpp; ARGS=--quick leaves out the largest model.
	$(GO) run ./cmd/benchengine $(ARGS)

bench-dispute: ## What a dispute of the exact class costs: moves, bytes, time of either side and of the referee.
	$(GO) run ./cmd/benchdispute $(ARGS)

softfloat: ## The ledger's arithmetic against the processor's, 200 million pairs of numbers: half an hour.
	$(GO) test -timeout 2h -run Random ./internal/mechanism/softfloat -pairs 200000000

bench-index: ## The index and its pages with 100,000 providers and a million receipts settled: minutes, and up to 3 GB of disk.
	$(GO) run ./cmd/benchindex $(ARGS)

bench-paint: ## How soon a browser shows the pages of a koinon up that runs; ARGS="--slower 4" as an old laptop.
	$(GO) run ./cmd/benchpaint $(ARGS)

bench-router: ## One choice among 100,000 offers: time and allocations.
	$(GO) test -run '^$$' -bench Choice -benchmem ./internal/route

bench-proof: ## What verifying an answer costs beside generating it, and bytes on the wire.
	$(GO) run ./cmd/benchproof $(ARGS)

bench-weights: ## 1 GiB of weights from 1, 4 and 8 peers, beside curl and cp; needs curl.
	$(GO) run ./cmd/benchweights $(ARGS)

calibrate: ## What the statistical class detects: TEXTS="a.txt b.txt" trains its models at first; ARGS=--quick for a look.
	npm ci --prefix internal/engine/testdata/llamacpp --ignore-scripts --omit=optional --no-audit --no-fund
	$(GO) run ./cmd/calibrate $(addprefix --text ,$(TEXTS)) $(ARGS)

e2e: ## A real Ollama sells through a network of processes; builds it at first.
	./scripts/e2e.sh

nat: ## Two peers behind routers of their own, in network namespaces; needs root.
	./scripts/nat.sh

bench-ledger: ## What a ledger of one validator sustains, Block-STM on and off.
	$(GO) run ./cmd/benchledger $(ARGS)

bench-gateway: build ## koinon beside other gateways; needs npm; ARGS=--quick for a look.
	$(GO) run ./cmd/benchgateway $(ARGS)

simulate-router: ## The router among 1,000 gateways and 10,000 providers; ARGS as in --help.
	$(GO) run ./cmd/simulaterouter $(ARGS)

simulate-audit: ## Ten thousand providers, among them cheats, colluders and bribers; ARGS as in --help.
	$(GO) run ./cmd/simulateaudit $(ARGS)

fuzz: ## Every fuzz target for a minute each.
	./scripts/fuzz.sh 60s

clean:
	rm -rf bin .tools
