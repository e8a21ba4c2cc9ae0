"""A self-contained page: a template, the look, plotly's script, and a policy that forbids every request."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

HERE = Path(__file__).parent


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
