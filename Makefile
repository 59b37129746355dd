# make run     three nodes behind one address on this machine; needs Python 3.11 or later and nothing else
#              PORT=8090 another port than 8080
# make install only the virtual environment in .venv that `make run` makes and uses
# make test    everything that can be checked here, each layer a run of its own; installs what is missing
#              SEEDS=5000 more simulated lives · WITHOUT="compose browser" leaves layers out, and says so
# make faults  the fault matrix in its long form: 25 minutes, 2,000,000 presses; writes docs/reliability.md's table
#              (`make test` has the short form). FAULTS_SEED=7 the same random choices again
# make faults-kills   1,000 rounds of SIGKILL        make faults-bits   200 cases of each spoilt file
# make simulate  SEEDS=10000 lives of a simulated cluster on all cores, and what they came across
# make ablations LIVES=200 the same with each rule switched off in turn; writes docs/ablations.md
# make autobahn   the WebSocket against the suite of conformance tests; writes docs/autobahn.md; needs Python 2.7
# make bench-quick  what our node costs beside the floor, in under 3 minutes        make bench  every row, all peers
# make button   builds app/static/like-button.js, the script of <like-button>; needs npm
# make screenshots  all pages, on a phone and a desk, light and dark, into docs/images
# make soak  an hour at which half of a node's core is full: do memory and latency stay where they are?

SHELL := /bin/sh
.DEFAULT_GOAL := help

# The newest Python that this program runs on; PYTHON=… overrides.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

SEEDS ?= 200
LIVES ?= 200
export SEEDS

LAYERS := lint unit simulation cluster browser compose overload faults

LONG_FAULTS := faults-kills faults-bits

.PHONY: help install run test button screenshots $(LAYERS) $(LONG_FAULTS) tools simulate ablations autobahn bench bench-quick soak lock clean

help:
	@sed -n 's/^# \{0,1\}//p;/^$$/q' Makefile

install: .venv/node-installed

run: install
	@exec .venv/bin/python -m cli.local $(if $(PORT),--port $(PORT))

# Every layer runs, also after one has failed; any failure fails the whole.
test: .venv/tests-installed tools
	@.venv/bin/python -m tests.layers --without "$(WITHOUT)" $(LAYERS)

$(filter-out faults,$(LAYERS)) $(LONG_FAULTS): .venv/tests-installed
	@.venv/bin/python -m tests.layers $@

faults: .venv/tests-installed
	@.venv/bin/python -m tests.layers faults-long

simulate: .venv/tests-installed
	@.venv/bin/python -m tests.simulation.run $(SEEDS)

ablations: .venv/tests-installed
	@.venv/bin/python -m tests.simulation.ablate $(LIVES)

autobahn: .venv/tests-installed
	@.venv/bin/python -m tests.autobahn.run

bench: .venv/bench-installed
	@sh tests/install_tools.sh bench
	@.venv/bin/python -m bench

bench-quick: .venv/tests-installed
	@.venv/bin/python -m bench --quick

soak: .venv/tests-installed
	@.venv/bin/python -m bench.soak

button: app/button/node_modules/.installed
	@node app/button/build.mjs

screenshots: .venv/tests-installed tools
	@.venv/bin/python -m tests.browser.screenshots

app/button/node_modules/.installed: app/button/package-lock.json
	@npm ci --silent --no-fund --no-audit --prefix app/button
	@touch $@

tests/browser/node_modules/.installed: tests/browser/package-lock.json
	@npm ci --silent --no-fund --no-audit --prefix tests/browser
	@touch $@

# Programs that tests start and that are not Python packages: nginx, a browser, a container engine.
tools:
	@sh tests/install_tools.sh

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed and was not found; name it: make PYTHON=…"; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "$(PYTHON) cannot make a virtual environment (on Debian: apt install python3-venv)"; exit 1; }

.venv/node-installed: requirements.txt | .venv/bin/python
	.venv/bin/pip install --quiet --require-hashes -r requirements.txt
	@touch $@

.venv/tests-installed: requirements-dev.txt | .venv/bin/python
	.venv/bin/pip install --quiet --require-hashes -r requirements-dev.txt
	@touch $@

.venv/bench-installed: bench/requirements.txt .venv/tests-installed
	.venv/bin/pip install --quiet --require-hashes -r bench/requirements.txt
	@touch $@

lock: | .venv/bin/python
	.venv/bin/pip install --quiet --upgrade uv
	for name in requirements requirements-dev bench/requirements bench/peers/requirements; do \
		.venv/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--custom-compile-command "make lock" --quiet $$name.in -o $$name.txt || exit 1; done

# Not .data: what was counted stays until somebody deletes it knowingly.
clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
