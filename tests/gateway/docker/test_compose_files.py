"""What Compose files name, wherever in them, and where each path begins."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from ota_py.errors import IncompatibleError
from ota_py.gateway.docker.compose_files import FILES_MAX, Kind, NamedPath, files_of, walk

TOP = """
    include:
      - parts/one.yml
      - path: [parts/two.yml, other/three.yml]
        env_file: include.env
      - {path: parts/elsewhere.yml, project_directory: elsewhere}
    services:
      app:
        extends: {file: base/base.yml, service: base}
        env_file: [app.env, {path: optional.env, required: false}]
        label_file: app.labels
    configs: {conf: {file: app.conf}}
    secrets: {key: {file: "${KEYS}/key"}, other: {environment: KEY}}
"""
FILES = {
    "docker-compose.yml": TOP,
    "parts/one.yml": "services: {one: {env_file: one.env}}",
    "parts/two.yml": "services: {two: {env_file: two.env}}",
    "other/three.yml": "services: {three: {env_file: three.env}}",
    "parts/elsewhere.yml": "services: {four: {env_file: four.env}}",
    "base/base.yml": "services: {base: {env_file: base.env}}\ninclude: ../docker-compose.yml",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text))
    return tmp_path


def test_one_file_names_paths_for_services_and_for_the_project(root: Path) -> None:
    asked: list[NamedPath] = []
    found = list(walk(root / "docker-compose.yml", root, asked.append))
    assert {(named.kind, named.service, named.path) for named in found} == {
        (Kind.INCLUDE, "", "parts/one.yml"),
        (Kind.INCLUDE, "", "parts/two.yml"),
        (Kind.INCLUDE, "", "other/three.yml"),
        (Kind.INCLUDE, "", "parts/elsewhere.yml"),
        (Kind.PROJECT_DIRECTORY, "", "elsewhere"),
        (Kind.ENV_FILE, "", "include.env"),
        (Kind.EXTENDS, "app", "base/base.yml"),
        (Kind.ENV_FILE, "app", "app.env"),
        (Kind.ENV_FILE, "app", "optional.env"),
        (Kind.LABEL_FILE, "app", "app.labels"),
        (Kind.CONFIG, "", "app.conf"),
        (Kind.SECRET, "", "${KEYS}/key"),
    }
    assert {named.base for named in found} == {root}
    # Nothing else leads on to other files, and each is asked for once.
    leading = {Kind.INCLUDE, Kind.PROJECT_DIRECTORY, Kind.EXTENDS}
    assert sorted(asked, key=str) == sorted((each for each in found if each.kind in leading), key=str)


def test_all_that_is_read_is_found_where_compose_would_read_it(root: Path) -> None:
    found = {path.relative_to(root).as_posix() for path in files_of([root / "docker-compose.yml"])}
    assert found == {
        *FILES,
        *("include.env", "app.env", "optional.env", "app.labels", "app.conf", "base/base.env"),
        "parts/one.env",
        # Of several files in one entry all begin where the first one is.
        *("parts/two.env", "parts/three.env"),
        "elsewhere/four.env",
    }


def test_files_that_include_each_other_come_to_an_end(root: Path) -> None:
    for n in range(FILES_MAX):
        (root / f"{n}.yml").write_text(f"include: [{(n + 1) % FILES_MAX}.yml]")
    assert len(files_of([root / "0.yml"])) == FILES_MAX


def test_a_file_that_is_read_again_and_again_from_elsewhere_is_refused(root: Path) -> None:
    (root / "loop.yml").write_text(f"include: [{{path: {root}/loop.yml, project_directory: deeper}}]")
    with pytest.raises(IncompatibleError, match=r"loop\.yml includes or extends more than 500 files, or itself"):
        files_of([root / "loop.yml"])


def test_what_is_not_there_names_nothing_and_what_is_no_yaml_is_refused(root: Path) -> None:
    assert files_of([root / "missing.yml"]) == set()
    (root / "parts/one.yml").write_text("a: [")
    with pytest.raises(IncompatibleError, match=r"one\.yml is not YAML"):
        files_of([root / "docker-compose.yml"])
