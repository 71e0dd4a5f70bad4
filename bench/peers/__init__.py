"""The `train` script beside other projects' trainers as they come, on a CPU (README.md in this folder)."""
