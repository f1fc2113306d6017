"""The matrix is as large as it is said to be; runs after all parts that need no gateway.

The part on gateways judges its own size (`test_real.py`), so that it may run elsewhere. Where not all of the
others were asked for, this is not asked for either: `conftest.py`.
"""

from __future__ import annotations

from tests.crash import matrix
from tests.crash.case import Case, Fault, Layer


def test_the_matrix_is_as_large_as_promised(cases: list[Case]) -> None:
    print(matrix.summary(cases))
    assert not matrix.misfit(cases)


def test_a_matrix_of_another_size_is_noticed() -> None:
    def of(count: int) -> list[Case]:
        return [Case("update", "", Fault.ERROR, Layer.SIM) for _ in range(count)]

    assert matrix.misfit(of(matrix.OTHERS.start - 1)) == "851 points without a gateway, expected 852 to 1332"
    assert not matrix.misfit(of(matrix.OTHERS.start))
    assert not matrix.misfit(of(matrix.OTHERS.stop - 1))
    assert matrix.misfit(of(matrix.OTHERS.stop))
