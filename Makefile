# The targets that matter: make run, make test, make build.

GO      ?= go
comma   := ,
# The window needs X11's and OpenGL's headers to build and their libraries to run; where
# it is not wanted (servers), "make build WINDOW=no" leaves it out.
WINDOW  ?= yes
TAGS    := $(if $(filter no,$(WINDOW)),headless,$(if $(filter Linux,$(shell uname -s)),x11$(comma))migrated_fynedo),grpcnotrace
# The same flags everywhere, so that what the program is made of is not compiled again for
# vet, for the search for dead code and for the tests.
export GOFLAGS += -trimpath
# "make build WINDOW=no STATIC=yes" makes a program that needs nothing of the system, for
# images and archives.
STATIC       ?=
STATIC_TAGS  := netgo$(comma)osusergo$(comma)sqlite_omit_load_extension
STATIC_FLAGS := -ldflags '-s -w -linkmode external -extldflags -static'
SAMPLES := chaincode/samples/bundle/data/samples
PLAYER  := app/player/write/data/page.wasm.gz
SOURCES := $(shell find . -name '*.go' -not -path './.git/*') go.mod go.sum
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.0

.PHONY: help run test build check race stress soak fuzz bench package install image release screenshots testdata clean setup

help: ## show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: build ## build the program and open its window
	./fabriscope

build: setup fabriscope ## write the program to ./fabriscope

fabriscope: $(SAMPLES) $(PLAYER) $(SOURCES)
	$(GO) build -tags $(TAGS)$(if $(STATIC),$(comma)$(STATIC_TAGS)) $(if $(STATIC),$(STATIC_FLAGS)) -o $@ .

# The sample chaincodes as one static program that fabriscope embeds, so that
# starting one needs no compiler.
$(SAMPLES): $(shell find chaincode/samples \( -name '*.go' -o -path '*/META-INF/*.json' \) -not -path '*/bundle/*') go.mod
	@mkdir -p $(dir $@)
	CGO_ENABLED=0 GOOS=linux $(GO) build -tags grpcnotrace,netgo,osusergo -buildvcs=false -ldflags='-s -w' -o $@ ./chaincode/samples/cmd/samples

# The program that runs in a page of a run (export --output run.html), for the browser.
$(PLAYER): $(shell find app/player app/view app/paint app/words internal assets -type f -not -name '*_test.go' -not -path '*/testdata/*' -not -path '*/write/*') go.mod scripts/player
	GO=$(GO) sh scripts/player $@

# SQLite is C code and the window is drawn by OpenGL, so a C compiler and some headers
# are needed.
setup:
	@command -v $(GO) >/dev/null || { echo "Go is missing: install Go 1.26 or newer from https://go.dev/dl/" >&2; exit 2; }
	@sh scripts/install-packages $(WINDOW)

test: build check ## everything that must hold before a change is taken
	$(GO) test -vet=off -tags $(TAGS) -timeout 25m ./...

check: setup ## formatting, vet, static analysis, and that nothing is dead
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not formatted:" >&2; gofmt -l $$(git ls-files '*.go') >&2; exit 1; }
	$(GO) vet -tags $(TAGS) ./...
	$(GO) run $(STATICCHECK) -tags $(TAGS) ./...
	$(if $(filter no,$(WINDOW)),@echo "without the window no search for dead code: much is used by it alone",GO=$(GO) sh scripts/deadcode $(TAGS))

# RACE names the packages with the most goroutines.
RACE    ?= ./internal/trace/... ./internal/link/... ./internal/sqlite/... ./chaincode/ ./orderer/... ./peer/... ./network ./network/load ./app/...
race: $(SAMPLES) ## the tests of the parts with the most goroutines, under the race detector
	$(GO) test -race -short -timeout 20m -tags $(TAGS) $(RACE)

# One core, loaded, under the race detector, shuffled: make stress PACKAGES="./orderer ./peer/..." COUNT=20 RUN=TestName
PACKAGES ?= ./internal/... ./orderer/... ./peer/...
COUNT    ?= 20
stress: $(SAMPLES) ## the tests of PACKAGES many times under bad conditions: none may fail once
	GO=$(GO) RUN='$(RUN)' sh scripts/stress $(TAGS) $(COUNT) $(PACKAGES)

# Round after round of kills, freezes, partitions, slow links and crashed chaincodes, in both
# placements; a round that fails says with which seed it can be run again.
HOURS ?= 1
SEED  ?= $(shell date +%s)
SOAK  ?= TestSoak|TestKilledNodes|TestLinearizable
soak: $(SAMPLES) ## HOURS of rounds in which everything is broken and must heal
	$(GO) test -vet=off -tags $(TAGS) -run '$(SOAK)' -v -timeout 0 ./network -soak.time $(HOURS)h -soak.seed $(SEED) -crash.seed $(SEED)

# All targets for a while each: make fuzz TIME=10m FUZZ=Parse
TIME ?= 1m
FUZZ ?= .
fuzz: $(SAMPLES) ## every fuzz target for TIME
	GO=$(GO) sh scripts/fuzz $(TAGS) $(TIME) '$(FUZZ)'

bench: build ## benchmarks beside the code, then the whole network
	$(GO) test -run '^$$' -bench . -benchtime 200ms ./internal/... ./peer/... ./orderer/... ./chaincode/
	./fabriscope bench --topology bench --duration 10s --clients 128

package: build ## an archive with a .desktop file, manual pages and completions, in dist/
	sh scripts/package ./fabriscope

# The folder that everything is put below.
PREFIX ?= /usr/local
install: package ## the program, its icon, manual pages and completions below PREFIX
	dist/fabriscope-*-$(shell uname -s | tr A-Z a-z)-$(shell uname -m)/install $(PREFIX)

image: ## a container image without the window, fabriscope:VERSION, built from nothing
	GO=$(GO) sh scripts/image

release: ## archives for amd64 and arm64 without the window, their parts lists and checksums, in dist/release/
	GO=$(GO) sh scripts/release

screenshots: build ## make the pictures of the README and the guide anew (needs Xvfb, xdotool, ImageMagick)
	sh scripts/screenshots ./fabriscope docs/pictures

testdata: build ## record the runs of the tests of the screen anew; renew the golden files after it (go test ./app/... -update)
	sh scripts/testdata ./fabriscope

clean: ## remove what was built
	rm -rf fabriscope dist $(SAMPLES) $(PLAYER)
