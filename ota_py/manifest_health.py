"""The health section of a manifest: the probes that must pass before the update is committed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ota_py.manifest_fields import Model, ServiceName

PROBES_MAX = 64
SETTLE_SECONDS_DEFAULT = 5.0


class AnyProbe(Model):
    """Fields that all probes have."""

    required: bool = Field(
        default=False,
        description="counts although it failed before the update: for what the update itself brings",
    )


class HttpProbe(AnyProbe):
    """GET a URL from the gateway; healthy when the status is the expected one."""

    type: Literal["http"]
    url: Annotated[str, Field(pattern=r"^https?://", max_length=500)]
    status: int = Field(default=200, ge=100, le=599)
    timeout_seconds: float = Field(default=5, gt=0, le=60)


class TcpProbe(AnyProbe):
    """Open a TCP connection from the gateway."""

    type: Literal["tcp"]
    host: Annotated[str, Field(min_length=1, max_length=253)]
    port: int = Field(ge=1, le=65535)
    timeout_seconds: float = Field(default=5, gt=0, le=60)


class MqttProbe(AnyProbe):
    """Connect to an MQTT broker, publish and receive one message."""

    type: Literal["mqtt"]
    host: Annotated[str, Field(min_length=1, max_length=253)]
    port: int = Field(default=1883, ge=1, le=65535)
    topic: Annotated[str, Field(min_length=1, max_length=200)] = "ota/probe"
    timeout_seconds: float = Field(default=5, gt=0, le=60)


class CommandProbe(AnyProbe):
    """Run a command inside a service's container; healthy when it exits 0."""

    type: Literal["command"]
    service: ServiceName
    command: Annotated[list[str], Field(min_length=1, max_length=32)]
    timeout_seconds: float = Field(default=10, gt=0, le=300)


Probe = Annotated[HttpProbe | TcpProbe | MqttProbe | CommandProbe, Field(discriminator="type")]


class Health(Model):
    """The health checks that must pass before the update is committed."""

    settle_seconds: float = Field(
        default=SETTLE_SECONDS_DEFAULT,
        ge=0,
        le=600,
        description="how long services without a healthcheck must run without a restart",
    )
    probes: Annotated[list[Probe], Field(max_length=PROBES_MAX)] = []
