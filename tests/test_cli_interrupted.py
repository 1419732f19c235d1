"""Ctrl-C and SIGTERM: wherever they come, a line says what is kept and how to go on, with the exit code of each."""

import signal
import sys
import warnings

import pytest

from ntnsim.cli import main

SIGNALS = pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])


@pytest.fixture
def typed(monkeypatch, capsys):
    """Return what runs a command line here, and tells its exit code and what it said."""
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def type_(*words):
        monkeypatch.setattr(sys, "argv", ["ntnsim", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, capsys.readouterr().err

    yield type_
    for number, handler in handlers.items():
        signal.signal(number, handler)


@SIGNALS
def test_a_command_that_keeps_nothing_says_that_it_was_interrupted(monkeypatch, typed, number, code):
    monkeypatch.setattr("ntnsim.scenario.load.load_scenario", lambda *_: signal.raise_signal(number))
    assert typed("validate", "x.yaml") == (code, "ntnsim: interrupted\n")


@SIGNALS
def test_an_experiment_says_what_it_keeps(monkeypatch, typed, tmp_path, number, code):
    monkeypatch.setenv("NTNSIM_STORE", "store")
    monkeypatch.setattr("ntnsim.experiments.fig4.main", lambda _: signal.raise_signal(number))
    ended, said = typed("experiment", "fig4", "--out", str(tmp_path))
    assert ended == code and said.count("\n") == 1
    assert said.startswith(
        "ntnsim: interrupted; kept: the files that are finished and what networks computed"
    )
