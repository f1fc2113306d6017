"""What is taken out of logs and complaints before they are stored, shown or reported."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ota_py import compose_yaml
from ota_py.gateway.docker.project import Project
from ota_py.gateway.docker.redaction import MASK, Redactor, redacted, secrets_in, secrets_in_text

pytestmark = pytest.mark.case("A33")

NAMES = ("docker-compose.yml", "compose.override.yml")


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("POSTGRES_PASSWORD", "c4nary", {"c4nary"}),
        ("API_TOKEN", "c4nary", {"c4nary"}),
        ("api.key", "c4nary", {"c4nary"}),
        ("DATABASE_URL", "postgres://app:c4nary@db/app", {"c4nary"}),
        ("TLS_PRIVATE", "-----BEGIN\nc4nary\n", {"-----BEGIN\nc4nary", "-----BEGIN", "c4nary"}),
        ("POSTGRES_PASSWORD_FILE", "/run/secrets/password", set()),
        ("TOKEN_URL", "https://login.example", set()),
        ("USE_PASSWORD", "true", set()),
        ("PIN_TOKEN", "123", set()),
        ("POSTGRES_USER", "gateway", set()),
        ("POSTGRES_PASSWORD", None, set()),
    ],
)
def test_which_values_are_secret(name: str, value: str | None, found: set[str]) -> None:
    assert secrets_in({name: value}) == found


@pytest.mark.parametrize(
    "line",
    [
        "      POSTGRES_PASSWORD: c4nary word",
        '      - "POSTGRES_PASSWORD=c4nary word"',
        "POSTGRES_PASSWORD='c4nary word'",
        'environment: {POSTGRES_USER: app, POSTGRES_PASSWORD: "c4nary word", POSTGRES_DB: app}',
    ],
)
def test_secrets_as_people_write_them(line: str) -> None:
    assert "c4nary" not in redacted("it says c4nary word there", secrets_in_text(line))


def test_a_secret_within_another_and_one_that_was_cut_off() -> None:
    secrets = {"c4nary", "c4nary-long-word"}
    assert redacted("a c4nary-long-word, a c4nary", secrets) == f"a {MASK}, a {MASK}"
    assert redacted("long-word; then all is well", secrets) == f"{MASK}; then all is well"


def test_what_compose_resolved_counts_and_dollars_are_single(tmp_path: Path) -> None:
    (tmp_path / "api-key").write_text("c4nary-of-a-file\n")
    service = {"environment": {"API_TOKEN": "c4$$nary", "PORT": "1883"}}
    shared = {"api": {"file": str(tmp_path / "api-key")}}
    redactor = Redactor(tmp_path, NAMES)
    redactor.learn(Project({"name": "shop", "services": {"app": service}, "secrets": shared}))
    assert redactor.text("c4$nary c4nary-of-a-file 1883") == f"{MASK} {MASK} 1883"


def test_before_compose_was_asked_the_files_have_to_do(tmp_path: Path) -> None:
    (tmp_path / "docker-compose.yml").write_text("services: {app: {environment: {TOKEN: c4nary-1}}}\n")
    (tmp_path / ".env").write_text("PASSWORD=c4nary-2\n")
    assert Redactor(tmp_path, NAMES).text("c4nary-1 c4nary-2") == f"{MASK} {MASK}"


def test_a_refusal_may_quote_any_line_of_an_environment_file(tmp_path: Path) -> None:
    (tmp_path / "docker-compose.yml").write_text("services: {app: {env_file: [app.env]}}\n")
    (tmp_path / "app.env").write_text("KEY=-----BEGIN\nMIIEc4nary+/x=\nPLAIN=${c4nary\n")
    redactor = Redactor(tmp_path, NAMES)
    said = 'line 2: unexpected character "+" in variable name "MIIEc4nary+/x="'
    assert redactor.refusal(said, tmp_path) == f'line 2: unexpected character "+" in variable name "{MASK}"'
    assert redactor.refusal('Invalid template: "${c4nary"', tmp_path) == f'Invalid template: "{MASK}"'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"PASSWORD: c4nary\nPASSWORD: c4nary-2\n", 'found duplicate key "PASSWORD" in line 2, column 1'),
        (b"a:\n  PASSWORD: c4nary: x\n", "mapping values are not allowed here in line 2, column 19"),
        (b"PASSWORD: 'c4nary\n", "found unexpected end of stream in line 2, column 1"),
        (
            b"PASSWORD: !!int c4nary\n",
            "a tag that is neither !reset nor !override in line 1, column 11: Compose could read it otherwise",
        ),
    ],
)
def test_what_is_wrong_with_yaml_is_said_without_its_lines(text: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
        compose_yaml.load(text)
