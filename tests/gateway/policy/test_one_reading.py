"""What we read in a Compose file is what Compose reads in it: compared over a corpus, and over mutations of it.

Compose is given each file twice: as it is, and written anew from our reading. Both must resolve to the same.
"""

from __future__ import annotations

import io
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.representer import RoundTripRepresenter

from ota_py import compose_yaml
from ota_py.gateway.docker import compose_plugin
from ota_py.gateway.system import process

pytestmark = [pytest.mark.docker, pytest.mark.case("A43")]

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.yml"))
# Where the two parsers could part: indicators, quotes, ends of lines, and what YAML 1.1 and 1.2 see otherwise.
PIECES = [
    *(":", ": ", " :", ":\n", "?", "? ", "- ", "-", ",", ", ", "[", "]", "{", "}", "{}", "[]", "#", " #", "\n"),
    *("\n\n", "\r\n", "\r", "\t", " ", "  ", "    ", "'", '"', "''", '""', "\\", "\\n", "\\\n", "\\x41", "\\u263a"),
    *("\\'", "\\/", "|", ">", "|-", ">+", "|2", "&a ", "*a", "&a", "*a :", "<<: ", "<<: *a", "<<: *common"),
    *("<<: [*a, *b]", "!", "! ", "!!str ", "!!map ", "!!binary ", "!!merge ", "!reset ", "!override "),
    *("!<!reset> ", "!x!y ", "%YAML 1.1\n", "%TAG ! tag:yaml.org,2002:\n", "---", "---\n", "--- ", "...", "...\n"),
    *("\ufeff", "\x85", "\u2028", "\xa0", "\x00", "\x7f", "yes", "on", "no", "~", "null", "0o7", "0x1", "1_000"),
    *("1:30", ".inf", "1e3", "=", "2001-01-01", "true", "@", "`", "%", "env_file: /etc/hosts\n"),
    *("    env_file: two.env\n", "env_file", "include: [two.yml]\n", "include", "extends", "services:\n"),
]  # fmt: skip
EXAMPLES, SECONDS = 200, 40.0


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, compose_plugin: None) -> Path:
    directory = tmp_path_factory.mktemp("reading")
    (directory / "one.env").write_text("ONE=1\n")
    (directory / "two.env").write_text("TWO=2\n")
    (directory / "one.yml").write_text("services: {included: {image: included}}\n")
    (directory / "two.yml").write_text("services: {hidden: {image: hidden}}\n")
    return directory


def resolved(project: Path, text: bytes) -> dict[str, Any] | None:
    """What Compose makes of a file; None where it refuses it."""
    file = project / "docker-compose.yml"
    file.write_bytes(text)
    options = ["--project-directory", str(project), "--project-name", "p", "--file", str(file)]
    argv = [*compose_plugin.command(), *options, "--profile", "*", "config", "--format", "json"]
    done = process.run(argv, timeout_seconds=60, cwd=project, environment=compose_plugin.environment())
    return None if done.status else json.loads(done.stdout)


class _Quoting(RoundTripRepresenter):
    """A representer of its own: representers are kept by class, and other tests write YAML, too."""


