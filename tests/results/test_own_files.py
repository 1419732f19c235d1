"""Files that commands write beside results: own ones are made anew, others are never written over."""

import fnmatch
import re
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import pytest
from PIL import Image
from synthetic_run import write_run
from typer.testing import CliRunner

from ntnsim.cli import app
from ntnsim.cli.experiments import EXPERIMENTS
from ntnsim.errors import InputError
from ntnsim.results.own_files import check_own, own_path, with_seal, write_own_page, write_own_text


def test_an_own_file_is_made_anew_and_anybody_elses_is_not(tmp_path):
    page = tmp_path / "page.html"
    write_own_text(page, "first")
    write_own_text(page, "second")
    assert page.read_text() == "second"
    page.write_text("second, and a week of my own work")
    with pytest.raises(InputError, match=r"page.html: is there already, and not as ntnsim wrote it; move it"):
        write_own_text(page, "third")
    assert page.read_text() == "second, and a week of my own work"
    thesis = tmp_path / "thesis.pdf"
    thesis.write_text("mine")
    with pytest.raises(InputError, match=r"thesis.pdf: is there already"):
        check_own(thesis)
    assert {path.name for path in tmp_path.iterdir()} == {"page.html", "thesis.pdf", ".ntnsim-files.json"}


def test_a_page_knows_itself_and_leaves_nothing_beside_it(tmp_path):
    page = tmp_path / "page.html"
    for number in (1, 2):
        write_own_page(page, with_seal(f"<html>{number}</html>\n"))
        assert page.read_text().startswith(f"<html>{number}</html>\n<!-- ntnsim ")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    changed = page.read_text().replace("2", "my own words")
    page.write_text(changed)
    with pytest.raises(InputError, match=r"page.html: is there already, and not as ntnsim wrote it"):
        write_own_page(page, with_seal("<html>3</html>\n"))
    assert page.read_text() == changed


def test_what_is_there_already_byte_for_byte_is_taken_as_own(tmp_path):
    (tmp_path / "figure.pdf").write_text("same")
    write_own_text(tmp_path / "figure.pdf", "same")
    write_own_text(tmp_path / "figure.pdf", "changed by us")
    assert (tmp_path / "figure.pdf").read_text() == "changed by us"


def test_a_failure_leaves_the_earlier_file(tmp_path):
    write_own_text(tmp_path / "table.csv", "first")
    with pytest.raises(ZeroDivisionError), own_path(tmp_path / "table.csv") as partial:
        partial.write_text("half")
        raise ZeroDivisionError
    assert (tmp_path / "table.csv").read_text() == "first"


def test_files_written_at_the_same_time_are_all_remembered(tmp_path):
    paths = [tmp_path / f"{number}.txt" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda path: write_own_text(path, path.name), paths))
    for path in paths:
        check_own(path)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    directory = tmp_path_factory.mktemp("pictures")
    Image.effect_noise((64, 48), 40).convert("RGB").save(directory / "a.png")
    CliRunner().invoke(
        app, ["encode", str(directory / "a.png"), "-o", str(directory / "a.jpg"), "--codec", "jpeg"]
    )
    return directory


@pytest.mark.parametrize(
    "command",
    [
        "encode a.png --codec jpeg -o {}.jpg",
        "decode a.jpg --inpaint none -o {}.png",
        "trace quickstart.yaml --hours 0.01 --out {}.csv",
        "link --scenario quickstart.yaml --plot {}.png",
    ],
)
def test_a_command_writes_its_file_anew_but_never_over_anybody_elses(command, pictures, tmp_path):
    words = command.format(tmp_path / "file").split()
    shipped = {
        "quickstart.yaml": "scenarios/quickstart.yaml",
        "a.png": pictures / "a.png",
        "a.jpg": pictures / "a.jpg",
    }
    words = [str(shipped.get(word, word)) for word in words]
    target = Path(words[-1])
    for _ in range(2):  # an own file is made anew
        done = CliRunner().invoke(app, words, standalone_mode=False)
        assert done.exception is None, done.output
    assert target.stat().st_size > 0
    target.write_text("a week of work")
    done = CliRunner().invoke(app, words, standalone_mode=False)
    assert isinstance(done.exception, InputError) and str(done.exception).startswith(
        f"{target}: is there already"
    )
    assert target.read_text() == "a week of work"
    words[-1] = f"/proc/none/{target.name}"
    done = CliRunner().invoke(app, words, standalone_mode=False)
    assert isinstance(done.exception, InputError)
    assert re.match(rf"/proc/none(/{target.name})?: cannot be written", str(done.exception))


