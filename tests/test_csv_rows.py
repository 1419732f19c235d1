"""CSV files from spreadsheets: read right, or refused by line and column."""

import pytest

from ntnsim.chance.traffic import read_trace
from ntnsim.csv_rows import read_rows
from ntnsim.datasets.aerial import AerialDataset
from ntnsim.datasets.files import AreaRange
from ntnsim.datasets.persons import PersonsDataset
from ntnsim.errors import DatasetError, ScenarioError

GOOD = "time_s,image\n0.5,3\n1.5,0\n"


def trace(tmp_path, data):
    path = tmp_path / "trace.csv"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_trace(path)


@pytest.mark.parametrize(
    "data",
    [
        GOOD,
        GOOD.encode("utf-8-sig"),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\r"),
        GOOD + "\n\n",
        GOOD.rstrip(),
        'time_s,"image"\n"0.5",3\n 1.5 ,0\n',
        "time_s,image,note\n0.5,3,é\n15e-1,0,\n",
    ],
)
def test_what_means_one_thing_is_read(tmp_path, data):
    assert trace(tmp_path, data) == ([0.5, 1.5], [3, 0])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("time_s;image\n0,5;3\n", r"trace.csv:1: columns are separated by ';'; write commas"),
        ("time_s\timage\n0.5\t3\n", r"trace.csv:1: columns are separated by '\\t'"),
        ("time_s,image\n0,5,3\n", r"trace.csv:2: 3 values under 2 column names; is a comma meant"),
        ('time_s,image\n"0,5",3\n', r"trace.csv:2: needs a number in column time_s, got '0,5'"),
        ("time_s,image\n0.5,3\n1.5\n", r"trace.csv:3: 1 values under 2 column names"),
        ("time_s,image\n0.5,3\n\n1.5,0\n", r"trace.csv:3: "),
        ("time_s,image\n0.5,3\n,0\n", r"trace.csv:3: needs a number in column time_s, got ''"),
        ("time_s\ninf\n", r"trace.csv:2: needs a number in column time_s, got 'inf'"),
        ("time_s\n1e999\n", r"trace.csv:2: needs a number in column time_s, got '1e999'"),
        ("time_s\n1_0\n", r"trace.csv:2: needs a number in column time_s, got '1_0'"),
        ("time_s\n1\u00a0\n", r"trace.csv:2: needs a number in column time_s"),
        ("time_s,image\n0.5,-1\n", r"trace.csv:2: column image is -1, allowed are 0 to 1e\+09"),
        ("time_s,image\n0.5,1.5\n", r"trace.csv:2: needs a whole number in column image, got '1.5'"),
        ("time_s,time_s\n1,2\n", r"trace.csv:1: the column 'time_s' stands there twice"),
        ("image\n1\n", r"trace.csv: lacks the column time_s"),
        ("", r"trace.csv: is empty; a header line"),
        ("time_s\n", r"trace.csv: holds no arrivals"),
        ("time_s,ort\n1,Köln\n".encode("latin-1"), r"trace.csv:2: character 4 is not UTF-8 \(Latin-1\?\)"),
        (GOOD.encode("utf-16"), r"trace.csv: is UTF-16 or no text"),
        (GOOD.encode("utf-16-le"), r"trace.csv: is UTF-16 or no text"),
    ],
)
def test_all_else_is_refused_by_line_and_column(tmp_path, data, message):
    with pytest.raises(ScenarioError, match=message) as caught:
        trace(tmp_path, data)
    assert len(str(caught.value).splitlines()) == 1


def test_rows_know_their_lines(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n" + "".join(f"{n},{n * n}\n" for n in range(5_000)))
    columns, rows = read_rows(tmp_path / "x.csv")
    assert columns == ["a", "b"]
    assert [row.line for row in rows] == list(range(2, 5_002))
    assert rows[77].number("b") == 77**2


def test_data_sets_name_the_line_too(tmp_path):
    (tmp_path / "index.csv").write_text(
        "file,split,dataset,person_fraction\na.jpg,val,COCO,0.3\nb.jpg,val,COCO,nan\n"
    )
    with pytest.raises(
        DatasetError, match=r"index.csv:3: needs a number in column person_fraction, got 'nan'"
    ):
        PersonsDataset(tmp_path, area=AreaRange("person", 0.2, 0.6))
    (tmp_path / "masks").mkdir()
    for text, message in (
        ("index,name\n0,a\n0,b\n", r"classes.csv:3: 'b' has the colour or index of another class"),
        ("name,r,g,b\na,0,0,300\n", r"classes.csv:2: column b is 300, allowed are 0 to 255"),
        ("index,name\n-1,a\n", r"classes.csv:2: column index is -1"),
        ("name\na\n", r"needs the columns name, r, g, b or index, name; it has name"),
    ):
        (tmp_path / "classes.csv").write_text(text)
        with pytest.raises(DatasetError, match=message):
            AerialDataset(tmp_path)
