"""The report page in a real browser: charts drawn, toggles and keyboard work, nothing is fetched, nothing complains."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from synthetic_run import write_run, write_sweep

from ntnsim.report.groups import points_of
from ntnsim.report.page import page, write_page
from ntnsim.report.page_data import summary_rows
from ntnsim.results.ground_track import GroundTrack, SatellitePath, TrackSite, write_ground_track
from ntnsim.results.read import find_runs

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


def test_summary_of_a_sweep_has_a_line_per_setting_and_scheme(sweep_page):
    rows = summary_rows(points_of(find_runs([sweep_page.parent])))
    assert [(row["point"], row["scheme"]) for row in rows][:3] == [
        ("load = 0.3", "spiff"),
        ("load = 0.3", "jpeg"),
        ("load = 0.6", "spiff"),
    ]
    assert all(" ± " in row["delay"] for row in rows)


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
