"""The version of cart7, written here and nowhere else, and those of what it runs on."""

__version__ = "0.1.0"

RUNS_ON = ("numpy", "scipy", "pandas", "pydantic", "lifelines", "statsmodels", "matplotlib", "Jinja2")


def versions() -> dict[str, str]:
    """Versions of Python, cart7 and the packages whose numbers reach a result."""
    import platform
    from importlib import metadata

    found = {"python": platform.python_version(), "cart7": __version__}
    return found | {name: metadata.version(name) for name in RUNS_ON}
