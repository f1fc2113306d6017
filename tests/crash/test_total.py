"""The matrix is as large as it is said to be; runs last, over all that this session ran."""

from __future__ import annotations

import pytest

from tests.crash import matrix
from tests.crash.case import Case


def test_the_matrix_is_as_large_as_promised(request: pytest.FixtureRequest, cases: list[Case]) -> None:
    ran = {(case.layer, case.scenario) for case in cases}
    on_gateways = any(item.path.name == "test_real.py" for item in request.session.items)
    if not on_gateways or any((job.layer, job.scenario) not in ran for job in matrix.jobs()):
        pytest.skip("only a part of the matrix was asked for")
    print(matrix.summary(cases))
    assert not matrix.shortfall(cases)
