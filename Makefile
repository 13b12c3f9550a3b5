# Everything a developer runs. `make help` lists it.
SHELL := /bin/sh
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
TESTRUN := .cache/testrun
PACKAGES ?= ./...
FUZZTIME ?= 30s

.PHONY: run build test webhook-examples with-servers lint seeds screenshots bench bench-scale verify clean help

run: build ## build, then start a trial with a sample repository
	./headrace up --demo

build: ## build ./headrace, one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o headrace .

test: $(TESTRUN) webhook-examples ## all tests, with private PostgreSQL, Redis, RabbitMQ; PACKAGES=./broker/... for some
	@exec $(TESTRUN) $(PACKAGES)

EXAMPLES := .cache/webhooks-examples

webhook-examples: ## what GitHub publishes of its webhooks, for a test that is skipped without; from npm, data only
	@if [ ! -d $(EXAMPLES) ] && command -v npm >/dev/null; then \
	  rm -rf $(EXAMPLES).new && mkdir -p $(EXAMPLES).new && cd $(EXAMPLES).new && \
	  if timeout 120 npm pack --silent @octokit/webhooks-examples@7.6.1 >/dev/null 2>&1 && tar xzf *.tgz --strip-components=1; then \
	    cd - >/dev/null && mv $(EXAMPLES).new $(EXAMPLES); \
	  else echo "the webhook examples of GitHub could not be fetched; their test is skipped"; fi; fi

with-servers: $(TESTRUN) ## one command with the private servers: make with-servers CMD='go test -v ./platform/store'
	@exec $(TESTRUN) -- sh -c "$$CMD"

lint: ## formatting, go vet, staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "gofmt: $$unformatted"; exit 1; fi
	go vet ./...
	go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

seeds: ## which features of the first documents are held by a test
	@go run ./internal/testkit/cmd/seeds

screenshots: $(TESTRUN) ## pictures of every page at 1280 and 390 px, light and dark, in .cache/screenshots
	@mkdir -p .cache/screenshots
	HEADRACE_SCREENSHOTS=$(CURDIR)/.cache/screenshots go test ./platform/web/webtest ./dashboard -run Screenshots -count=1
	HEADRACE_SHOTS=$(CURDIR)/.cache/screenshots go test ./internal/e2e -run 'TestBrowser$$' -count=1

bench: build ## measures Headrace beside what its servers do alone, in .cache/bench.json; BENCH="-only list" for some
	@mkdir -p .cache && go build -o .cache/bench ./internal/bench
	@exec .cache/bench -json .cache/bench.json $(BENCH)

bench-scale: build ## the same with 10^4 to 10^6 builds and 10 to 1,000 simulated workers; takes long
	@mkdir -p .cache && go build -o .cache/bench ./internal/bench
	@exec .cache/bench -scale -json .cache/bench-scale.json $(BENCH)

# Each part of verify takes its time: all tests 10 min, 100,000 schedules of the model 10 min, faults as long as promised and
# chaos in three rounds 25 min, 11 fuzzers FUZZTIME each (6 min). A part that fails does not keep the others from running.
verify: $(TESTRUN) ## the long form, under an hour: also 100,000 schedules, more kills, longer faults, every fuzzer for FUZZTIME (30s)
	@rm -rf .cache/verify; mkdir -p .cache/verify
	@part() { name=$$1; shift; began=$$(date +%s); echo "== $$name"; \
	  if "$$@"; then result=passed; else result=FAILED; fi; \
	  printf '  %-28s %s  %4d s\n' "$$name" $$result $$(($$(date +%s) - began)) >> .cache/verify/summary; }; \
	part lint make --no-print-directory lint; \
	part 'all tests' $(TESTRUN) ./...; \
	part '100,000 schedules' env HEADRACE_VERIFY=1 go test ./platform/ci/citest -count=1 -timeout 30m; \
	part 'faults, kills, chaos' env HEADRACE_VERIFY=1 $(TESTRUN) -- go test ./internal/e2e -run 'TestKill|TestFault|TestChaos' -count=1 -v -timeout 40m; \
	for target in $$(git grep -hoE '^func Fuzz[A-Za-z0-9_]+' -- '*_test.go' | sed 's/func //' | sort -u); do \
	  for package in $$(git grep -lE "^func $$target\(" -- '*_test.go' | xargs -n 1 dirname | sort -u); do \
	    part "$$target" go test ./$$package -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME); done; done; \
	echo "== verify"; cat .cache/verify/summary; ! grep -q FAILED .cache/verify/summary

clean: ## remove what was built
	rm -rf headrace dist .cache

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The runner is a program of its own, not `go run`, so that it hears the signals that make gets.
.PHONY: $(TESTRUN)
$(TESTRUN):
	@go build -o $(TESTRUN) ./internal/testkit/cmd/testrun

export CMD
