# The only entry point. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Every module is built by itself, as whoever imports it would; the workspace is for editors. deploy/collector is generated
# whole, and only built.
export GOWORK := off
MODULES := . test tools

# The race detector needs a C compiler.
RACE := $(if $(shell command -v "$$(go env CC)"),-race)
TEST := go test -shuffle=on -timeout 15m

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z][a-z-]*:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 14

.PHONY: build
build: ## build bin/limen
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/limen ./cmd/limen

.PHONY: collector
collector: ## build bin/collector, the OpenTelemetry collector of the cluster
	cd deploy/collector && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o ../../bin/collector .

# Its version goes up together with those in builder.yaml.
BUILDER := go.opentelemetry.io/collector/cmd/builder@v0.165.0
.PHONY: collector-gen
collector-gen: ## write the collector's module anew from deploy/collector/builder.yaml; needs the network
	cd deploy/collector && go run $(BUILDER) --config builder.yaml --skip-compilation && gofmt -w .

.PHONY: image-root
image-root:
	@sh deploy/compose/image-root.sh

PROJECT ?= limen
COMPOSE = $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose) -p $(PROJECT) -f deploy/compose/compose.yaml
.PHONY: up
up: image-root ## run the cluster of deploy/compose in Docker from a binary built here, and print how to reach it; UP='--scale edge=4'
	LIMEN_BUILD_TARGET=prebuilt $(COMPOSE) up -d --build $(UP)
	@$(COMPOSE) exec -T entry /limen health --address 127.0.0.1:9090 --wait 2m >/dev/null
	@$(COMPOSE) exec -T admin /limen cluster keys --endpoint "http://$$($(COMPOSE) port entry 4566)"
	@echo "export DATA_URL=http://$$($(COMPOSE) port entry 8080)"

.PHONY: down
down: ## stop the cluster; its data stays, unless WIPE=1
	$(COMPOSE) down $(if $(WIPE),-v)

.PHONY: cluster
cluster: image-root ## a cluster in Docker: the demo, faults and rolling restarts under load, quotas, a trace; a line for each (CLUSTER=-help: its flags)
	cd test && LIMEN_BINARY="$(CURDIR)/bin/limen" go run ./cluster $(CLUSTER)

.PHONY: demo
demo: ## the main job end to end: create by AWS SDK, deploy, call, refuse and explain, restart; each step with its answer
	@mkdir -p bin && cd test && go test -c -o ../bin/demo.test ./demo && cd demo && ../../bin/demo.test -test.count=1

.PHONY: fmt
fmt: ## format every Go file
	gofmt -w .

.PHONY: vet
vet: ## go vet in every module
	@for m in $(MODULES); do (cd $$m && go vet ./...); done

.PHONY: lint
lint: ## staticcheck in every module
	@for m in $(MODULES); do (cd $$m && go tool -modfile="$(CURDIR)/tools/go.mod" staticcheck ./...); done

.PHONY: layout
layout: ## the rules of docs/design/architecture.md that a machine can check
	go test -count=1 .

.PHONY: test
test: collector ## all tests, shuffled, with the race detector where a C compiler is
	@for m in $(MODULES); do (cd $$m && $(TEST) $(RACE) ./...); done

.PHONY: race
race: ## the product's tests with the race detector, three times over
	CGO_ENABLED=1 $(TEST) -race -count=3 ./...

FUZZTIME ?= 10s
.PHONY: fuzz
fuzz: ## every fuzz test for FUZZTIME each (10s)
	@grep -rHoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' core platform services | while IFS=: read -r file name; do \
		go test -run '^$$' -fuzz "^$${name#func }$$" -fuzztime $(FUZZTIME) "./$$(dirname "$$file")"; done

BENCHTIME ?= 200ms
.PHONY: bench
bench: ## every benchmark of the product, then the data plane beside nginx, haproxy, caddy and others (BENCH=-help: its flags)
	go test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...
	cd test && go run ./bench $(BENCH)

.PHONY: bench-page
bench-page: ## measure the data plane beside its peers and write docs/performance.md; wants a quiet machine for six minutes
	cd test && go run ./bench -markdown ../docs/performance.md $(BENCH)

