# The course's commands. Everything runs in one environment, .venv, which the first command that needs it makes.
PYTHON ?= python3
VENV := .venv/bin/python
# As many tests at once as there are processors, each with one thread (tests/conftest.py) and about
# 1 GB of memory. TEST_ARGS comes last, so that -n0 in it runs them one by one.
PYTEST = $(VENV) -m pytest -n logical --maxprocesses 8 --dist loadfile
# JupyterLab refuses root unless told; in a container there often is no one else.
AS_ROOT = $(if $(filter 0,$(shell id -u)),--allow-root)

.DEFAULT_GOAL := help
.PHONY: help lab test test-browser test-colab notebooks grading results bench kill-table badges clean FORCE

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

lab: .venv/installed  ## open the course in JupyterLab (LAB_ARGS="--no-browser", TORCH_BACKEND=cpu)
	$(VENV) -m jupyterlab --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb $(AS_ROOT) $(LAB_ARGS)

test: .venv/installed  ## check style, run all tests (TEST_ARGS="-k shapes")
	$(VENV) -m ruff check
	$(VENV) -m ruff format --check
	$(PYTEST) $(TEST_ARGS)

test-browser: .venv/installed .venv/browser  ## open notebooks in JupyterLab in Chromium, and use them
	$(VENV) -m pytest tests/browser $(TEST_ARGS)

test-colab: .venv/installed  ## rehearse Google Colab on its own versions (ONLY=02)
	$(VENV) tools/rehearse_colab.py $(ONLY)

notebooks: .venv/installed  ## make lessons and exercises from source (ONLY=02)
	$(VENV) tools/build_notebooks.py $(ONLY)

grading: .venv/grading  ## add nbgrader and otter to the environment; their tests need them

results: .venv/installed  ## train what results/ still lacks (NAME=degradation-mini)
	$(VENV) -m resnet_lessons.lab $(or $(NAME),degradation-mini)

bench: .venv/installed  ## measure this machine
	$(VENV) tools/bench.py

kill-table: .venv/installed  ## which wrong answers to the exercises are caught, and whether right ones are accepted
	$(VENV) tools/kill_table.py $(ONLY)

badges:  ## point every badge at your copy on GitHub (REPO=owner/name)
	$(PYTHON) tools/set_repository.py $(REPO)

clean:  ## remove the environments
	rm -rf .venv .venv-colab

# --- the environment ---
# .venv/installed stands only in a finished environment. It holds the torch build asked for
# (TORCH_BACKEND=cpu, cu126, auto …; remembered until another is named, `default` is PyPI's) and this
# folder, since an environment does not survive a move. An install in progress has .venv/unfinished.
# What was interrupted, or is for another torch or folder, is made afresh; uv keeps its downloads.
BACKEND := $(or $(TORCH_BACKEND),$(firstword $(shell cat .venv/installed 2>/dev/null)),default)
FINISHED := $(shell test -x $(VENV) && test ! -e .venv/unfinished && cat .venv/installed 2>/dev/null)
ifneq ($(wildcard .venv/installed .venv/unfinished),)
ifneq ($(FINISHED),$(BACKEND) $(CURDIR))
AFRESH := FORCE
endif
endif

OLD_PYTHON = This course needs Python 3.11 or newer, and $(PYTHON) is %d.%d; \
install a newer one and name it, for example: make lab PYTHON=python3.13

.venv/installed: pyproject.toml requirements.txt $(AFRESH)
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v >= (3, 11) or sys.exit("$(OLD_PYTHON)" % v)'
	$(if $(AFRESH),rm -rf .venv)
	@mkdir -p .venv && echo "$(BACKEND) $(CURDIR)" > .venv/unfinished
	$(PYTHON) -m venv .venv && $(VENV) -m pip install --quiet --disable-pip-version-check uv
	$(VENV) -m uv pip install --python $(VENV) --editable '.[lab]' --group dev --group d2l \
	    $(if $(filter-out default,$(BACKEND)),--torch-backend $(BACKEND))
	@mv .venv/unfinished .venv/installed && touch .venv/installed

# Grading adds packages that no learner needs, to the same environment.
.venv/grading: .venv/installed
	$(VENV) -m uv pip install --python $(VENV) --group grading
	@touch .venv/grading

.venv/browser: .venv/installed
	$(VENV) -m uv pip install --python $(VENV) --group browser
	@touch .venv/browser
