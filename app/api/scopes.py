"""Small questions about an ASGI scope that every middleware here asks."""

from starlette.types import Scope

API_PREFIXES = ("/sdapi", "/internal", "/api", "/metrics")
"""First path segments of what programs call."""
DOCS_PATHS = ("/docs", "/openapi.json", "/redoc")


def path_of(scope: Scope) -> str:
    """The request's path without the prefix that a proxy serves Darkroom below."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    if root and (path == root or path.startswith(root + "/")):
        return path[len(root) :] or "/"
    return path


def is_below(path: str, prefixes: tuple[str, ...]) -> bool:
    """Whether `path` is one of the prefixes or lies below one."""
    return any(path == prefix or path.startswith(prefix + "/") for prefix in prefixes)


def header_of(scope: Scope, name: bytes) -> str | None:
    """The first header of that (lower-case) name; None where it is missing."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


def root_of(scope: Scope) -> str:
    """The prefix that links and redirects begin with; empty at a domain's root."""
    return str(scope.get("root_path", "")).rstrip("/")
