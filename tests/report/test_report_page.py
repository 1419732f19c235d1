"""The report page in a real browser: charts drawn, toggles and keyboard work, nothing is fetched, nothing complains."""

import base64
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import time

import pytest
from PIL import Image
from synthetic_run import write_run, write_sweep

from ntnsim.report.breakdown_figure import Bar, axis_limit_s
from ntnsim.report.cdf_figure import curves_of
from ntnsim.report.groups import points_of
from ntnsim.report.land import land_outlines
from ntnsim.report.page import page, write_page
from ntnsim.report.page_data import summary_rows
from ntnsim.results.ground_track import GroundTrack, SatellitePath, TrackSite, write_ground_track
from ntnsim.results.read import find_runs
from ntnsim.results.statistics import Interval

PACKAGES = ("chromium", "chromium-driver")


@pytest.fixture(scope="module")
def run_page(tmp_path_factory):
    import numpy as np

    directory = tmp_path_factory.mktemp("page") / "run"
    run = write_run(directory, n_pictures=2, n_jobs=300)
    longitude = (np.linspace(-170, 550, 120) + 180) % 360 - 180
    paths = [
        SatellitePath(f"LEO-{i}", 53 * np.sin(np.linspace(0, 9, 120) + i), longitude, i == 0)
        for i in range(3)
    ]
    write_ground_track(run, GroundTrack(5400.0, paths, [TrackSite("parma", 44.8, 10.3)]))
    path = directory / "report.html"
    write_page(find_runs([run]), path)
    return path


@pytest.fixture(scope="module")
def sweep_page(tmp_path_factory):
    directory = write_sweep(tmp_path_factory.mktemp("page") / "sweep", n_jobs=80, replications=3)
    path = directory / "report.html"
    write_page(find_runs([directory]), path)
    return path


def install_browser():
    """Install Debian's browser where that is wanted and possible; skip the test, saying why, where it is not."""
    if not os.environ.get("CI"):
        pytest.skip(
            f"no browser here: install Debian's {' and '.join(PACKAGES)}, or set CI=1 to have it done"
        )
    if not shutil.which("apt-get") or os.geteuid() != 0:
        pytest.skip("no browser here, and installing Debian's needs apt-get and root")
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *PACKAGES]
    for command in (["apt-get", "update", "-q"], install):
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            pytest.skip(
                f"no browser here, and {' '.join(command[:2])} failed: {said[-1] if said else 'silently'}"
            )


@pytest.fixture(scope="module")
def browser():
    selenium = pytest.importorskip("selenium", reason="selenium drives the browser")
    del selenium
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    if not all(map(shutil.which, ("chromium", "chromedriver"))):
        install_browser()
    options = Options()
    options.binary_location = shutil.which("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    yield driver
    driver.quit()


def opened(browser, path, *, width=1200, height=900):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
    )
    browser.get(path.as_uri())
    assert browser.get_log("browser") == []
    return browser


def count(browser, selector):
    return browser.execute_script("return document.querySelectorAll(arguments[0]).length", selector)


def press(browser, *keys):
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(browser).send_keys(*keys).perform()


def test_every_chart_of_a_run_is_drawn_and_the_console_stays_silent(browser, run_page):
    opened(browser, run_page)
    for chart in ("delay-cdf", "savings-cdf"):
        assert count(browser, f"#{chart} path.curve") == 2
    assert (
        count(browser, "#breakdown g.bar") == 2 * 7 + 1
    )  # five services, three waitings; jpeg has no reconstruction
    assert count(browser, "#pareto-3 g.mean") == 2
    assert count(browser, "#timeline-5 path.curve") == 2
    assert count(browser, "#track path.curve") == 3
    drawn = browser.execute_script(
        "return [...document.querySelectorAll('path.curve')].every(p => p.getTotalLength() > 20)"
    )
    assert drawn
    assert browser.execute_script("return [...document.images].every(i => i.naturalWidth > 0 || !i.alt)")


@pytest.mark.parametrize("width", [1280, 390])
def test_no_label_is_cut_and_no_whole_bar_is_marked_as_cut(browser, run_page, sweep_page, width):
    for path in (sweep_page, run_page):
        opened(browser, path, width=width)
        cut = browser.execute_script(
            "return [...document.querySelectorAll('svg text')].filter(t => {"
            "  const box = t.getBBox(), wide = t.ownerSVGElement.viewBox.baseVal.width;"
            "  return box.x < -0.5 || box.x + box.width > wide + 0.5;"
            "}).map(t => t.textContent)"
        )
        assert cut == []
    assert "▸" not in browser.execute_script("return document.getElementById('breakdown').textContent")


def test_page_fetches_nothing(browser, run_page):
    opened(browser, run_page)
    fetched = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in fetched if not name.startswith("data:")] == []
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", run_page.read_text())


