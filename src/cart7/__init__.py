"""cart7."""
