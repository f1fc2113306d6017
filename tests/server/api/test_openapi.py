"""The API's document, which describes the API as it is."""

from __future__ import annotations

import json

from openapi_spec_validator import validate

from ota_py.server.api import api


def test_the_document_is_valid_openapi() -> None:
    document = json.loads(json.dumps(api.get_openapi_schema()))
    validate(document)


def test_every_operation_says_what_it_is_and_how_it_fails() -> None:
    document = api.get_openapi_schema()
    assert "Failure" in document["components"]["schemas"]
    for path, item in document["paths"].items():
        assert path.startswith("/api/v1/")
        for method, operation in item.items():
            assert operation["description"], (method, path)
            assert "4XX" in operation["responses"]
            assert ("security" in operation) == (path != "/api/v1/health"), path
