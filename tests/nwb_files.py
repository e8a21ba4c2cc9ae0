"""Small NWB files as other programs write them, for the tests of readers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pynwb
from pynwb.ophys import DfOverF, ImageSegmentation, OpticalChannel


def foreign_file() -> pynwb.NWBFile:
    return pynwb.NWBFile("another lab's session", "id", datetime(2020, 1, 1, tzinfo=UTC))


def save(file: pynwb.NWBFile, path: Path) -> Path:
    with pynwb.NWBHDF5IO(str(path), "w") as io:
        io.write(file)
    return path


def with_units(trains: list[list[float]], observed: list[list[list[float]]] | None = None) -> pynwb.NWBFile:
    file = foreign_file()
    for k, train in enumerate(trains):
        options = {} if observed is None else {"obs_intervals": observed[k]}
        file.add_unit(spike_times=train, id=100 + k, **options)
    return file


def with_fluorescence(values: Any, kind: type = DfOverF, **clock: Any) -> pynwb.NWBFile:
    file = foreign_file()
    plane = file.create_imaging_plane(
        name="plane",
        optical_channel=OpticalChannel(name="green", description="green", emission_lambda=510.0),
        description="plane",
        device=file.create_device(name="microscope"),
        excitation_lambda=920.0,
        indicator="GCaMP6s",
        location="VISp",
    )
    ophys = file.create_processing_module("ophys", "fluorescence")
    segmentation = ImageSegmentation()
    ophys.add(segmentation)
    rois = segmentation.create_plane_segmentation(name="rois", description="cells", imaging_plane=plane)
    for _ in range(values.shape[1]):
        rois.add_roi(pixel_mask=[(0, 0, 1.0)])
    container = kind()
    ophys.add(container)
    region = rois.create_roi_table_region("all", region=list(range(values.shape[1])))
    container.create_roi_response_series(name="traces", data=values, rois=region, unit="a.u.", **clock)
    return file
