# Two commands do everything: `make run` shows the dialer at work, `make test` proves it.
# A fresh machine needs Python 3.11 or newer, make and git.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: run test lint types bench asterisk lock clean

run: $(VENV)/.run-ready
	@$(BIN)/dialer demo $(ARGS)

test: $(VENV)/.dev-ready
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh tests/run $(ARGS)

lint: $(VENV)/.dev-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.dev-ready
	$(BIN)/mypy

bench: $(VENV)/.dev-ready
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh bench/run $(ARGS)

# A real Asterisk 22: by Docker where an engine runs, else built once from Debian's packages.
asterisk:
	@asterisk-config/get-asterisk

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; name another with make PYTHON=...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run-ready: $(VENV)/bin/pip requirements-build.lock requirements.lock pyproject.toml
	@echo "Installing what the dialer needs into $(VENV) (once, about a minute)"
	@$(BIN)/pip install -qq --disable-pip-version-check --require-hashes -r requirements-build.lock
	@$(BIN)/pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@echo "Compiling the pacer's arithmetic (once)"
	@$(BIN)/python -c "from dialer.pacing.forward import warm_up; warm_up()"
	@touch $@

$(VENV)/.dev-ready: $(VENV)/.run-ready requirements-dev.lock
	@echo "Installing what the tests need into $(VENV) (once)"
	@$(BIN)/pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.lock
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
	rm -rf $(VENV) var build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
