"""The checks, one module per area; each compares a room with its reference files."""
