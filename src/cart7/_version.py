"""The version of cart7, written here and nowhere else."""

__version__ = "0.1.0"
