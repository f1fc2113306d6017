"""Pinning and rendering."""

from __future__ import annotations

import pytest

from ota_py.errors import IncompatibleError
from ota_py.gateway.fetch.staging import pin_images, render
from ota_py.manifest import Image

IMAGE = Image(reference="registry:5000/team/app:1.1.0", digest="sha256:" + "a" * 64, size=1)
PINNED = "registry:5000/team/app@sha256:" + "a" * 64

COMPOSE = """\
# What this box runs.
x-common: &common
  restart: unless-stopped   # always on

services:
    app:
        <<: *common
        image: "registry:5000/team/app:1.0.0"  # the app
        command: ["run",   '--quiet', "a very long line that must not be wrapped {long}"]
        ports:
          - "8080:80"
    other:
        image: other:1
"""


def test_only_the_image_changes() -> None:
    text = COMPOSE.format(long="x" * 200)
    got = pin_images(text.encode(), {"app": IMAGE.pinned}).decode()
    assert got.replace(PINNED, "registry:5000/team/app:1.0.0").split() == text.split()
    changed = [new for new, old in zip(got.splitlines(), text.splitlines(), strict=True) if new != old]
    assert [line for line in changed if "image" in line] == [f'        image: "{PINNED}" # the app']


def test_an_image_that_comes_by_a_merge_key_is_overridden_for_its_service_alone() -> None:
    text = b"x: &x\n  image: base:1\nservices:\n  a:\n    <<: *x\n  b:\n    <<: *x\n"
    got = pin_images(text, {"a": IMAGE.pinned}).decode()
    assert "x: &x\n  image: base:1\n" in got
    assert got.count(PINNED) == 1


@pytest.mark.parametrize("text", [b"a: [", b"- list\n", b"services: 3\n", b"", b"\xff"])
def test_what_is_no_compose_file(text: bytes) -> None:
    with pytest.raises(IncompatibleError):
        pin_images(text, {"app": IMAGE.pinned})


def test_a_template_keeps_its_last_line_feed() -> None:
    assert render("a", b"{{ x }}\n", {"x": 1}) == b"1\n"


@pytest.mark.parametrize(
    "source",
    [b"{{ missing }}", b"{{ x.missing.deeper }}", b"{% if %}", b"{{ 1 / 0 }}", b"\xff", b"{{ ''.__class__ }}",
     b"{% include 'other' %}", b"{{ l.append(1) }}"],
)  # fmt: skip
def test_what_no_template_may_do(source: bytes) -> None:
    with pytest.raises(IncompatibleError, match="the template conf cannot be rendered on this gateway: "):
        render("conf", source, {"x": {}, "l": []})
