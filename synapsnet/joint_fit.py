"""Several recordings at once: one decoder, and for each recording its embeddings, kernels and connectivity."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synapsnet.devices import Device, Precision
from synapsnet.errors import InputError
from synapsnet.estimator import SynapsNet, fit_models
from synapsnet.progress import Progress, unheard
from synapsnet.recording import Recording
from synapsnet.settings import Settings


def fit_together(
    recordings: Sequence[Recording],
    *,
    device: Device = "auto",
    precision: Precision = "32-true",
    checkpoint: Path | None = None,
    resume: bool = False,
    progress: Progress = unheard,
    **settings: Any,
) -> list[SynapsNet]:
    """Fit a SynapsNet to each recording, all with one decoder, which `SynapsNet.fit` can reuse for another recording.

    Each batch comes from one recording, and the batches of all recordings are mixed. Low-rank connectivity is read off
    the embeddings in the same way in all recordings. A single recording is fitted as by `SynapsNet.fit`.

    Parameters
    ----------
    recordings : sequence of Recording
        Recordings with the same modality, time step and number of behavioural variables. Their neurons may differ.
    device, precision, checkpoint, resume, progress, **settings
        See `SynapsNet` and its `fit`.

    Returns
    -------
    list of SynapsNet
        In the order of the recordings. They share one `history_`, that of the joint training.

    Raises
    ------
    InputError
        If there is no recording, the recordings differ in kind, or one of them cannot be fitted.

    Examples
    --------
    >>> first, second = fit_together([monday, tuesday])  # doctest: +SKIP
    >>> short = SynapsNet().fit(wednesday, pretrained=first)  # doctest: +SKIP
    """
    if not recordings:
        raise InputError("There is no recording to fit; give one or more.")
    for recording in recordings[1:]:
        if recording.modality != recordings[0].modality:
            raise InputError(
                f"Recordings that are fitted together must be of one modality; got {recordings[0].modality} and "
                f"{recording.modality}."
            )
    checked = Settings(**settings).model_dump()
    models = [SynapsNet(device=device, precision=precision, **checked) for _ in recordings]
    fit_models(models, recordings, checkpoint=checkpoint, resume=resume, progress=progress)
    return models
