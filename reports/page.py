"""Self-contained HTML pages: they open from a disk, a mail or a web server, offline.

Plotly's script is inlined once and the figures' data lie in the page as JSON. The page's own content security policy
forbids every request, so that nothing can be fetched by accident, and every script but ours, so that no name from a
file can become one.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from reports.tables import Table

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Panel:
    """A figure on the page: one plot, or several of which the reader chooses one.

    `plots` goes by the text of the choice, `choice` names it, `shape` is how the style sheet sizes it. `table` has the
    same in numbers, for those who cannot see the figure; `of` says what its rows are.
    """

    title: str
    caption: str
    plots: dict[str, go.Figure]
    choice: str = ""
    shape: str = "half"
    table: Table | None = None
    of: str = ""

    @property
    def json(self) -> list[Markup]:
        """The plots as JSON that cannot end the script element it lies in."""
        return [Markup(figure.to_json().replace("<", "\\u003c")) for figure in self.plots.values()]


def render_page(template: str, **content: Any) -> str:
    """The page as text; the same content makes the same text.

    Parameters
    ----------
    template : str
        Name of a template in this folder. It also gets `css`, `scripts` and `script_hashes`.
    **content
        What the template names. Text is escaped.
    """
    scripts = [get_plotlyjs(), (HERE / "report.js").read_text(encoding="utf-8")]
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(template).render(
        **content,
        css=Markup((HERE / "report.css").read_text(encoding="utf-8")),
        scripts=[Markup(script) for script in scripts],
        script_hashes=[_csp_hash(script) for script in scripts],
    )


def _csp_hash(script: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as `outer.inner`, value pairs."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
