# What a person types. The work is done by CMake's presets (CMakePresets.json) and by tests/run.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help deps deps-all node-client run build install guided test test-all fuzz format check-format tidy clean

PORT ?= 2181
DATA ?= ./data
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 20
SEEDS ?= 1:100000

# Everything from Debian 12 that building, running and testing needs; nothing is downloaded otherwise.
# docs/architecture.md says what each library is for. ccache only makes the second build quicker.
PACKAGES := \
  g++ cmake ninja-build ccache \
  libboost-context-dev libfmt-dev libspdlog-dev libexpected-dev libcli11-dev libisal-dev libedit-dev \
  zlib1g-dev libsnappy-dev \
  libssl-dev openssl libsasl2-dev libsasl2-modules libkrb5-dev \
  libgtest-dev libgmock-dev librapidcheck-dev nlohmann-json3-dev \
  clang-14 libclang-rt-14-dev clang-format clang-tidy \
  python3 python3-kazoo python3-pure-sasl zookeeper default-jdk-headless libzookeeper-mt-dev

# What `make test-all` needs beyond that: what kazoo's own tests import, Curator, clients in other languages (Node may
# be there from elsewhere), a KDC with clients of Kerberos, Slurm, and a browser for the page of a run.
PACKAGES_ALL := python3-pytest python3-pytest-timeout python3-mock python3-objgraph libcurator-recipes-java \
  golang-go golang-github-samuel-go-zookeeper-dev $(if $(shell which npm),,nodejs npm) \
  krb5-kdc krb5-admin-server krb5-user python3-gssapi slurm-wlm munge chromium chromium-driver

SOURCES = $(shell find core sim net disk tests fuzz -name '*.cc' -o -name '*.h' | sort)

help:
	@echo 'make run       build, and serve on 127.0.0.1:$(PORT) with data in $(DATA)  (PORT=, DATA=)'
	@echo 'make test      install what is missing, build, run the tests (half an hour from nothing)'
	@echo 'make test-all  the same, and what is long: other compilers, sanitizers, fuzzers, campaigns'
	@echo 'make fuzz      the fuzzers alone, each for $(FUZZ_SECONDS) s  (FUZZ_SECONDS=, or FUZZ_RUNS=10000000; FUZZERS=)'
	@echo 'make build     the release preset alone, programs in build/release/bin'
	@echo 'make install   vivariumd, vivctl and a unit for systemd, below $(PREFIX)  (PREFIX=, DESTDIR=); after make build'
	@echo 'make guided    vivsim optimised by a profile of its own schedules, in build/guided/bin, for long campaigns'
	@echo 'make deps      the Debian packages, deps-all what test-all needs beside them; make format, tidy, clean'

deps-all: PACKAGES += $(PACKAGES_ALL)
deps deps-all:
	@missing=$$(for package in $(PACKAGES); do \
	    [ "$$(dpkg-query -W -f='$${db:Status-Status}' "$$package" 2>/dev/null)" = installed ] \
	      || echo "$$package"; done); \
	if [ -n "$$missing" ]; then \
	  echo "installing:" $$missing; \
	  sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	  $$sudo apt-get update && \
	  $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $$missing; \
	fi
	@if [ $@ = deps-all ]; then $(MAKE) --no-print-directory node-client; fi

# From npm, as the lock file pins it by checksums (docs/decisions.md, 60); scripts of packages are not run.
NODE_CLIENT := tests/system/clients/node/package.json tests/system/clients/node/package-lock.json
node-client: build/node/installed
build/node/installed: $(NODE_CLIENT)
	mkdir -p build/node
	cp $(NODE_CLIENT) build/node
	npm ci --prefix build/node --ignore-scripts --no-audit --no-fund
	touch $@

build: deps
	cmake --preset release
	cmake --build --preset release

# As root; not built here, so that nothing of the build belongs to root. docs/operations.md says what comes next.
install:
	@test -x build/release/bin/vivariumd || { echo 'make build first'; exit 2; }
	DESTDIR='$(DESTDIR)' cmake --install build/release --prefix '$(PREFIX)'

# Built twice: once to see which way its schedules go. The same hashes, a sixth more schedules a second.
guided: deps
	rm -rf build/guided
	cmake --preset guided -DVIVARIUM_GUIDED=learn
	cmake --build --preset guided --target vivsim
	build/guided/bin/vivsim run --seeds 1:150 --jobs 1
	build/guided/bin/vivsim run --swarm --seeds 1:40 --jobs 1
	cmake --preset guided -DVIVARIUM_GUIDED=use
	cmake --build --preset guided --target vivsim

run: deps
	cmake --preset release
	cmake --build --preset release --target vivariumd vivctl
	@echo 'Try it from a second terminal:' \
	  'build/release/bin/vivctl -server 127.0.0.1:$(PORT) create /hello world'
	@exec build/release/bin/vivariumd --data-dir '$(DATA)' --client-port '$(PORT)' --listen 127.0.0.1

test: deps
	tests/run

fuzz: deps
	FUZZ_SECONDS=$(FUZZ_SECONDS) FUZZ_RUNS=$(FUZZ_RUNS) FUZZERS='$(FUZZERS)' tests/run fuzz

test-all: deps-all
	FUZZ_SECONDS=$(FUZZ_SECONDS) SEEDS=$(SEEDS) tests/run all

format:
	clang-format -i $(SOURCES)

check-format:
	@clang-format --dry-run -Werror $(SOURCES) && echo 'format: $(words $(SOURCES)) files are well'

tidy: deps
	cmake --preset clang
	run-clang-tidy-14 -quiet -p build/clang '/(core|sim|net|disk)/'

clean:
	rm -rf build
