"""The HTTP API, version 1. Its document is generated: `api.get_openapi_schema()`."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Literal

from django.http import HttpRequest
from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from ota_py import __version__
from ota_py.server.api import fleet, gateways, poll, rollouts, tokens, updates
from ota_py.server.api.auth import READER
from ota_py.server.api.errors import add_handlers
from ota_py.server.api.parser import StrictParser
from ota_py.server.api.renderer import PrintableRenderer
from ota_py.server.api.schemas import AssignmentOut, Failure

API_PATH = "/api/v1/"
SCHEMA_REFERENCE = "#/components/schemas/{model}"
FAILURE_RESPONSE = {
    "description": "400, 413, 422: bad input; 401: no token; 403: not allowed; 404: unknown; "
    "405: not by this method; 408: too slow; 409: conflict; 429: too much, later",
    "content": {"application/json": {"schema": {"$ref": SCHEMA_REFERENCE.format(model="Failure")}}},
}

# Schemas that no operation of ninja refers to.
UNLISTED: list[tuple[type[BaseModel], Literal["serialization"]]] = [
    (Failure, "serialization"),
    (AssignmentOut, "serialization"),
]


class OtaApi(NinjaAPI):
    """Ninja's API, whose document also describes failures."""

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """The OpenAPI document."""
        document = super().get_openapi_schema(**{"path_prefix": API_PATH, **options})
        _, failures = models_json_schema(UNLISTED, ref_template=SCHEMA_REFERENCE)
        document["components"]["schemas"].update(failures["$defs"])
        document["paths"][API_PATH + poll.PATH] = {"get": deepcopy(poll.DOCUMENT)}
        for path in document["paths"].values():
            for operation in path.values():
                operation["responses"]["4XX"] = FAILURE_RESPONSE
        return document


api = OtaApi(
    title="OTA control plane",
    version=__version__,
    description="Records of gateways, updates and rollouts. Times are RFC 3339 in UTC.",
    openapi_url=None,
    docs_url=None,
    auth=READER,
    parser=StrictParser(),
    renderer=PrintableRenderer(),
    urls_namespace="api-v1",
)
add_handlers(api)
api.add_router("/gateways", gateways.router)
api.add_router("/updates", updates.router)
api.add_router("/rollouts", rollouts.router)
api.add_router("/tokens", tokens.router)
api.add_router("", fleet.router)


@api.get("/openapi.json", include_in_schema=False)
def openapi(request: HttpRequest) -> dict[str, Any]:
    """The API's OpenAPI document."""
    return api.get_openapi_schema()