.PHONY: bench-setup
bench-setup: ## install what bench compares with and loads by, as root on Debian
	cd test && go run ./bench -setup

.PHONY: oracles
oracles: ## install the reference engines that differential and bench compare with, as root on Debian: Velocity, Jayway's JsonPath
	apt-get install -y --no-install-recommends default-jdk-headless velocity libjson-smart-java libjsonpath-java

COUNT ?= 100000
SEED ?= 1
.PHONY: differential
differential: ## COUNT generated templates and paths, from SEED, on our engines and on the reference engines; fails without those
	LIMEN_DIFFERENTIAL=$(COUNT) LIMEN_DIFFERENTIAL_SEED=$(SEED) go test -count=1 -timeout 60m -v -run '^(TestDifferential|TestOracle|TestOraclePrints)$$' ./core/vtl ./core/jsonpath

# Cases recorded from AWS and its reference engines; what is not built yet is listed for this folder alone. A folder without
# operations.json takes theirs. ENDPOINT is the control plane of a gateway that runs, DATA_ENDPOINT its data plane where that
# is another address, KEYS the file of its root keys, and LISTEN the address of this machine where it reaches the fakes.
CASES := ../shared/conformance
DIR ?= $(CASES)
OPERATIONS = $(firstword $(wildcard $(addsuffix /operations.json,$(DIR) $(CASES))))
.PHONY: conformance
conformance: build ## the cases of DIR, of one AREA or all, against the engines and a limen of its own or the one at ENDPOINT with KEYS
	@test -d "$(DIR)" || { echo "there is no folder of cases at $(DIR): make conformance DIR=..."; exit 1; }
	cd test && LIMEN_BINARY="$(CURDIR)/bin/limen" go run ./conformance/cmd -dir "$(abspath $(DIR))" $(AREA:%=-area %) \
		$(addprefix -operations=,$(abspath $(OPERATIONS))) $(if $(filter $(abspath $(CASES)),$(abspath $(DIR))),-gaps conformance/gaps.tsv) \
		$(ENDPOINT:%=-endpoint %) $(DATA_ENDPOINT:%=-data-endpoint %) $(addprefix -keys=,$(abspath $(KEYS))) $(LISTEN:%=-listen %)

.PHONY: rows
rows: ## the ledger of the spec's rows: what the project's own cases show, what is left out and why
	cd tools && go run ./specrows -spec ../spec/vtl.md -left ../spec/vtl.left ../core/vtl/testdata ../core/mapping/testdata

.PHONY: check
check: ## generate and compare, format, vet, lint, layout and rows; changes nothing that is current
	@$(MAKE) --no-print-directory gen >/dev/null && git diff --exit-code --stat -- proto docs || { echo "generated files are not current; commit what make gen wrote"; exit 1; }
	@files=$$(gofmt -l .); test -z "$$files" || { echo "not formatted; run make fmt:"; echo "$$files"; exit 1; }
	@$(MAKE) --no-print-directory vet lint layout rows

.PHONY: ci
ci: ## what CI runs, each step with its seconds
	@echo "ci: make cluster is NOT run here yet: it has not passed three times in a row"
	@$(if $(wildcard $(CASES)),,echo "ci: there are no cases at $(CASES): conformance is NOT tried")
	@for step in demo test check $(if $(wildcard $(CASES)),conformance); do \
		start=$$SECONDS; $(MAKE) --no-print-directory $$step; echo "ci: $$step took $$((SECONDS - start)) s"; done

.PHONY: gen
gen: ## write generated files anew from proto/aws, the .proto files and the structs of the settings
	cd tools && GOWORK=off go run ./contract -root ..
	page=$$(go run ./cmd/limen settings) && printf '%s\n' "$$page" >docs/reference/settings.md

.PHONY: import
import: ## refresh proto/aws from public service models: make import MODELS=folder
	@test -n "$(MODELS)" || { echo "MODELS=folder is missing: the folder with *.service-2.json"; exit 2; }
	cd tools && GOWORK=off go run ./awsmodel -models "$(MODELS)" -out ../proto/aws
	$(MAKE) gen
