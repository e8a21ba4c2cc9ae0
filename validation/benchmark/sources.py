"""What a result depends on besides its case: source code and versions.

A cached result is used again only while all of this is the same.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import platform
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from simulators.networks import network_class
from simulators.topologies import TOPOLOGIES
from validation.benchmark.suite import Case
from validation.methods import BOUNDS, METHODS, find_entry, find_forecaster, find_method

PROJECT = ("synapsnet", "simulators", "validation")
# They import everything of their kind; what a case uses of it is named explicitly.
REGISTRIES = ("simulators.networks", "simulators.topologies", "validation.methods")
PACKAGES = ("synapsnet", "brian2", "numpy", "oasis-deconv", "pynapple", "scikit-learn", "scipy", "torch")
OPTIONAL = ("nemos",)  # a result depends on them where its code imports them
LEARNED = ".npz"  # what a module has learned lies beside it under its name


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on, the optional ones where they are installed."""
    optional = {package: found for package in OPTIONAL if (found := _optional_version(package))}
    return {"python": platform.python_version()} | {package: version(package) for package in PACKAGES} | optional


def case_key(case: Case) -> str:
    """Hash of the case, of the code that it runs and of the versions of the packages that this code uses."""
    method: type
    if case.task == "forecasts":
        method = find_forecaster(case.method)
    else:
        method = METHODS[case.method].load() if case.method in BOUNDS else find_method(case.method)
    entry = METHODS[case.method] if case.method in BOUNDS else find_entry(case.method)
    modules = [entry.place.partition(":")[0], method.__module__]  # of a calibrated method, these differ
    if "name" in case.network:
        modules.append(network_class(case.network["name"]).__module__)
    if case.network.get("topology") is not None:
        modules.append(TOPOLOGIES[case.network["topology"]["name"]].__module__)
    always = {package: number for package, number in versions().items() if package not in OPTIONAL}
    code = code_hash("validation.benchmark.case", *modules)
    content = {"case": case.content(), "code": code, "versions": always}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


@cache
def code_hash(*roots: str) -> str:
    """Hash of the source of these modules and of all that they import from the same packages or from the project.

    With it go what these modules have learned, and the versions of the optional packages that they import.
    """
    packages = {*PROJECT, *(root.partition(".")[0] for root in roots)}
    sources: dict[str, bytes] = {}
    pending = list(roots)
    while pending:
        module = pending.pop()
        path = _source(module)
        if module in sources or path is None:
            continue
        sources[module] = path.read_bytes()
        imported = list(imported_modules(ast.parse(sources[module]), module, is_package=path.name == "__init__.py"))
        pending += [name for name in imported if name.partition(".")[0] in packages and name not in REGISTRIES]
        sources |= {package: _optional_version(package).encode() for package in OPTIONAL if package in imported}
        if (learned := path.with_suffix(LEARNED)).is_file():
            sources[f"{module}{LEARNED}"] = learned.read_bytes()
    digest = hashlib.sha256()
    for module in sorted(sources):
        digest.update(f"{module} {len(sources[module])}\n".encode() + sources[module])
    return digest.hexdigest()


def imported_modules(tree: ast.AST, module: str, is_package: bool) -> Iterator[str]:
    """Names of the modules that a module imports, anywhere in it; of `from a import b`, both a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = module.split(".")[: len(module.split(".")) - node.level + is_package]
                base = ".".join([*above, *filter(None, [base])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _optional_version(package: str) -> str:
    """Empty if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


@cache
def _source(module: str) -> Path | None:
    """The file of a module; None if there is no such module, or it has no source."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)