_Quoting.add_representer(str, lambda r, text: r.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


def written_anew(document: Any) -> bytes:
    """Our reading as a file that leaves nothing open: no anchors, no merges, each text in quotes."""
    yaml = YAML()
    yaml.default_flow_style = True
    yaml.width = 1_000_000
    yaml.Representer = _Quoting
    yaml.representer.ignore_aliases = lambda _: True  # type: ignore[method-assign]
    out = io.BytesIO()
    yaml.dump(_plain(document), out)
    return out.getvalue()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        # A key that is no text is none to us: we look keys up by their text.
        texts = {key: part for key, part in value.items() if isinstance(key, str)}
        plain: Any = CommentedMap({str(key): _plain(part) for key, part in texts.items()})
    elif isinstance(value, list):
        plain = CommentedSeq([_plain(part) for part in value])
    elif isinstance(value, TaggedScalar):
        return TaggedScalar(str(value.value), '"' if value.style else None, value.tag)
    else:
        return str(value) if isinstance(value, str) else value
    if value.tag.value:
        plain.yaml_set_ctag(value.tag)
    return plain


def compare(project: Path, text: bytes) -> bool:
    """Whether the file was read by both; raises where they read different things."""
    try:
        ours = compose_yaml.load(text)
    except ValueError:
        return False
    theirs = resolved(project, text)
    if theirs is None:
        return False
    assert resolved(project, written_anew(ours)) == theirs, text.decode()
    return True


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_files_as_people_write_them_are_read_alike(path: Path, project: Path) -> None:
    assert compare(project, path.read_bytes()), "both take it"


# The same value in other clothes; most of these stay files that both read.
CLOTHES = [
    *("'{}'", '"{}"', "&v {}", "!reset {}", "!override {}", "{} # end", "{}\n", "\n{}", "[{}]", "{{a: {}}}", "{{{}}}"),
    *("{}:", "{}: b", "{}\t", "\t{}", "{} \n        more", "{}\r", "{}#", "{} ,", "|\n        {}", ">-\n        {}"),
    *(
        '"{}\\\n   more"',
        "'{}\n   more'",
        "? {}",
        "*v",
        "{}\u00a0",
        "!!str {}",
        "{}\n    <<: {{tty: true}}",
        "'{}'#",
        '"{}"x',
    ),
]


@st.composite
def mutated(draw: DrawFn) -> bytes:
    text = draw(st.sampled_from([path.read_bytes().decode() for path in CORPUS]))
    for _ in range(draw(st.sampled_from([1, 1, 1, 2]))):
        words = list(re.finditer(r"[^\s,:{}\[\]]+", text))
        if words and draw(st.sampled_from([True, True, False])):
            word = draw(st.sampled_from(words))
            dressed = draw(st.sampled_from(CLOTHES)).format(word[0])
            text = text[: word.start()] + dressed + text[word.end() :]
        else:
            edges = [i for i in range(len(text) + 1) if i == 0 or not text[i - 1].isalnum()]
            start = draw(st.sampled_from(edges))
            end = min(len(text), start + draw(st.sampled_from([0, 0, 0, 1, 2])))
            text = text[:start] + draw(st.sampled_from(PIECES)) + text[end:]
    return text.encode()


def test_what_is_near_them_is_read_alike_or_refused(project: Path) -> None:
    end = time.monotonic() + SECONDS
    read = [0]

    @settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, print_blob=False,
              phases=(Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(mutated())
    def near(text: bytes) -> None:
        if time.monotonic() < end:
            read[0] += compare(project, text)

    near()
    assert read[0] > 20, "the mutations are near enough to be read at all"


HIDDEN = "services:\n  app:\n    image: x\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"{HIDDEN}    !!str env_file: two.env\n", "a key with a tag"),
        (f"{HIDDEN}    ! env_file: two.env\n", "a key with a tag"),
        (f"{HIDDEN}    &a env_file: two.env\n", "a key with a tag or an anchor"),
        (f"x-a: &a env_file\n{HIDDEN}    *a : two.env\n", "a key that is not plain text"),
        (f'{HIDDEN}    "env\\x5ffile": two.env\n', "a key with escapes"),
        (f"{HIDDEN}    ? env_file\n    : two.env\n", "a key that begins with"),
        (f"{HIDDEN}    !!map env_file: two.env\n", "a key with a tag"),
        (f"{HIDDEN}    env_file: !!str two.env\n", "a tag that is neither"),
        (f"{HIDDEN}    env_file: !!binary dHdvLmVudg==\n", "a tag that is neither"),
        (f"%TAG ! tag:yaml.org,2002:\n---\n{HIDDEN}", "a directive"),
        (f"%YAML 1.1\n---\n{HIDDEN}", "a directive"),
        (f"{HIDDEN}---\nservices: {{app: {{env_file: two.env}}}}\n", "2 documents"),
        (f"{HIDDEN}    env_file: one.env\n    env_file: two.env\n", "found duplicate key"),
        (f"{HIDDEN}    <<: {{tty: true}}\n    <<: {{env_file: two.env}}\n", "found duplicate key"),
        (f"{HIDDEN}    '<<': {{env_file: two.env}}\n", "the key `<<` in quotes"),
        (f"{HIDDEN}    labels: {{on: x}}\n", "a key without quotes"),
        (f"{HIDDEN}    labels: {{1_000: x}}\n", "a key without quotes"),
        (f"{HIDDEN}    # hidden\x85    env_file: two.env\n", "the control character U\\+0085"),
        (f"{HIDDEN}    # hidden\u2028    env_file: two.env\n", "the control character U\\+2028"),
        (f"{HIDDEN}    # hidden\r    env_file: two.env\n", "the control character U\\+000D"),
        (f"{HIDDEN}\ufeff    env_file: two.env\n", "the control character U\\+FEFF"),
    ],
)
def test_what_the_two_could_read_differently_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        compose_yaml.load(text.encode())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "latin-1"])
def test_other_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(ValueError, match=r"codec can't decode|control character"):
        compose_yaml.load("services: {app: {labels: {a: é}}}".encode(encoding))
