"""How notebooks display a recording (a small table) and a connectome (a picture)."""

from __future__ import annotations

import base64
import html
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

LARGEST = 300  # pixels on a side
SATURATED = 0.99  # quantile of the absolute weights shown in full colour
EXCITATORY, INHIBITORY = np.array([178, 24, 43]), np.array([33, 102, 172])  # red and blue, on white


def table(caption: str, rows: dict[str, str]) -> str:
    """HTML of a table of two columns."""
    cells = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
        f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
        for name, value in rows.items()
    )
    return f"<table><caption>{html.escape(caption)}</caption>{cells}</table>"


def picture(weight: npt.NDArray[np.floating[Any]], caption: str) -> str:
    """HTML of a (N, N) matrix `[post, pre]`: excitation red, inhibition blue, 0 white.

    In a large matrix, each pixel is the weight of largest magnitude in a block.
    """
    block = -(-len(weight) // LARGEST)
    edge = -len(weight) % block
    blocks = np.pad(weight, (0, edge)).reshape((len(weight) + edge) // block, block, -1, block)
    highest, lowest = blocks.max((1, 3)), blocks.min((1, 3))
    pixel = np.where(highest >= -lowest, highest, lowest)
    sizes = np.abs(weight[weight != 0])
    depth = np.clip(np.abs(pixel) / (np.quantile(sizes, SATURATED) if len(sizes) else 1.0), 0, 1)[..., None]
    colour = np.where(pixel[..., None] > 0, EXCITATORY, INHIBITORY)
    encoded = base64.b64encode(_bitmap((255 + depth * (colour - 255.0)).astype(np.uint8))).decode()
    return (
        f"<figure><img alt='{html.escape(caption, quote=True)}' width='{LARGEST}' style='image-rendering:pixelated;"
        f"border:1px solid #999' src='data:image/bmp;base64,{encoded}'/><figcaption>{html.escape(caption)}; "
        "rows receive, columns send; red excites, blue inhibits</figcaption></figure>"
    )


def _bitmap(rgb: npt.NDArray[np.uint8]) -> bytes:
    """A Windows bitmap of 24 bits per pixel: rows from below, padded to four bytes, blue first."""
    height, width, _ = rgb.shape
    pixels = np.pad(rgb[::-1, :, ::-1].reshape(height, 3 * width), ((0, 0), (0, -3 * width % 4))).tobytes()
    header = struct.pack("<2sIHHI", b"BM", 54 + len(pixels), 0, 0, 54)
    return header + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(pixels), 0, 0, 0, 0) + pixels
