"""Files that commands write beside results: own ones are made anew, others are never written over."""

from concurrent.futures import ThreadPoolExecutor

import pytest

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
