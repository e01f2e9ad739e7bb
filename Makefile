# `make demo` and `make test` do everything on a fresh machine: they make .venv themselves.

# The first Python that runs and is of a version that MediaPipe has a wheel for.
PYTHON ?= $(shell for p in python3 python3.11 python3.12; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
RUN := $(VENV)/bin
JOBS ?= 2

.PHONY: demo test lint unit wheel web clean

demo: $(VENV)/.installed
	$(RUN)/avatar3d demo -o demo_out

test: lint unit wheel

lint: $(VENV)/.installed-dev
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/pyright

unit: $(VENV)/.installed-dev
	$(RUN)/python -m pytest -n $(JOBS) --dist loadfile --max-worker-restart 0

# The built wheel, in an environment of its own, must speak a sentence.
wheel: $(VENV)/.installed-dev
	$(RUN)/python tests/wheel.py

$(VENV)/.torch:
	@test -n "$(PYTHON)" || { echo "avatar3d needs Python 3.11 or 3.12: install one, or run make PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(RUN)/pip install --quiet torch==2.13.0
	touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml constraints.txt
	$(RUN)/pip install --quiet --constraint constraints.txt --editable '.[tts]'
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(RUN)/pip install --quiet --constraint constraints.txt --editable '.[tts,align,dev,head-build]'
	touch $@

# The web player, from viewer/web/src into viewer/web/dist, which is committed: needs node 20 or later.
web:
	cd viewer/web && npm ci --no-audit --no-fund && npm run build

clean:
	rm -rf $(VENV) build dist *.egg-info demo_out
