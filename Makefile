# `make demo` and `make test` do everything on a fresh machine: they make .venv themselves.

PYTHON ?= $(shell for p in python3.12 python3.11 python3; do command -v $$p && break; done)
VENV := .venv
RUN := $(VENV)/bin
JOBS ?= 2

.PHONY: demo test lint unit wheel clean

demo: $(VENV)/.installed
	$(RUN)/avatar3d demo -o demo_out

test: lint unit wheel

lint: $(VENV)/.installed-dev
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/pyright

unit: $(VENV)/.installed-dev
	$(RUN)/python -m pytest -n $(JOBS) --dist loadfile

# The built wheel, in an environment of its own, must speak a sentence.
wheel: $(VENV)/.installed-dev
	$(RUN)/python tests/wheel.py

$(VENV)/.torch:
	$(PYTHON) -m venv $(VENV)
	$(RUN)/pip install --quiet torch==2.13.0
	touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml constraints.txt
	$(RUN)/pip install --quiet --constraint constraints.txt --editable '.[tts]'
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(RUN)/pip install --quiet --constraint constraints.txt --editable '.[tts,dev,head-build]'
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info demo_out
