# The targets that matter: make run, make test, make build.

GO      ?= go
comma   := ,
# The window needs X11's and OpenGL's headers to build and their libraries to run; where
# it is not wanted (servers), "make build WINDOW=no" leaves it out.
WINDOW  ?= yes
TAGS    := $(if $(filter no,$(WINDOW)),headless,$(if $(filter Linux,$(shell uname -s)),x11$(comma))migrated_fynedo),grpcnotrace
SAMPLES := chaincode/samples/bundle/data/samples
SOURCES := $(shell find . -name '*.go' -not -path './.git/*') go.mod go.sum
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.0

.PHONY: help run test build check race bench package screenshots clean setup

help: ## show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: build ## build the program and open its window
	./fabriscope

build: setup fabriscope ## write the program to ./fabriscope

fabriscope: $(SAMPLES) $(SOURCES)
	$(GO) build -tags $(TAGS) -trimpath -o $@ .

# The sample chaincodes as one static program that fabriscope embeds, so that
# starting one needs no compiler.
$(SAMPLES): $(shell find chaincode/samples -name '*.go' -not -path '*/bundle/*') go.mod
	@mkdir -p $(dir $@)
	CGO_ENABLED=0 GOOS=linux $(GO) build -tags grpcnotrace,netgo,osusergo -trimpath -buildvcs=false -ldflags='-s -w' -o $@ ./chaincode/samples/cmd/samples

# SQLite is C code and the window is drawn by OpenGL, so a C compiler and some headers
# are needed.
setup:
	@command -v $(GO) >/dev/null || { echo "Go is missing: install Go 1.26 or newer from https://go.dev/dl/" >&2; exit 2; }
	@sh scripts/install-packages $(WINDOW)

test: build check ## everything that must hold before a change is taken
	$(GO) test -tags $(TAGS) -timeout 25m ./...

check: setup ## formatting, vet and static analysis
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not formatted:" >&2; gofmt -l $$(git ls-files '*.go') >&2; exit 1; }
	$(GO) vet -tags $(TAGS) ./...
	$(GO) run $(STATICCHECK) -tags $(TAGS) ./...

race: $(SAMPLES) ## the tests of the parts with the most goroutines, under the race detector
	$(GO) test -race -short -timeout 20m ./internal/trace/... ./internal/link/... ./chaincode/ ./orderer/... ./peer/...

bench: build ## benchmarks beside the code, then the whole network
	$(GO) test -run '^$$' -bench . -benchtime 200ms ./internal/... ./peer/... ./orderer/... ./chaincode/
	./fabriscope bench --topology bench --duration 10s --clients 128

package: build ## an archive with a .desktop file, in dist/
	sh scripts/package ./fabriscope

screenshots: build ## make the pictures of the README and the guide anew (needs Xvfb, xdotool, ImageMagick)
	sh scripts/screenshots ./fabriscope docs/pictures

clean: ## remove what was built
	rm -rf fabriscope dist $(SAMPLES)
