# Two commands do everything: `make run` shows the dialer at work, `make test` proves it.
# A fresh machine needs Python 3.11 or newer, make and git.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

# The pages come built (dialer/web/static is committed). They are built anew where Node is there and
# their sources are newer; `make web` does it in any case, with the types of what the server sends.
STATIC := dialer/web/static
NODE := $(shell node -e 'const [a,b]=process.versions.node.split(".");if(+a>20||(+a===20&&+b>=19))console.log(1)' 2>/dev/null)
PAGES := $(shell find web/src web/public web/index.html web/vite.config.ts web/package-lock.json -type f 2>/dev/null)

.PHONY: run test coverage web lint types bench torture asterisk lock clean

run: $(VENV)/.run-ready pages
	@$(BIN)/dialer demo $(ARGS)

test: $(VENV)/.dev-ready $(if $(NODE),web/node_modules/.package-lock.json)
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh tests/run $(ARGS)

# The same with coverage by package; it slows the tests down, so `make test` does without.
coverage:
	@OVERDIAL_COVERAGE=1 $(MAKE) --no-print-directory test

# Sources that were changed here and are newer than what is built; a clean checkout is built already.
.PHONY: pages
pages:
ifeq ($(NODE),1)
	@if [ -n "$$(find $(PAGES) -newer $(STATIC)/index.html | head -n 1)" ] && \
	  [ -n "$$(git status --porcelain -- web 2>/dev/null)" ]; then \
	  $(MAKE) --no-print-directory web/node_modules/.package-lock.json && \
	  (cd web && npm run --silent build -- --logLevel warn) || \
	  echo "The pages could not be built (see above): those that are there are used"; fi
endif

web/node_modules/.package-lock.json: web/package-lock.json
	@echo "Installing what the pages are built with into web/node_modules (once)"
	@(cd web && npm ci --silent --no-progress) && touch $@ || \
	  echo "npm could not install it: the pages stay as they are, and their build is not tested"

web: $(VENV)/.dev-ready web/node_modules/.package-lock.json
	@$(BIN)/python web/make_types.py
	@cd web && npm run --silent check && npm run --silent build -- --logLevel warn

lint: $(VENV)/.dev-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.dev-ready
	$(BIN)/mypy

bench: $(VENV)/.dev-ready
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh bench/run $(ARGS)

# Two hundred times kill -9 of the CRM bridge under load, with a receiver that fails at random: minutes.
torture: $(VENV)/.dev-ready
	OVERDIAL_TORTURE=200 $(BIN)/pytest -q -s tests/crm_bridge/test_torture.py $(ARGS)

# A real Asterisk 22: by Docker where an engine runs, else built once from Debian's packages.
asterisk:
	@asterisk-config/get-asterisk

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; name another with make PYTHON=...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

# The locks name every package there is, so pip takes them as they stand: were it to resolve anew, it
# would reach for a release that came out since (pytest-cov asks for `coverage[toml]`, which the pin
# of `coverage` does not hold in pip 23) and refuse it for want of a hash. A mirror may hang: once more.
INSTALL := $(BIN)/pip install -qq --disable-pip-version-check --no-deps
LOCKED = $(INSTALL) --require-hashes -r $(1) || { echo "once more: $(1)"; $(INSTALL) --require-hashes -r $(1); }

$(VENV)/.run-ready: $(VENV)/bin/pip requirements-build.lock requirements.lock pyproject.toml
	@echo "Installing what the dialer needs into $(VENV) (once, about a minute)"
	@$(call LOCKED,requirements-build.lock)
	@$(call LOCKED,requirements.lock)
	@$(INSTALL) --no-build-isolation -e .
	@echo "Compiling the pacer's arithmetic (once)"
	@$(BIN)/python -c "from dialer.pacing.forward import warm_up; warm_up()"
	@touch $@

$(VENV)/.dev-ready: $(VENV)/.run-ready requirements-dev.lock
	@echo "Installing what the tests need into $(VENV) (once)"
	@$(call LOCKED,requirements-dev.lock)
	@$(BIN)/pip check
	@touch $@

# Pin anew after a change of the dependencies; the files carry hashes and no addresses.
UV := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet
lock: $(VENV)/bin/pip
	$(BIN)/pip install --quiet uv
	$(UV) pyproject.toml -o requirements.lock
	$(UV) pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock
	echo "setuptools>=77" | $(UV) - -o requirements-build.lock

clean:
	rm -rf $(VENV) web/node_modules var build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