def test_toggling_a_scheme_takes_it_out_of_charts_table_and_gallery(browser, run_page):
    opened(browser, run_page)
    visible = (
        "return [...document.querySelectorAll('[data-of-scheme=jpeg]')].filter(e => e.offsetParent).length"
    )
    assert browser.execute_script(visible) == 1 + 2
    button = browser.find_element("css selector", "button[data-scheme=jpeg]")
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert count(browser, "#delay-cdf path.curve") == 1
    assert browser.execute_script(visible) == 0
    button.click()
    assert count(browser, "#delay-cdf path.curve") == 2


def test_keyboard_alone_toggles_reads_values_and_enlarges_a_picture(browser, run_page):
    from selenium.webdriver.common.keys import Keys

    opened(browser, run_page)
    press(browser, Keys.TAB)
    assert browser.switch_to.active_element.get_attribute("data-scheme") == "spiff"
    press(browser, Keys.SPACE)
    assert count(browser, "#delay-cdf path.curve") == 1
    press(browser, Keys.SPACE)
    for _ in range(12):
        press(browser, Keys.TAB)
        if browser.execute_script("return document.activeElement.closest('#delay-cdf') !== null"):
            break
    press(browser, Keys.END)
    readout = browser.find_element("css selector", "#delay-cdf .readout")
    shares = [float(share) for share in re.findall(r": ([\d.]+) %", readout.text)]
    summary = json.loads((run_page.parent / "summary.json").read_text())
    for share, scheme in zip(shares, ("spiff", "jpeg"), strict=True):
        states = summary["schemes"][scheme]["states"]
        arrived = states.get("delivered", 0) + states.get("late", 0)
        assert share == pytest.approx(100 * arrived / 300, abs=0.05)
    press(browser, Keys.ESCAPE)
    assert not readout.is_displayed()
    browser.execute_script("document.querySelector('.pictures button').focus()")
    press(browser, Keys.ENTER)
    assert browser.execute_script("return document.querySelector('#enlarged').open")
    press(browser, Keys.ESCAPE)
    assert not browser.execute_script("return document.querySelector('#enlarged').open")


def test_choosing_a_setting_of_a_sweep_redraws_the_distributions(browser, sweep_page):
    from selenium.webdriver.support.ui import Select

    opened(browser, sweep_page)
    before = browser.find_element("css selector", "#delay-cdf path.curve").get_attribute("d")
    select = Select(browser.find_element("id", "point"))
    assert [option.text for option in select.options] == ["load = 0.3", "load = 0.6", "load = 0.9"]
    select.select_by_index(2)
    assert browser.find_element("css selector", "#delay-cdf path.curve").get_attribute("d") != before
    assert count(browser, "#load-0 path.curve") == 2


def test_the_timeline_of_a_sweep_is_that_of_the_chosen_setting_and_says_so(browser, sweep_page):
    opened(browser, sweep_page)
    of = "return document.getElementById('timeline-of').textContent"
    first = browser.execute_script(of)
    assert first.startswith("load = 0.3, at parma, replication 0")
    curve = "return document.querySelector('#timeline-1 path.curve').getAttribute('d')"
    path = browser.execute_script(curve)
    browser.execute_script(
        "const s = document.getElementById('point'); s.selectedIndex = 2; s.dispatchEvent(new Event('change'))"
    )
    assert browser.execute_script(of).startswith("load = 0.9")
    assert browser.execute_script(curve) != path


def test_two_bars_are_never_cut_and_an_outlier_among_many_is(browser, run_page):
    opened(browser, run_page)
    limit = "return barLimit(arguments[0])"
    assert browser.execute_script(limit, [0.22, 2.94]) == 2.94
    assert browser.execute_script(limit, [1.0, 1.1, 40.0]) == pytest.approx(8.8)
    assert browser.execute_script(limit, [1.0, 1.1, 4.0]) == 4.0
    bars = [Bar("a", None, {}, Interval(mean, 0, mean, 0.95)) for mean in (0.22, 2.94)]
    assert axis_limit_s(bars) == 2.94  # the figure's rule is the page's


def downloaded(browser, directory, button):
    before = set(directory.iterdir())
    browser.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(directory)}
    )
    browser.execute_script("document.querySelector(arguments[0]).click()", f"button[aria-label='{button}']")
    for _ in range(100):
        done = [path for path in set(directory.iterdir()) - before if path.suffix in (".csv", ".png")]
        if done and done[0].stat().st_size:
            return done[0]
        time.sleep(0.1)
    raise AssertionError(f"{button}: nothing arrived")


