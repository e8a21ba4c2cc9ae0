"""The options for reading a recording, which several commands share."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from rich.console import Console

from reports.tables import Row, Table
from synapsnet.cli import console, main
from synapsnet.cli.console import print_scores
from synapsnet.cli.reading import Reading
from synapsnet.errors import InputError
from synapsnet.io import write_recording
from synapsnet.recording import Recording, neuron_table


@pytest.fixture
def info(monkeypatch, capsys):
    """Run `synapsnet info ...`; the exit code and what it printed, on one line."""

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["synapsnet", "info", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as error:
            code = error.code or 0
        printed = capsys.readouterr()
        return code, " ".join((printed.out + printed.err).split())

    return run


@pytest.fixture
def counts(tmp_path):
    np.savez(tmp_path / "counts.npz", z=np.random.default_rng(0).poisson(1.0, (400, 5)), other=np.ones((400, 5)))
    return tmp_path / "counts.npz"


def test_info_says_which_reader_why_and_with_which_options_before_it_reads(info, counts):
    code, printed = info(counts)
    assert code == 2
    assert "reader arrays, for a .npz or .npy file" in printed
    assert "--key NAME, --dt NUMBER, --fs NUMBER, --modality calcium|spikes" in printed
    assert "Error:" in printed
    assert "choose one with key (--key)" in printed


def test_info_of_a_url_has_the_url_itself_above_it(info, monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    code, printed = info("http://127.0.0.1:1/session.nwb")
    assert code == 2
    assert printed.startswith("http://127.0.0.1:1/session.nwb reader nwb")


def test_names_are_shown_as_they_are_whatever_brackets_they_have(info, tmp_path):
    folder = tmp_path / "sess[" / "rec]"
    folder.mkdir(parents=True)
    values = np.random.default_rng(0).poisson(2.0, (400, 3))
    recording = Recording.from_array(
        values, 0.1, "spikes", behaviour=values[:, :2], behaviour_names=["speed [cm/s]", "rate [/s]"]
    )
    write_recording(recording, folder / "x.nwb")
    code, printed = info(folder / "x.nwb")
    assert code == 0
    assert "sess[/rec]/x.nwb" in printed
    assert "speed [cm/s], rate [/s]" in printed


def test_scores_and_progress_are_shown_as_they_are(monkeypatch, capsys):
    print_scores(Table("skill of [/r]", (), [Row("mine", "pkg:[red]Mine[/]", [])]), "method")
    printed = capsys.readouterr().out
    assert "skill of [/r]" in printed
    assert "pkg:[red]Mine[/]" in printed
    terminal = Console(file=io.StringIO(), force_terminal=True)
    monkeypatch.setattr(console, "ERR", terminal)
    with console.progress() as steps:
        steps("fitting [/r]", 0.5)
    assert "fitting [/r]" in terminal.file.getvalue()


def test_every_flag_reaches_the_reader(info, counts):
    code, printed = info(counts, "--key", "z", "--dt", 0.01, "--modality", "calcium")
    assert code == 0
    assert "kind recording (calcium)" in printed
    assert "time step 10 ms" in printed


def test_any_option_may_be_given_by_name(info, counts):
    code, printed = info(counts, "--read", "key=z", "--read", "fs_hz=50", "--read", "transpose=false")
    assert code == 0
    assert "time step 20 ms" in printed


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--read", "key"], "--read needs NAME=VALUE; got 'key'."),
        (["--read", "=z"], "--read needs NAME=VALUE; got '=z'."),
        (["--read", "key=z", "--key", "z"], "--read key was given twice, or together with its own flag"),
        (["--read", "key=z", "--read", "key=other"], "--read key was given twice, or together with its own flag"),
        (["--read", "planes=2"], "planes (--read planes=...) cannot be used with"),
        (["--read", "fs_hz=fast"], "Unusable fs_hz (--fs): input should be a valid number"),
        (["--modality", "photons"], "Unusable modality (--modality): input should be '"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(info, counts, arguments, sentence):
    code, printed = info(counts, *arguments)
    assert code == 2
    assert sentence in printed


def test_selection_from_the_command_line(info, tmp_path):
    recording = Recording.from_array(
        np.random.default_rng(0).poisson(2.0, (400, 5)),
        0.1,
        "spikes",
        neurons=neuron_table(5, area=["VISp", "VISp", "VISl", "VISl", "CA1"], cell_type=["e", "e", "e", "e", "i"]),
    )
    write_recording(recording, tmp_path / "r.nwb")
    code, printed = info(
        tmp_path / "r.nwb", "--area", "VISp", "--area", "VISl", "--type", "e", "--from", 10, "--to", 20,
        "--neurons", 3, "--sample-seed", 1, "--min-rate", 0.1,
    )  # fmt: skip
    assert code == 0
    assert "1 of 5 neurons dropped: their area is not VISp or VISl." in printed
    assert "30 s dropped" in printed
    assert "1 of 4 neurons dropped at random (seed 1)." in printed
    assert "duration 10 s in 100 steps" in printed


def test_what_is_not_given_stays_with_the_reader():
    options = Reading().keywords()
    assert {name: value for name, value in options.items() if value} == {}
    with pytest.raises(InputError):
        Reading(read=["x"]).keywords()
