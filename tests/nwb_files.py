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


def with_planes(planes: list[dict[str, Any]], kind: type = DfOverF, **of_plane: Any) -> pynwb.NWBFile:
    """An imaging plane, a table of ROIs and a series in a module of its own for each of `planes`.

    A plane has `values`, perhaps `name`, `location`, `indicator`, `origin_coords` and the clock and conversion of its
    series; its ROIs are at the pixels (0, 0), (1, 2), (2, 4)... of 2 um.
    """
    file = foreign_file()
    device = file.create_device(name="microscope")
    for k, plane in enumerate(planes):
        about = {"name": f"VISp_{k}", "location": "VISp", "indicator": "GCaMP6s"} | of_plane | plane
        values = about.pop("values")
        imaged = {name: about.pop(name) for name in ("name", "location", "indicator")}
        if "origin_coords" in about:
            imaged |= {"origin_coords": about.pop("origin_coords"), "origin_coords_unit": "micrometers"}
        imaging_plane = file.create_imaging_plane(
            optical_channel=OpticalChannel(name="channel", description="x", emission_lambda=510.0),
            description="plane",
            device=device,
            excitation_lambda=920.0,
            grid_spacing=[2e-6, 2e-6],
            grid_spacing_unit="meters",
            **imaged,
        )
        module = file.create_processing_module(f"module_{k}", "a plane")
        segmentation = ImageSegmentation()
        module.add(segmentation)
        rois = segmentation.create_plane_segmentation(name="rois", description="cells", imaging_plane=imaging_plane)
        for roi in range(values.shape[1]):
            rois.add_roi(pixel_mask=[(roi, 2 * roi, 1.0)])
        container = kind()
        module.add(container)
        region = rois.create_roi_table_region("all", region=list(range(values.shape[1])))
        container.create_roi_response_series(name="traces", data=values, rois=region, unit="a.u.", **about)
    return file
