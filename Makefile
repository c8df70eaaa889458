# Two commands on a fresh machine with Python 3.11 or newer: `make demo` and `make test`.
.DEFAULT_GOAL := help
.PHONY: help demo pictures screenshots reference docs test quick lint format bench faults fuzz mutants audit wheel vendor lock clean

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$p; break; fi; done)
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check

help:
	@echo 'make demo    a simulated day through the real pipeline: counts rise, alerts come, all-clear'
	@echo 'make test    linters, types, import contracts and every test on all cores, with branch coverage'
	@echo 'make pictures  renews the pictures of the documentation, and the golden files of messages'
	@echo 'make screenshots  renews the pictures of the page (needs chromium and npm)'
	@echo 'make reference  writes the pages of the documentation that are made from the program'
	@echo 'make docs    builds the documentation as a site, into .venv/site; a link that leads nowhere is an error'
	@echo 'make quick   linters, types and the tests of the core that draw no values: in under a minute'
	@echo 'make faults  the slow half of the fault suite'
	@echo 'make fuzz    draws other values for the tests that draw some, for ten minutes; MINUTES=… for longer'
	@echo 'make browser  the page in a real Chromium: everything a person can do, accessibility, a phone (needs chromium and npm)'
	@echo 'make mutants  puts small faults into the core, of which its tests must notice 92 %; MODULES=… for some modules'
	@echo 'make lint    the linters, types and import contracts alone'
	@echo 'make bench   measures what README claims'
	@echo 'make wheel   builds the wheel that a service is installed from'
	@echo 'make audit   looks for known holes in the dependencies, where their database can be reached'
	@echo 'make vendor  fetches the files in alerter/web/static/vendor again (needs npm)'
	@echo 'make lock    renews the lock files (needs uv)'

$(BIN)/python:
	@test -n '$(PYTHON)' || { echo 'alerter needs Python 3.11 or newer: install it (Debian: apt install python3 python3-venv), or name it: make PYTHON=/path/to/python3 demo'; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo 'the venv module is missing: apt install python3-venv'; rm -rf $(VENV); exit 1; }

$(VENV)/.run: requirements.txt pyproject.toml | $(BIN)/python
	$(PIP_INSTALL) --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt pyproject.toml | $(BIN)/python
	$(PIP_INSTALL) --require-hashes -r requirements-dev.txt
	$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.run

demo: $(VENV)/.run
	@$(BIN)/python -m alerter demo

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: lint
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -m 'not slow and not browser' -n auto --dist worksteal
	@$(BIN)/coverage combine --quiet
	$(BIN)/coverage report
	$(BIN)/coverage report --include='alerter/core/*' --fail-under=100

pictures: $(VENV)/.dev
	$(BIN)/python -m tests.pictures
	$(BIN)/python -m tests.drawings
	$(BIN)/python -m tests.golden

reference: $(VENV)/.dev
	$(BIN)/python -m tests.reference_pages

quick: lint
	$(BIN)/python -m pytest -q -n auto -m 'not slow and not hypothesis' tests/core

faults: $(VENV)/.dev
	$(BIN)/python -m pytest -m slow

fuzz: $(VENV)/.dev
	$(BIN)/python -m tests.random_search --minutes $(or $(MINUTES),10)

# Playwright drives the Chromium that is installed; its own is not fetched. axe-core is a tool of these tests alone.
$(VENV)/browser/.done: requirements-browser.txt $(VENV)/.dev
	$(PIP_INSTALL) --require-hashes -r requirements-browser.txt
	@mkdir -p $(VENV)/browser
	cd $(VENV)/browser && npm pack --silent axe-core@4.14.1 && tar -xzf axe-core-4.14.1.tgz --strip-components=1 package/axe.min.js package/LICENSE
	@touch $@

browser: $(VENV)/browser/.done
	$(BIN)/python -m pytest -m browser tests/browser

screenshots: $(VENV)/browser/.done
	$(BIN)/python -m tests.browser.pictures

mutants: $(VENV)/.dev
	$(BIN)/python -m tests.mutants $(MODULES)

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

wheel: $(VENV)/.dev
	$(BIN)/python -m hatchling build -t wheel

# In an environment of its own: what it needs is nothing that alerter may have.
$(VENV)/audit/.done: requirements-audit.txt | $(BIN)/python
	@$(BIN)/python -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-audit.txt
	@touch $@

audit: $(VENV)/audit/.done
	@$(VENV)/audit/bin/python -P .ci/audit.py

$(VENV)/docs/.done: requirements-docs.txt | $(BIN)/python
	@$(BIN)/python -m venv $(VENV)/docs
	$(VENV)/docs/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-docs.txt
	@touch $@

docs: $(VENV)/docs/.done
	$(VENV)/docs/bin/zensical build --strict --clean
	@echo 'open $(VENV)/site/index.html'

vendor:
	@mkdir -p $(VENV)/vendor
	cd $(VENV)/vendor && npm pack --silent htmx.org@4.0.1 uplot@1.6.32
	tar -xzf $(VENV)/vendor/htmx.org-4.0.1.tgz -C $(VENV)/vendor package/dist/htmx.min.js package/LICENSE
	cp $(VENV)/vendor/package/dist/htmx.min.js alerter/web/static/vendor/
	cp $(VENV)/vendor/package/LICENSE alerter/web/static/vendor/LICENSE-htmx.txt
	tar -xzf $(VENV)/vendor/uplot-1.6.32.tgz -C $(VENV)/vendor package/dist/uPlot.iife.min.js package/dist/uPlot.min.css package/LICENSE
	cp $(VENV)/vendor/package/dist/uPlot.iife.min.js $(VENV)/vendor/package/dist/uPlot.min.css alerter/web/static/vendor/
	cp $(VENV)/vendor/package/LICENSE alerter/web/static/vendor/LICENSE-uplot.txt

lock:
	uv pip compile pyproject.toml --no-strip-extras --universal --python-version 3.11 --extra postgresql --extra charts --generate-hashes --no-header --no-emit-index-url --no-annotate -o requirements.txt
	uv pip compile pyproject.toml --no-strip-extras --universal --python-version 3.11 --extra postgresql --extra charts --group dev --generate-hashes --no-header --no-emit-index-url --no-annotate -o requirements-dev.txt
	uv pip compile --group audit --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate -o requirements-audit.txt
	uv pip compile --group browser --constraints requirements-dev.txt --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate -o requirements-browser.txt
	uv pip compile --group docs --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate -o requirements-docs.txt

clean:
	rm -rf $(VENV) .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .cache dist
