"""Tables of the gateway's and the operator's commands are set by one rule."""

from __future__ import annotations

import pytest

from ota_py.gateway.commands import output
from ota_py.manager.console.table import echo_table
from ota_py.text.table import aligned

ROWS = [["1.2.0", ""], ["1.10.0-rc.1", "yes"]]


def test_columns_are_as_wide_as_their_widest_cell_and_lines_end_with_text() -> None:
    assert aligned([["a", "bb"], *ROWS]) == ["a            bb", "1.2.0", "1.10.0-rc.1  yes"]
    assert aligned([["only", "headings"]]) == ["only  headings"]
    assert aligned([]) == []


def test_a_row_with_another_number_of_cells_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="zip"):
        aligned([["a", "b"], ["c"]])


def test_both_sides_use_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert output.table(["version", "bad"], [["1.2.0", None], ["1.3.0", 1]]) == "version  bad\n1.2.0    -\n1.3.0    1"
    echo_table(["version", "bad"], [["1.2.0", None], ["1.3.0", True]], "none")
    assert capsys.readouterr().out == "VERSION  BAD\n1.2.0    -\n1.3.0    yes\n"
