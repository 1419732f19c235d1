"""SQL over results: the rows that pandas finds, read from files that no query changes."""

import csv
import io
import json
import sys

import pytest
from synthetic_run import write_run, write_sweep
from typer.testing import CliRunner

import ntnsim
from ntnsim.cli import app
from ntnsim.errors import InputError
from ntnsim.results.query import query
from ntnsim.results.rows_text import as_csv, as_json_rows, as_table

pytest.importorskip("duckdb")


def test_means_by_scheme_and_what_a_sweep_varied_are_those_of_pandas(tmp_path):
    sweep = write_sweep(tmp_path / "sweep", n_jobs=20, replications=2)
    whole = ntnsim.load(sweep).astype({"scheme": str})
    expected = whole.groupby(["background.load", "scheme"], observed=True)["delay_s"].mean()
    names, rows = query(
        [sweep],
        'SELECT "background.load", scheme, avg(delay_s) AS mean_s FROM records GROUP BY ALL ORDER BY ALL',
    )
    assert names == ["background.load", "scheme", "mean_s"]
    found = list(rows)
    assert [(load, scheme) for load, scheme, _ in found] == list(expected.index)
    assert [mean_s for *_, mean_s in found] == pytest.approx(expected.tolist(), rel=1e-12)


def test_timeline_and_fluid_tables_are_there_where_runs_have_them(tmp_path):
    run = write_run(tmp_path / "run", n_jobs=5)
    [(tables,)] = query([run], "SELECT list(name) FROM (SHOW TABLES)")[1]
    assert set(tables) >= {"records"}
    assert ("timeline" in tables) == (run / "timeline.parquet").exists()
    fluid = {
        "name": "fluid",
        "fidelity": "fluid",
        "horizon": {"duration_s": 600},
        "sources": [{"name": "a", "arrivals": {"kind": "poisson", "rate_per_s": 0.5}}],
        "gateways": [{"name": "parma", "device": "instant"}],
        "satellite_link": {"kind": "constant", "rate_bps": 1e6},
        "data_network": {"device": "instant"},
        "output": {"timeline_step_s": None},
        "schemes": [{"name": "s", "codec": {"kind": "sizes", "size_bits": 1e5}}],
    }
    done = ntnsim.run(ntnsim.Scenario(**fluid), tmp_path / "fluid")
    flow = done._directory.flow("sites", "s")
    [row] = query([tmp_path / "fluid"], "SELECT run, site, images FROM sites")[1]
    assert row == ("fluid", *flow.loc[0, ["site", "images"]])
    with pytest.raises(InputError, match=r"SQL: .*records does not exist"):
        query([tmp_path / "fluid"], "SELECT * FROM records")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELCT 1", '^SQL: Parser Error: syntax error at or near "SELCT"$'),
        ("SELECT delays FROM records", r'^SQL: .*column "delays" not found.*; candidate bindings: "delay'),
        ("SELECT * FROM recods", '^SQL: .*recods does not exist; did you mean "records"'),
        ("", "^SQL: must be one SELECT over records.*, got ''$"),
        ("SELECT 1; SELECT 2", "^SQL: must be one SELECT"),
        ("CREATE TABLE t (a INT)", "^SQL: must be one SELECT"),
        ("COPY (SELECT 1) TO 'HERE.csv'", "^SQL: must be one SELECT"),
        ("SELECT * FROM read_csv('HERE.csv')", "^SQL: .*file system operations are disabled"),
        ("SELECT * FROM 'HERE.csv'", "^SQL: "),
        ("SELECT * FROM tables", "^SQL: .*tables does not exist"),  # a variable of query itself
        ("SELECT CAST(scheme AS INT) FROM records", "^SQL: Conversion Error"),  # told while rows are read
    ],
)
def test_what_is_no_question_is_told_in_one_line(tmp_path, sql, message):
    run = write_run(tmp_path / "run", n_jobs=5)
    (tmp_path / "HERE.csv").write_text("a\n1\n")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    with pytest.raises(InputError, match=message) as told:
        list(query([run], sql.replace("HERE", str(tmp_path / "HERE")))[1])
    assert "\n" not in str(told.value)
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_damage_and_absent_parts_are_told(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no such directory"):
        query([tmp_path / "nowhere"], "SELECT 1")
    run = write_run(tmp_path / "run", n_jobs=5)
    part = next((run / "records").glob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"part-00000.parquet: "):
        query([run], "SELECT 1")
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(InputError, match=r"^query: needs the package duckdb; install ntnsim\[sql\]$"):
        query([run], "SELECT 1")


def test_the_command_prints_a_table_csv_or_json(tmp_path):
    run = write_run(tmp_path / "run", n_jobs=5)
    sql = "SELECT scheme, count(*) AS n FROM records GROUP BY scheme ORDER BY scheme"
    counts = ntnsim.load(run).astype({"scheme": str}).groupby("scheme").size()

    def printed(*options):
        result = CliRunner().invoke(app, ["query", str(run), sql, *options])
        assert result.exit_code == 0, result.output
        return result.output

    head, *lines = printed().splitlines()
    assert head.split() == ["scheme", "n"]
    assert [line.split() for line in lines] == [[name, str(n)] for name, n in counts.items()]
    assert [row["n"] for row in csv.DictReader(printed("--csv").splitlines())] == [str(n) for n in counts]
    assert json.loads(printed("--json")) == [{"scheme": name, "n": n} for name, n in counts.items()]
    both = CliRunner().invoke(app, ["query", str(run), sql, "--csv", "--json"])
    assert isinstance(both.exception, InputError)


def test_rows_as_text_keep_nulls_quotes_and_numbers_that_json_lacks():
    names, rows = ["a", "text"], [(1.23456789, 'say "x", y'), (None, None), (float("nan"), "two\nlines")]
    assert list(as_table(names, rows)) == ["      a  text", '1.23457  say "x", y', "", "    nan  two lines"]
    assert list(csv.reader(io.StringIO("\n".join(as_csv(names, rows)), newline=""))) == [
        names,
        ["1.23456789", 'say "x", y'],
        ["", ""],
        ["nan", "two\nlines"],
    ]
    assert json.loads("\n".join(as_json_rows(names, rows))) == [
        {"a": 1.23456789, "text": 'say "x", y'},
        {"a": None, "text": None},
        {"a": None, "text": "two\nlines"},
    ]
    assert "\n".join(as_json_rows(names, [])) == "[]"