def test_every_chart_can_be_taken_away_as_numbers_and_as_a_picture(browser, run_page, tmp_path):
    opened(browser, run_page)
    charts = browser.execute_script("return [...document.querySelectorAll('.chart')].map((c) => c.id)")
    assert count(browser, ".downloads button") == 2 * len(charts) > 10
    with downloaded(browser, tmp_path, "Download delay-cdf as CSV").open(
        newline="", encoding="utf-8"
    ) as file:
        rows = list(csv.DictReader(file))
    for curve in curves_of(find_runs([run_page.parent]), "delay_s", lost_is_infinite=True):
        shares = [float(row["share"]) for row in rows if row["scheme"] == curve.scheme]
        assert shares == pytest.approx(curve.band.probability.tolist(), rel=1e-4)  # five digits
    picture = Image.open(downloaded(browser, tmp_path, "Download delay-cdf as PNG"))
    shown = browser.execute_script("return document.querySelector('#delay-cdf svg').viewBox.baseVal.width")
    assert picture.width == 3 * shown
    seen = {colour for _, colour in picture.convert("RGB").getcolors(1 << 24)}
    assert {(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00), (255, 255, 255)} <= seen  # both schemes, on white


def test_a_scheme_named_like_a_formula_stays_a_text_in_a_spreadsheet(browser, run_page):
    opened(browser, run_page)
    cells = browser.execute_script("return ['=1+1', 'a,b', 'say \"x\"', 0.25, null].map(csvCell)")
    assert cells == [" =1+1", '"a,b"', '"say ""x"""', "0.25", ""]


def test_coasts_lie_where_they_are():
    def inside(longitude, latitude):  # how often a ray to the east crosses an outline
        crossings = 0
        for outline in land_outlines():
            x, y = outline[0::2], outline[1::2]
            for i in range(len(x)):
                (x0, y0), (x1, y1) = (x[i - 1] / 10, y[i - 1] / 10), (x[i] / 10, y[i] / 10)
                if (y0 > latitude) != (y1 > latitude):
                    crossings += x0 + (latitude - y0) / (y1 - y0) * (x1 - x0) > longitude
        return crossings % 2 == 1

    land = {"Parma": (10.3, 44.8), "Nairobi": (36.8, -1.3), "Denver": (-105.0, 39.7), "Perth": (116.5, -31.9)}
    sea = {
        "Atlantic": (-40.0, 30.0),
        "Pacific": (-150.0, 0.0),
        "Indian": (80.0, -20.0),
        "Adriatic": (15.0, 43.2),
    }
    assert {name for name, place in (land | sea).items() if inside(*place)} == set(land)


def test_a_phone_needs_no_sideways_scrolling_and_keeps_readable_labels(browser, sweep_page):
    opened(browser, sweep_page, width=360, height=740)
    width, scroll = browser.execute_script("return [innerWidth, document.documentElement.scrollWidth]")
    assert width == scroll == 360
    smallest = browser.execute_script(
        "return Math.min(...[...document.querySelectorAll('.chart text')].map(t => t.getBoundingClientRect().height))"
    )
    assert smallest >= 11


def test_printing_gives_pages_with_all_charts_as_vectors(browser, run_page, tmp_path):
    opened(browser, run_page)
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"paperWidth": 8.27, "paperHeight": 11.69})
    content = base64.b64decode(printed["data"])
    pages = len(re.findall(rb"/Type\s*/Page\b", content))
    assert 2 <= pages <= 8


def test_page_is_the_same_bytes_for_the_same_results(run_page, sweep_page):
    for path in (run_page, sweep_page):
        assert page(find_runs([path.parent])) == path.read_text()


def test_a_band_is_told_of_only_where_one_is_drawn(run_page, sweep_page):
    assert "Shaded: confidence band." in sweep_page.read_text()
    assert "Shaded" not in run_page.read_text()  # one run of 300 images has none


def test_summary_of_a_sweep_has_a_line_per_setting_and_scheme(sweep_page):
    rows = summary_rows(points_of(find_runs([sweep_page.parent])))
    assert [(row["point"], row["scheme"]) for row in rows][:3] == [
        ("load = 0.3", "spiff"),
        ("load = 0.3", "jpeg"),
        ("load = 0.6", "spiff"),
    ]
    # An interval that would pass below 0 s is written with its limits.
    assert all(" ± " in row["delay"] or " [0.0" in row["delay"] for row in rows)
    assert any(" ± " in row["delay"] for row in rows)


def test_names_from_a_scenario_cannot_break_the_page(tmp_path):
    run = write_run(tmp_path / "run", n_jobs=30)
    provenance = json.loads((run / "provenance.json").read_text())
    provenance["scenario"]["name"] = provenance["scenario"]["description"] = (
        "</script><script>alert(1)</script>"
    )
    (run / "provenance.json").write_text(json.dumps(provenance))
    text = page(find_runs([run]))
    assert "<script>alert" not in text
    assert text.count("</script>") == 2


def test_making_a_page_imports_neither_torch_nor_simpy(run_page, tmp_path):
    program = (
        "import sys; from pathlib import Path\n"
        "from ntnsim.report.page import write_page; from ntnsim.results.read import find_runs\n"
        "write_page(find_runs([sys.argv[1]]), Path(sys.argv[2]))\n"
        "print(sorted({'torch', 'simpy'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program, str(run_page.parent), str(tmp_path / "page.html")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"
