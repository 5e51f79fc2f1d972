# Everything that developers and CI do with a checkout. Assumed: make, and Python 3.11 or newer with venv.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test quick check lint fix bench screenshots lock clean

# Relative on purpose: a checkout may lie in a folder with spaces, and then no absolute path survives make.
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input
# Tests start this program hundreds of times: compiled each time, it takes a sixth longer.
unexport PYTHONDONTWRITEBYTECODE
CHECKED := tui tests config Makefile pyproject.toml .ci $(wildcard *.md) docs

help: ## Say what can be made
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1|\2/p' Makefile | awk -F'|' '{ printf "  %-18s %s\n", $$1, $$2 }'

demo: $(VENV)/.installed ## Open the panel on a simulated box (without a terminal: print one status)
	@$(VENV)/bin/gpubox-tui demo

test: $(VENV)/.tests ## Run every check and every test, after fetching the real parts they talk to
	@$(PY) -m tests.components; parts=$$?; \
	$(MAKE) --no-print-directory -k -j2 tests lint && exit $$parts

check: $(VENV)/.tests ## The same, with the parts this machine already has
	@$(MAKE) --no-print-directory -k -j2 tests lint

# Most tests wait for a program of theirs, so two workers leave half of two cores idle. The slow ones come last:
# workers that are done take some of theirs from others.
.PHONY: tests
tests: $(VENV)/.tests
	@$(PY) -m pytest -q -n 4 --dist worksteal

QUICK := house common core config rfb
quick: $(VENV)/.tests ## Under a minute: formatter, linter, and the tests that need no screen and no other program
	@$(MAKE) --no-print-directory -k format ruff
	@$(PY) -m pytest -q -n 2 $(QUICK:%=tests/%)

lint: format ruff spelling types imports ## Formatter, linter, spelling, types, one-way imports

.PHONY: format ruff spelling types imports
format: $(VENV)/.tests
	@$(PY) -m ruff format --quiet --check . || { $(PY) -m ruff format --diff . ; exit 1; }
ruff: $(VENV)/.tests
	@$(PY) -m ruff check --quiet .
spelling: $(VENV)/.tests
	@$(PY) -m codespell_lib $(CHECKED)
types: $(VENV)/.tests
	@$(PY) -m basedpyright
imports: $(VENV)/.tests
	@$(PY) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()' --no-logo

fix: $(VENV)/.tests ## Format, and repair what the linter can repair
	@$(PY) -m ruff check --fix . ; $(PY) -m ruff format .

bench: $(VENV)/.tests ## Measure this program and the ones it competes with; one table
	@$(PY) -m tests.bench

screenshots: $(VENV)/.tests ## Draw screenshots/ from the demo box
	@$(PY) -m tests.screenshots

clean: ## Remove what these commands made
	rm -rf $(VENV) build dist tests/.parts .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find tui tests -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the virtual environment: three layers, so that `make demo` does not wait for the type checker ---

PYTHON := python3

# Debian keeps ensurepip in a package of its own, and old systems keep a newer Python beside python3.
$(PY):
	@found=''; seen=''; for name in $(PYTHON) python3.14 python3.13 python3.12 python3.11; do \
		version=$$("$$name" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue; \
		seen="$$seen $$name ($$version)"; \
		"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' && { found=$$name; break; }; \
	done; \
	if [ -z "$$found" ]; then \
		echo "Python 3.11 or newer is needed. Found:$${seen:- none}." >&2; \
		echo "Name one with: make PYTHON=/path/to/python3" >&2; exit 1; fi; \
	if ! "$$found" -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "$$found has no venv. On Debian and Ubuntu: sudo apt install python$$version-venv" >&2; exit 1; fi; \
	"$$found" -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.pins: requirements.lock | $(PY)
	@echo "Installing the packages of requirements.lock"
	@$(PIP) install --quiet --require-hashes -r requirements.lock
	@touch $@

# Its dependencies and its build tool are pinned above: nothing is looked up here.
$(VENV)/.installed: $(VENV)/.pins pyproject.toml
	@$(PIP) install --quiet --no-index --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.tests: $(VENV)/.installed tests/requirements.lock
	@echo "Installing the packages of tests/requirements.lock"
	@$(PIP) install --quiet --require-hashes -r requirements.lock -r tests/requirements.lock
	@touch $@

# --- the pins: hashes of every platform's files, no address of an index ---

COMPILE := build/lock/bin/python -m piptools compile --quiet --generate-hashes --strip-extras --no-annotate \
	--no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --newline lf

build/lock/bin/python: pyproject.toml | $(PY)
	$(PY) -m venv build/lock
	build/lock/bin/python -m pip --disable-pip-version-check install --quiet 'pip-tools>=7.5'

lock: build/lock/bin/python ## Look up new pins (UP=--upgrade for the newest)
	$(COMPILE) $(UP) --build-deps-for editable -o requirements.lock pyproject.toml
	$(COMPILE) $(UP) --extra dev -c requirements.lock -o build/all.lock pyproject.toml
	awk 'NR == FNR { if (/^[^ ]/) have[$$1]; next } /^[^ ]/ { keep = !($$1 in have) } keep' \
		requirements.lock build/all.lock > tests/requirements.lock
