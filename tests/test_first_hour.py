"""What three newcomers do in their first hour works in an empty directory, with an installed wheel."""

import pytest
from first_hour import main


@pytest.mark.slow
def test_the_first_hour_of_three_users(capsys):
    pytest.importorskip("hatchling", reason="the wheel is built by hatchling, an extra of development")
    main(["--reduced"])
    assert capsys.readouterr().out.count("\n") > 20  # each step is told
