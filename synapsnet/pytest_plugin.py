"""pytest plugin: `pytest --synapsnet-method=mypkg.mymodule:MyMethod` runs the property suite as tests.

It adds one test per property and modality to those collected; `-k` selects among them. A method that lacks a "should"
property gives an expected failure. The entry point `pytest11` installs the plugin, which imports nothing until used.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from synapsnet.processes import watched

if TYPE_CHECKING:
    from collections.abc import Generator

    from validation.properties import Examiner, Property


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("synapsnet", "check a method of inferring connectivity")
    group.addoption(
        "--synapsnet-method",
        metavar="METHOD",
        help="check this method (a registered name or pkg.module:Class) for all properties of validation.properties",
    )
    group.addoption("--synapsnet-quick", action="store_true", help="fewer examples, for a slow method")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, Any, Any]:
    """Watch the tests, which a method could end as if all had passed."""
    if config.getoption("synapsnet_method") is None or "PYTEST_XDIST_WORKER" in os.environ:
        return (yield)
    report = watched(lambda sentence: print(f"ERROR: {sentence}", file=sys.stderr))
    code = pytest.ExitCode.INTERNAL_ERROR
    try:
        code = yield
        return code
    except pytest.UsageError:
        code = pytest.ExitCode.USAGE_ERROR
        raise
    finally:
        report(int(code))


@pytest.hookimpl(tryfirst=True)  # before -k and -m are applied
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    name = config.getoption("synapsnet_method")
    if name is None:
        return
    from synapsnet.errors import InputError, sentence

    try:
        from validation.methods import find_method, find_methods_in
        from validation.properties import MODALITIES, PROPERTIES, Examiner

        find_methods_in(config.invocation_params.dir)
        examiner = Examiner(find_method(name), quick=config.getoption("synapsnet_quick"))
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("validation"):
            raise pytest.UsageError(
                "--synapsnet-method needs the package `validation` of SynapsNet, but this project shadows it "
                "with a package of its own; run pytest in another folder."
            ) from None
        raise pytest.UsageError(str(sentence(error))) from None
    except InputError as error:
        raise pytest.UsageError(str(error)) from None
    items.extend(
        PropertyItem.from_parent(
            session, name=f"{prop.name}[{modality}]", nodeid=f"{name}::{prop.name}[{modality}]",
            examiner=examiner, examined=prop, modality=modality,
        )
        for modality in MODALITIES
        for prop in PROPERTIES.values()
        if modality in prop.modalities
    )  # fmt: skip


class PropertyItem(pytest.Item):
    """The test of one property on one modality."""

    def __init__(self, *, examiner: Examiner, examined: Property, modality: Any, **options: Any) -> None:
        super().__init__(**options)
        self.examiner, self.examined, self.modality = examiner, examined, modality

    def runtest(self) -> None:
        result = self.examiner.examine(self.examined, self.modality)
        if result.outcome == "skipped":
            pytest.skip(result.message)
        if result.outcome == "failed" and result.level == "should":
            pytest.xfail(result.message)
        if result.outcome == "failed":
            pytest.fail(f"{result.message}\nWhy it must: {result.reason}", pytrace=False)

    def reportinfo(self) -> tuple[str, None, str]:
        return self.nodeid.split("::")[0], None, self.nodeid
