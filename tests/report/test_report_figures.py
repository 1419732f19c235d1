"""Figures show the records' numbers, in vector form, as the same bytes each time."""

import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image
from synthetic_run import write_run, write_sweep

from ntnsim.errors import InputError
from ntnsim.report.breakdown_figure import bars_of, delay_breakdown
from ntnsim.report.cdf_figure import curves_of, delay_cdf, savings_cdf, savings_ticks
from ntnsim.report.figures import applicable, draw
from ntnsim.report.gallery_figure import caption, configuration_text, gallery
from ntnsim.report.groups import points_of
from ntnsim.report.load_figure import load_curves
from ntnsim.report.page_data import page_data
from ntnsim.report.pass_figure import NO_MATTER_DB, draw_pass
from ntnsim.report.style import STYLES, journal, legend_above, scheme_styles
from ntnsim.report.timeline_figure import Span, merged, timeline, timeline_view
from ntnsim.results import load
from ntnsim.results.gallery import read_index
from ntnsim.results.point_names import PointNames, short_names
from ntnsim.results.read import RunDirectory, find_runs
from ntnsim.results.show import with_half_width
from ntnsim.results.timeline import TimelineWriter


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("figures") / "run", n_pictures=2)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    return write_sweep(tmp_path_factory.mktemp("figures") / "sweep", n_jobs=150, replications=3)


def test_faults_that_all_schemes_noted_are_drawn_once_with_their_ends(tmp_path):
    with TimelineWriter(tmp_path) as writer:
        for scheme, until_s in (("spiff", 100.0), ("jpeg", 500.0)):
            noted = [("begin", 50.0), ("end", 60.0), ("begin", 90.0), ("end", 400.0), ("begin", 450.0)]
            rows = [(time_s, quantity) for quantity, time_s in noted if time_s <= until_s]
            same = {"scheme": scheme, "kind": "fault", "entity": "gpu-1", "value": np.nan, "text": "gpu"}
            columns = {name: [value] * len(rows) for name, value in same.items()}
            writer.write({**columns, "time_s": [r[0] for r in rows], "quantity": [r[1] for r in rows]})
    view = timeline_view(RunDirectory(tmp_path, "run"))
    assert [(span.start_s, span.end_s) for span in view.spans[:2]] == [(50.0, 60.0), (90.0, 400.0)]
    assert view.spans[2].start_s == 450.0
    assert np.isnan(view.spans[2].end_s)


def test_what_all_schemes_see_is_drawn_as_the_one_saw_it_whose_world_lasted_longest(tmp_path):
    with TimelineWriter(tmp_path) as writer:
        for scheme, until_s in (("small", 20.0), ("large", 40.0)):
            times_s = list(np.arange(0.0, until_s + 1, 10.0))
            same = {"scheme": scheme, "kind": "sample", "entity": "parma", "text": ""}
            for quantity in ("rate_bps", "propagation_s", "backlog_bits"):
                columns = {name: [value] * len(times_s) for name, value in same.items()}
                writer.write(
                    {**columns, "time_s": times_s, "quantity": [quantity] * len(times_s), "value": times_s}
                )
    lines = timeline_view(RunDirectory(tmp_path, "run")).lines
    ends_s = {quantity: {line.scheme: line.time_s[-1] for line in of_it} for quantity, of_it in lines.items()}
    shared = {"": 40.0}
    assert ends_s == {
        "rate_bps": shared,
        "propagation_s": shared,
        "backlog_bits": {"small": 20.0, "large": 40.0},
    }


def test_every_figure_is_drawn_as_pdf_and_png_at_a_column_width(run, tmp_path):
    runs = find_runs([run])
    single = ["delay_cdf", "savings_cdf", "delay_breakdown", "pareto", "timeline", "gallery"]
    assert applicable(runs) == single
    written = draw(runs, applicable(runs), tmp_path)
    assert {path.name for path in written} == {f"{n}.{s}" for n in applicable(runs) for s in ("pdf", "png")}
    for path in written:
        if path.suffix == ".png":
            width_in = Image.open(path).width / 300
            assert width_in == pytest.approx(3.5, abs=0.01) or width_in == pytest.approx(7.16, abs=0.01)
        else:
            assert path.read_bytes().startswith(b"%PDF")
            assert b"/Type3" not in path.read_bytes()


