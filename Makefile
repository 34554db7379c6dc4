# The only entry point. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z][a-z-]*:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 14

.PHONY: build
build: ## build bin/limen
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/limen ./cmd/limen

.PHONY: gen
gen: ## write generated files anew from proto/aws and the .proto files
	cd tools && GOWORK=off go run ./contract -root ..

.PHONY: import
import: ## refresh proto/aws from public service models: make import MODELS=folder
	@test -n "$(MODELS)" || { echo "MODELS=folder is missing: the folder with *.service-2.json"; exit 2; }
	cd tools && GOWORK=off go run ./awsmodel -models "$(MODELS)" -out ../proto/aws
	$(MAKE) gen
