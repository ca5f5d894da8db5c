# Two commands: `make demo` shows Hjemvakt at work, `make test` proves it. Both set up what they need.
PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet install
WEB := server/web
WEB_SOURCES := $(shell find $(WEB)/src $(WEB)/index.html $(WEB)/*.ts $(WEB)/package-lock.json -type f 2>/dev/null)

# A file's tests stay together, since they share brokers; the browser's come after, since its driver keeps an event loop
# running in the process that no other test bears.
# In the order of their names: what takes minutes is in the middle, and no processor waits for it at the end. Four at
# least: a third of their time they wait for processes, disks and brokers. Not so the browser's.
SPREAD = --dist loadfile --no-loadscope-reorder
WORKERS := $(shell n=$$(nproc); echo $$((n > 4 ? n : 4)))
EVERY_TEST = $(BIN)/pytest -n $(WORKERS) $(SPREAD) -m 'not chromium' && $(BIN)/pytest -n auto $(SPREAD) -m chromium

.PHONY: help demo test test-bluez influx27 check bench fuzz faults swarm schemathesis fmt lock types web clean

help:
	@echo 'make demo   a small municipality on this machine: homes, gateways, broker, server, staff page'
	@echo '            make demo ARGS="--once --json" plays the story alone and prints its timeline'
	@echo 'make test   everything that is tested: style, types, layers, units, stories, processes, browser'
	@echo 'make test-bluez   the gateway on the real Linux Bluetooth stack, in a virtual machine (part of make test)'
	@echo 'make check  only style, types and layers      make bench  speed and memory, as ratios'
	@echo 'make influx27  the stores on InfluxDB 2.7 too, built once (cargo and Go, ten minutes or more)'
	@echo 'make fuzz   a million damaged packets with every driver'
	@echo 'make faults processes killed, power and network cut, disks full, clocks wrong: what was lost and doubled, in a table'
	@echo 'make swarm  homes, broker and server under simulated time: every promise checked after each step'
	@echo 'make schemathesis  the routes in any order, 500 walks; WALKS=N for more or fewer'
	@echo 'make fmt    format       make lock  renew the locked requirements       make clean  remove what was made'

demo: .venv/demo.stamp web
	@./setup.sh mosquitto
	@$(BIN)/hjemvakt demo $(ARGS)

test: .venv/dev.stamp web
	@./setup.sh mosquitto chromium qemu-system-x86 postgresql golang-go strace iproute2
	@$(MAKE) --no-print-directory check
	@$(BIN)/python $(WEB)/build.py test
	@$(BIN)/python -m tests.left_out
	@$(BIN)/python -m tests.influxd || test -z "$(CI)"
	@$(if $(ARGS),$(BIN)/pytest $(ARGS),$(EVERY_TEST))
	@$(MAKE) --no-print-directory test-bluez ARGS=

# In a small virtual machine: real kernel, real BlueZ, and on its adapter a virtual radio (tests/bluez).
test-bluez: .venv/dev.stamp
	@./setup.sh qemu-system-x86
	@$(BIN)/python -m tests.bluez $(ARGS)

check: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/bench.stamp
	@bad=; for file in benchmarks/bench_*.py; do $(BIN)/python $$file $(ARGS) || bad="$$bad $$file"; done; \
		test -z "$$bad" || { echo "failed:$$bad" >&2; exit 1; }

# The contract of the stores on InfluxDB 2.7 too; cargo and Go build it once, in ten minutes or more.
influx27: .venv/dev.stamp
	@$(BIN)/python -m tests.influxd 2.7.12
	@$(BIN)/pytest tests/server/readings/test_influx_contract.py

# A million packets with each driver: about half an hour of one core.
fuzz: .venv/dev.stamp
	@$(BIN)/python -m tests.fuzz $(ARGS)

# Less than ten minutes, as root; LONG=1 kills a thousand times, sends a million messages and brings 10,000 hubs back.
faults: .venv/dev.stamp
	@./setup.sh mosquitto strace iproute2
	@$(BIN)/python -m tests.faults $(if $(LONG),--long) $(ARGS)

# Whole worlds from a seed, for a minute; ARGS="--seed N" lives one again.
swarm: .venv/dev.stamp
	@$(BIN)/python -m tests.swarm $(ARGS)

schemathesis: .venv/dev.stamp
	@HJEMVAKT_WALKS=$(or $(WALKS),500) $(BIN)/pytest -s tests/server/access/test_routes_in_any_order.py $(ARGS)

fmt: .venv/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The package is no requirement of its own: `--unsafe-package` keeps it out, and the remark about that is cut off.
lock: | .venv/bin/python
	@$(PIP) pip-tools
	@for extra in demo dev bench; do \
	  $(BIN)/pip-compile --quiet --upgrade --extra $$extra --strip-extras --generate-hashes --unsafe-package hjemvakt \
	    --no-header --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	    --output-file requirements/$$extra.txt pyproject.toml && \
	  sed -i '/^# WARNING/,$$d' requirements/$$extra.txt; done

web: $(WEB)/dist/index.html

$(WEB)/dist/index.html: $(WEB_SOURCES) | .venv/demo.stamp
	@$(BIN)/python $(WEB)/build.py >&2

# The page's types come from the server's routes: a changed route breaks the page's build.
types: .venv/dev.stamp
	$(BIN)/python -m server openapi > $(WEB)/openapi.json
	cd $(WEB) && npm run types

.venv/bin/python:
	@PYTHON=$(PYTHON) ./setup.sh python3-venv
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Hjemvakt needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv .venv

.venv/demo.stamp: requirements/demo.txt pyproject.toml | .venv/bin/python
	@echo 'installing the Python packages (a minute or two, once)' >&2
	@$(PIP) --require-hashes -r requirements/demo.txt >&2
	@$(PIP) --no-deps --editable . >&2
	@touch $@

.venv/dev.stamp: requirements/dev.txt .venv/demo.stamp
	@$(PIP) --require-hashes -r requirements/dev.txt >&2
	@touch $@

.venv/bench.stamp: requirements/bench.txt .venv/dev.stamp
	@$(PIP) --require-hashes -r requirements/bench.txt >&2
	@touch $@

clean:
	rm -rf .venv $(WEB)/node_modules $(WEB)/dist build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .cache