def test_the_same_results_give_the_same_bytes_of_figures(run, tmp_path):
    for name in ("first", "second"):
        draw(find_runs([run]), ["delay_cdf"], tmp_path / name)
    for file in ("delay_cdf.pdf", "delay_cdf.png"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()


def test_delay_curve_reads_the_share_of_all_images_that_arrived_in_time(run):
    jobs = load(run, columns=["scheme", "delay_s"])
    for curve in curves_of(find_runs([run]), "delay_s", lost_is_infinite=True):
        delays = jobs[jobs.scheme == curve.scheme].delay_s
        for x, share in zip(curve.band.x[::40], curve.band.probability[::40], strict=True):
            assert share == pytest.approx((delays <= x).mean())
        assert curve.band.probability[-1] == pytest.approx(delays.notna().mean())
        assert curve.band.probability[-1] < 1


def test_band_over_replications_holds_the_pooled_curve_and_is_wider_under_load(sweep):
    curves = {
        (curve.scheme, curve.point.parameters["background.load"]): curve.band
        for curve in curves_of(find_runs([sweep]), "delay_s", lost_is_infinite=True)
    }
    for band in curves.values():
        rounding = 1e-12
        assert np.all(band.low <= band.probability + rounding)
        assert np.all(band.probability <= band.high + rounding)
    width = {key: np.trapezoid(band.high - band.low, band.x) for key, band in curves.items()}
    assert width["jpeg", 0.9] > 2 * width["jpeg", 0.3]


def test_sweep_gets_a_panel_per_point_with_a_legend_entry_per_scheme(sweep):
    with journal():
        figure = delay_cdf(find_runs([sweep]))
    assert [axes.get_title() for axes in figure.axes] == ["load = 0.3", "load = 0.6", "load = 0.9"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["spiff", "jpeg"]


def test_every_panel_of_a_grid_can_be_read_off_its_axis(tmp_path):
    for loads, shape in (((0.1, 0.3, 0.5, 0.7), (2, 2)), ((0.1, 0.3, 0.5), (1, 3))):
        write_sweep(tmp_path / str(len(loads)), loads=loads, replications=1, n_jobs=30)
        with journal():
            figure = delay_cdf(find_runs([tmp_path / str(len(loads))]))
        rows = {axes.get_subplotspec().get_topmost_subplotspec().get_geometry()[:2] for axes in figure.axes}
        assert rows == {shape}
        assert all(axes.get_visible() for axes in figure.axes)


def test_intervals_decide_how_many_digits_a_figure_has():
    shown = [
        with_half_width(*pair) for pair in ((0.4941, 0.035), (7.534, 0.21), (96.96, 0.0), (0.9696, 0.00059))
    ]
    assert shown == ["0.494 ± 0.035", "7.53 ± 0.21", "96.96 ± 0", "0.9696 ± 0.0006"]


@pytest.mark.parametrize("figure", [delay_cdf, savings_cdf])
def test_no_panel_cuts_a_curve_away(tmp_path, figure):
    write_sweep(tmp_path, loads=(0.1, 0.5, 0.9), replications=2, n_jobs=60, schemes=("sc", "spiff", "jpeg"))
    with journal():
        axes = figure(find_runs([tmp_path])).axes
    for panel in axes:
        low, high = panel.get_xlim()
        for line in panel.get_lines():
            if (x := np.asarray(line.get_xdata())).size > 2:
                assert low <= x.min()
                assert x.max() <= high * (1 + 1e-12)
    assert len({panel.get_xlim() for panel in axes}) == 1


def test_savings_whose_rests_differ_by_ten_get_an_axis_logarithmic_in_the_rest(tmp_path):
    # sc keeps 0.2 % of the file, jpeg 26 %: on a linear axis sc's curve is a wall at the edge.
    write_run(tmp_path / "run", schemes=("sc", "jpeg"), n_jobs=60)
    with journal():
        [axes] = savings_cdf(find_runs([tmp_path / "run"])).axes
    at_99, at_90, at_0 = axes.transData.transform([(99.0, 0), (90.0, 0), (0.0, 0)])[:, 0]
    assert at_99 - at_90 == pytest.approx(at_90 - at_0)  # a tenth of the rest each
    assert savings_ticks(50.0, 99.0) == [50.0, 80.0, 90.0, 95.0, 98.0, 99.0]


def test_many_points_get_a_panel_per_scheme_instead(tmp_path):
    write_sweep(tmp_path, loads=(0.1, 0.3, 0.5, 0.7, 0.9), replications=2, n_jobs=40)
    with journal():
        figure = delay_cdf(find_runs([tmp_path]))
    assert [axes.get_title() for axes in figure.axes] == ["spiff", "jpeg"]
    assert len(figure.legends[0].get_texts()) == 5


def test_hundreds_of_settings_are_thinned_evenly_and_the_figure_says_so(tmp_path):
    loads = tuple(float(load) for load in np.linspace(0.1, 0.9, 21))
    write_sweep(tmp_path, loads=loads, replications=1, n_jobs=20, schemes=("spiff",))
    with journal():
        figure = delay_cdf(find_runs([tmp_path]))
        bars = delay_breakdown(find_runs([tmp_path]))
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert (len(labels), labels[0], labels[-1]) == (10, "load = 0.1", "load = 0.9")
    assert figure.get_supxlabel() == "end-to-end delay (s) – 10 of 21 settings"
    assert len(bars.axes[0].get_yticks()) == 10


def test_bars_stack_to_the_mean_delay(run):
    for bar in bars_of(find_runs([run])):
        assert sum(waiting + service for waiting, service in bar.parts.values()) == pytest.approx(
            bar.total.value
        )
    with journal():
        figure = delay_breakdown(find_runs([run]))
    assert len(figure.axes[0].collections) == 0  # one short run allows no interval
    drawn = [patch for patch in figure.axes[0].patches if patch.get_width() > 0]
    assert max(patch.get_x() + patch.get_width() for patch in drawn) == pytest.approx(
        max(bar.total.value for bar in bars_of(find_runs([run])))
    )


def test_caption_gives_scores_per_rank_and_a_dash_for_an_empty_one(run):
    entry = next(entry for entry in read_index(run) if entry.scheme == "spiff" and entry.job == "harbour/1")
    assert caption(entry) == "saves 92.0 %\nPF 0.62 / 0.97\nSF 0.81 / –"
    assert configuration_text(entry) == "β 0.1, p 0.2, q 0.15"
    assert caption(None) == "not delivered"


def test_gallery_has_a_row_per_image_and_a_column_per_picture(run):
    with journal():
        figure = gallery(find_runs([run]))
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["original", "spiff: received", "spiff", "jpeg"]
    assert len(figure.axes) == 2 * 4


def test_a_run_without_pictures_says_so(tmp_path):
    write_run(tmp_path, n_jobs=10)
    with pytest.raises(InputError, match="kept no pictures"):
        draw(find_runs([tmp_path]), ["gallery"], tmp_path)
    with pytest.raises(InputError, match="figure 'delay': not one of delay_cdf, savings_cdf"):
        draw(find_runs([tmp_path]), ["delay"], tmp_path)


def test_schemes_keep_their_look_and_no_two_share_a_colour_a_dash_or_a_marker():
    alone, together = scheme_styles(["jpeg"]), scheme_styles(["mine", "spiff", "jpeg", "yours"])
    assert alone["jpeg"] == together["jpeg"]
    for attribute in ("colour", "dash", "marker"):
        values = [getattr(style, attribute) for style in STYLES]
        assert len(set(values)) == len(values)
        assert len({getattr(style, attribute) for style in together.values()}) == 4


def test_neighbouring_styles_differ_in_grey():
    def luminance(colour: str) -> float:  # ITU-R BT.601
        red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
        return 0.299 * red + 0.587 * green + 0.114 * blue

    first_four = [luminance(style.colour) for style in STYLES[:4]]
    gaps = [abs(a - b) for i, a in enumerate(first_four) for b in first_four[:i]]
    # Blue, vermilion and green are near in grey by nature: their dashes tell them apart. None coincide.
    assert min(gaps) > 0.015
    assert len({style.dash for style in STYLES[:4]}) == 4


def test_parameter_names_are_cut_to_what_tells_them_apart():
    assert short_names(["background.load"]) == {"background.load": "load"}
    assert short_names(["a.rate", "b.rate", "c"]) == {"a.rate": "a.rate", "b.rate": "b.rate", "c": "c"}
    point = {"background.load": 0.30000000000000004, "kind": "x"}
    assert PointNames([point]).title(point) == "load = 0.3, kind = x"


def test_runs_given_side_by_side_are_points_named_after_their_directories(run, tmp_path):
    other = write_run(tmp_path / "other", n_jobs=20)
    assert [point.title for point in points_of(find_runs([run, other]))] == ["run", "other"]


def test_plotting_imports_neither_torch_nor_simpy(run, tmp_path):
    program = (
        "import sys; from pathlib import Path\n"
        "from ntnsim.report.figures import draw\n"
        "from ntnsim.results.read import find_runs\n"
        "draw(find_runs([sys.argv[1]]), ['savings_cdf'], Path(sys.argv[2]))\n"
        "print(sorted({'torch', 'simpy'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program, str(run), str(tmp_path)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert (tmp_path / "savings_cdf.pdf").exists()
    assert output.strip() == "[]"


def test_bands_that_overlap_are_drawn_once():
    spans = [
        Span("pass", "a", 0.0, 10.0, ""),
        Span("pass", "b", 5.0, 20.0, ""),
        Span("fault", "gpu", 6.0, 7.0, ""),
        Span("pass", "c", 30.0, float("nan"), ""),
        Span("pass", "d", 90.0, 95.0, ""),
    ]
    assert merged(spans, "pass", 50.0) == [(0.0, 20.0), (30.0, 50.0)]
    assert merged(spans, "fault", 50.0) == [(6.0, 7.0)]


def test_the_timeline_explains_its_bands_and_hides_no_curve_behind_them(run):
    with journal():
        figure = timeline(find_runs([run]))
    assert {"satellite in view", "fault"} <= {text.get_text() for text in figure.legends[0].get_texts()}
    for axes in figure.axes:
        assert not any(patch.get_hatch() for patch in axes.patches)
        curves = [line for line in axes.get_lines() if line.get_linewidth() == 1.0]
        assert max(patch.get_zorder() for patch in axes.patches) < min(line.get_zorder() for line in curves)


def test_the_timeline_of_a_sweep_says_which_cell_it_shows(run, tmp_path):
    with journal():
        assert timeline(find_runs([run])).axes[0].get_title() == ""
        write_sweep(tmp_path, loads=(0.3, 0.6), replications=2, n_jobs=30)
        cells = find_runs([tmp_path])
        for cell in cells[2:]:  # the first point kept no timeline
            shutil.copy(run / "timeline.parquet", cell.path / "timeline.parquet")
        for cell in cells[:2]:
            (cell.path / "timeline.parquet").unlink(missing_ok=True)
        assert timeline(cells).axes[0].get_title() == "load = 0.6, replication 0"


def test_a_ratio_that_changes_nothing_leaves_the_panel_of_a_pass_to_the_others(tmp_path, monkeypatch):
    flat = np.ones(5)
    columns = {"elevation_deg": 30 * flat, "fspl_db": 160 * flat, "rate_bps": 1e6 * flat}
    columns |= {
        "cnr_db": 3 * flat,
        "sinr_db": 2.9 * flat,
        "co_channel_db": 12 * flat,
        "frequency_error_db": 32 * flat,
    }
    legends = []
    monkeypatch.setattr(
        Axes, "legend", lambda axes, *_, **__: legends.append(axes.get_legend_handles_labels()[1])
    )
    draw_pass(np.arange(5.0), columns, "pass", tmp_path / "pass.png")
    assert legends[-1] == ["CNR", "SINR", "other beams"]
    assert 10 * np.log10(1 + 10 ** (-NO_MATTER_DB / 10)) < 0.05


def test_a_legend_of_long_labels_stays_inside_its_figure():
    from matplotlib.figure import Figure

    with journal():
        figure = Figure(figsize=(7.16, 2.4))
        [line] = figure.subplots().plot([0, 1])
        legend_above(
            figure, [line] * 6, [f"background = 0.{n}, arrivals = rate_per_s 0.1" for n in range(6)], 6
        )
        figure.canvas.draw()
    [legend] = figure.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
    assert figure.get_figheight() > 2.4


def test_curves_of_one_scheme_under_other_settings_look_different(sweep):
    found = find_runs([sweep])
    runs = [replace(run, parameters={**run.parameters, "rate": run.replication % 2}) for run in found]
    with journal():
        axes = load_curves(runs).axes[0]
    lines = [container.lines[0] for container in axes.containers]
    looks = {(line.get_color(), line.get_marker(), line.get_markerfacecolor()) for line in lines}
    assert len(lines) == len(looks) == 2 * len(page_data(runs)["schemes"])
    assert set(page_data(runs)["load"]["others"].values()) == {"rate = 0", "rate = 1"}
