# Everything a developer runs. `make help` lists it.
SHELL := /bin/sh
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
TESTRUN := .cache/testrun
PACKAGES ?= ./...

.PHONY: run build test with-servers lint clean help

run: build ## build, then start a trial with a sample repository
	./headrace up --demo

build: ## build ./headrace, one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o headrace .

test: $(TESTRUN) ## all tests, with private PostgreSQL, Redis, RabbitMQ; PACKAGES=./broker/... for some
	@exec $(TESTRUN) $(PACKAGES)

with-servers: $(TESTRUN) ## one command with the private servers: make with-servers CMD='go test -v ./platform/store'
	@exec $(TESTRUN) -- sh -c "$$CMD"

lint: ## formatting, go vet, staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "gofmt: $$unformatted"; exit 1; fi
	go vet ./...
	go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

clean: ## remove what was built
	rm -rf headrace dist .cache

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The runner is a program of its own, not `go run`, so that it hears the signals that make gets.
.PHONY: $(TESTRUN)
$(TESTRUN):
	@go build -o $(TESTRUN) ./internal/testkit/cmd/testrun

export CMD
