"""Darkroom: a web UI server for Stable Diffusion. `docs/architecture.md` is the map of these packages."""

__version__ = "0.1.0"