@pytest.mark.parametrize(
    ("words", "work"),
    [
        (["run", "scenarios/quickstart.yaml", "--out", "/proc/none"], "ntnsim.runs.SchemeAssembly"),
        (["train", "scenarios/load_sweep.yaml", "--out", "/proc/none"], "ntnsim.runs.SchemeAssembly"),
        (["experiment", "fig4", "--out", "/proc/none"], "ntnsim.experiments.fig4.main"),
        (["experiment", "fig4", "--out=/proc/none"], "ntnsim.experiments.fig4.main"),
        (["encode", "a.jpg", "-o", "/proc/none/a.spiff"], "ntnsim.api.codec.encode"),
        (["decode", "a.spiff", "-o", "/proc/none/a.png"], "ntnsim.api.codec.decode"),
        (["profile", "-o", "/proc/none/host.yaml"], "ntnsim.host_profile.measure_host"),
        (
            ["models", "evaluate", "--data", ".", "--out", "/proc/none/t"],
            "ntnsim.networks.bundle.open_bundle",
        ),
        (
            ["models", "evaluate", "--data", ".", "--sheet", "/proc/none/t.png"],
            "ntnsim.networks.bundle.open_bundle",
        ),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_networks_are_loaded(monkeypatch, words, work):
    monkeypatch.setattr(work, lambda *_, **__: pytest.fail("the work has begun"))
    done = CliRunner().invoke(app, words, standalone_mode=False)
    assert isinstance(done.exception, InputError)
    assert str(done.exception).startswith("/proc/none: cannot be written to (")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    directory = tmp_path_factory.mktemp("results") / "run"
    write_run(directory, n_jobs=20)
    return directory


@pytest.mark.parametrize(
    ("words", "target", "work"),
    [
        (["plot"], "figures/delay_cdf.pdf", "ntnsim.report.figures.draw"),
        (["report"], "report.html", "ntnsim.report.page.page"),
        (["report", "--czml"], "sky.czml", "ntnsim.sky.czml.czml"),
    ],
)
def test_what_cannot_be_drawn_or_written_is_refused_before_results_are_read(
    monkeypatch, results, words, target, work
):
    monkeypatch.setattr(work, lambda *_, **__: pytest.fail("the work has begun"))
    somebodys = results / target
    somebodys.parent.mkdir(exist_ok=True)
    somebodys.write_text("a week of work")
    done = CliRunner().invoke(app, [*words, str(results)], standalone_mode=False)
    assert isinstance(done.exception, InputError)
    assert str(done.exception).startswith(f"{somebodys}: is there already, and not as ntnsim wrote it")
    place = "/proc/none" if words == ["plot"] else f"/proc/none/{somebodys.name}"
    done = CliRunner().invoke(app, [*words, str(results), "--out", place], standalone_mode=False)
    assert isinstance(done.exception, InputError)
    assert str(done.exception).startswith("/proc/none: cannot be written to (")


def test_a_photograph_is_not_coded_over_itself(pictures):
    before = (pictures / "a.png").read_bytes()
    words = ["encode", str(pictures / "a.png"), "-o", str(pictures / "a.png"), "--codec", "jpeg"]
    done = CliRunner().invoke(app, words, standalone_mode=False)
    assert isinstance(done.exception, InputError) and "is there already" in str(done.exception)
    assert (pictures / "a.png").read_bytes() == before


def test_a_picture_that_cannot_be_written_is_refused_before_the_stream_is_read(tmp_path):
    words = ["decode", "none.spiff", "-o", str(tmp_path / "p.foo")]
    done = CliRunner().invoke(app, words, standalone_mode=False)
    assert isinstance(done.exception, InputError)
    assert str(done.exception).startswith(
        f"{tmp_path / 'p.foo'}: is no kind of file that can be written; allowed are .png"
    )


def test_a_directory_is_not_a_file_to_write(tmp_path):
    with pytest.raises(InputError, match=r": is a directory; the name of a file is needed$"):
        check_own(tmp_path)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_what_an_experiment_writes_is_known_beforehand(name):
    module = import_module(f"ntnsim.experiments.{name}")
    written = [f"{name}.{ending}" for ending in ("csv", "pdf", "png", "md", "tex")]
    written += getattr(module, "MORE_FILES", ())
    source = Path(f"ntnsim/experiments/{name}.py").read_text(encoding="utf-8")
    named = re.findall(r'\bout / f?"([^"]+\.\w+)"', source)
    named += [f"{figure}.png" for figure in re.findall(r'save_noted\([^"\n]*"(\w+)"', source)]
    patterns = [re.sub(r"\{\w+\}", "*", file) for file in named]
    reference = Path("results/reference", name)
    found = [file.name for file in reference.iterdir()] if reference.is_dir() else []
    assert [file for file in found if file not in written] == []
    assert [file for file in patterns if not fnmatch.filter(written, file)] == []


def test_a_log_for_tensorboard_of_nothing_that_learns_is_refused(tmp_path):
    words = ["run", "scenarios/rain_fade.yaml", "--out", str(tmp_path / "r"), "--tensorboard"]
    done = CliRunner().invoke(app, [*words, str(tmp_path / "log")], standalone_mode=False)
    assert str(done.exception) == (
        f"--tensorboard: {tmp_path / 'log'}: no scheme of rain_fade has a policy that learns"
    )
    done = CliRunner().invoke(app, [*words, "/proc/none/log"], standalone_mode=False)
    assert str(done.exception).startswith("/proc/none/log: cannot be written to (")
