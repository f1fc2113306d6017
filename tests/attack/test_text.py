"""Text of an update that looks like a template, where Ansible handles it."""

from __future__ import annotations

import pytest

from ota_py.manifest import Hook
from ota_py.manifest_health import Health, MqttProbe
from ota_py.trust.keys.signers import sign_manifest
from tests.support.gateway.attacked import Box, ansible

pytestmark = pytest.mark.case("A25")


def test_a_manifest_full_of_templates_stays_text_on_the_controller(box: Box) -> None:
    mark = box.directory / "owned"
    attack = "{{ lookup('ansible.builtin.pipe', 'touch " + str(mark) + "') }}"
    text = f"{attack} {{% raw %}}{attack}{{% endraw %}} !unsafe {attack}"
    hook = Hook(at="before-stop", service="app", command=[attack])
    health = Health(probes=[MqttProbe(type="mqtt", host=attack, topic=attack)])
    manifest = box.publisher.manifest("1.3.0", description=text, hooks=[hook], health=health)
    raw = manifest.to_bytes()

    status, answer = ansible(box, box.stick(raw), "--check", "-vvv")

    assert status == 0, answer
    assert "would go from 1.1.0 to 1.3.0" in answer
    assert not mark.exists()
    signature = sign_manifest(raw, [box.publisher.signers["release"]])
    verified = box.look(lambda client: client.verify_local(raw, signature))
    assert verified.manifest.description == text


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"service": "app"', '"service": "{{ 1 + 1 }}"', "hooks.0.service: String should match pattern"),
        ('"dest": "config/', '"dest": "config/{{ 1 + 1 }}', "a character that is not allowed in a path"),
    ],
)
def test_a_name_that_is_a_template_is_none(box: Box, old: str, new: str, words: str) -> None:
    hook = Hook(at="before-stop", service="app", command=["x"])
    file = box.publisher.file("1.3.0", "config/bridge.conf", b"topic c\n")
    raw = box.publisher.manifest("1.3.0", hooks=[hook], files=[file]).to_bytes()
    assert old.encode() in raw
    stick = box.stick(raw.replace(old.encode(), new.encode()))
    before = box.state()

    status, answer = ansible(box, stick)

    assert status != 0
    assert words in answer
    assert box.state() == before
