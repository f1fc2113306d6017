"""The admin: facts can only be viewed, acts go through the state machines, CSRF is on (A31)."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from ota_py.server.fleet.models import Gateway
from ota_py.server.rollouts.models import Rollout
from ota_py.server.tokens.models import ApiToken
from ota_py.server.tokens.services import find_token
from ota_py.server.updates.models import Update
from tests.support.server.world import World

LISTS = [
    "fleet/gateway",
    "updates/update",
    "rollouts/rollout",
    "rollouts/rolloutgateway",
    "events/event",
    "tokens/apitoken",
]


@pytest.fixture
def viewer(db: None) -> Client:
    """A user who may view everything and change nothing."""
    user = User.objects.create_user("vera", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def story(world: World) -> int:
    """A rollout with one of everything."""
    rollout = world.running(world.fleet(4), max_failures="3")
    for gateway, end in (("gw_000", "COMMITTED"), ("gw_001", "ROLLED_BACK"), ("gw_002", "BROKEN")):
        world.ends(rollout, gateway, end, reason="<b>because</b>")
    return rollout


def act(client: Client, rollout: int, verb: str, reason: str = "lunch") -> Any:
    return client.post(f"/admin/rollouts/rollout/{rollout}/act/", {"verb": verb, "reason": reason}, follow=True)


@pytest.mark.parametrize("path", LISTS)
def test_every_list_and_page_opens_and_escapes(admin_client: Client, story: int, path: str) -> None:
    answer = admin_client.get(f"/admin/{path}/?q=1.1.0")
    assert answer.status_code == 200
    listed = admin_client.get(f"/admin/{path}/")
    assert b"<b>because</b>" not in listed.content
    first = listed.context["cl"].result_list[0]
    page = admin_client.get(f"/admin/{path}/{first.pk}/change/")
    assert page.status_code == 200
    assert b"<b>because</b>" not in page.content


def test_the_front_page_shows_the_fleet(admin_client: Client, story: int) -> None:
    page = admin_client.get("/admin/").content.decode()
    assert "<b>4</b>gateways" in page
    assert "3 of 4" in page
    assert "33.3%" in page
    assert "&lt;b&gt;because" in page


@pytest.mark.case("F36")
def test_the_alarm_of_a_broken_gateway_is_shown(admin_client: Client, story: int) -> None:
    assert "gw_002" in admin_client.get("/admin/").content.decode(), "among the last rollbacks"
    alarms = admin_client.get("/admin/events/event/?kind__exact=alarm").content.decode()
    assert "gw_002" in alarms
    assert "&lt;b&gt;because" in alarms


def test_the_front_page_of_an_empty_control_plane(admin_client: Client) -> None:
    assert b"makes the first" in admin_client.get("/admin/").content


def test_the_rollouts_page_shows_progress_and_every_gateway(admin_client: Client, story: int) -> None:
    page = admin_client.get(f"/admin/rollouts/rollout/{story}/change/").content.decode()
    for expected in (
        "3 of 4",
        "33.3%",
        "gw_003",
        "rolled back",
        "BROKEN",
        "2</b> rolled back or failed, 3 allowed",
    ):
        assert expected in page
    assert 'name="_save"' not in page


def test_pause_and_abort_by_button(admin_client: Client, story: int) -> None:
    page = act(admin_client, story, "pause")
    assert f"Rollout {story} is PAUSED." in page.content.decode()
    assert (Rollout.objects.get().state, Rollout.objects.get().reason) == ("PAUSED", "lunch")
    act(admin_client, story, "abort", "")
    assert Rollout.objects.get().reason == "by admin; before, paused: lunch"
    refused = act(admin_client, story, "pause")
    assert [str(message) for message in refused.context["messages"]] == [
        f"cannot pause rollout {story} when it is ABORTED."
    ]


def test_what_is_no_act_changes_nothing(admin_client: Client, story: int) -> None:
    assert "There is no act" in act(admin_client, story, "start").content.decode()
    assert admin_client.get(f"/admin/rollouts/rollout/{story}/act/").status_code == 405
    assert Rollout.objects.get().state == "RUNNING"


def test_list_actions(admin_client: Client, story: int) -> None:
    for path, action, pk in (
        ("rollouts/rollout", "pause_selected", story),
        ("rollouts/rollout", "abort_selected", story),
        ("updates/update", "withdraw", "1.1.0"),
    ):
        admin_client.post(f"/admin/{path}/", {"action": action, "_selected_action": [pk]})
    assert Rollout.objects.get().state == "ABORTED"
    assert Update.objects.get().state == "WITHDRAWN"


def test_a_viewer_sees_and_does_nothing(viewer: Client, story: int) -> None:
    page = viewer.get(f"/admin/rollouts/rollout/{story}/change/")
    assert page.status_code == 200
    assert b"Reason, for the record" not in page.content
    assert "not change them" in act(viewer, story, "abort").content.decode()
    for path, action, pk in (
        ("rollouts/rollout", "abort_selected", story),
        ("updates/update", "withdraw", "1.1.0"),
        ("fleet/gateway", "new_token", "gw_000"),
    ):
        viewer.post(f"/admin/{path}/", {"action": action, "_selected_action": [pk]})
    assert Rollout.objects.get().state == "RUNNING"
    assert Update.objects.get().state == "RELEASED"
    assert not ApiToken.objects.filter(revoked_at__isnull=False).exists()


def test_without_the_csrf_token_nothing_happens(story: int) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root"))
    assert act(client, story, "abort").status_code == 403
    assert Rollout.objects.get().state == "RUNNING"


def test_nobody_is_sent_to_the_login(client: Client, story: int) -> None:
    for path in ("/admin/", f"/admin/rollouts/rollout/{story}/change/"):
        assert client.get(path)["Location"].startswith("/admin/login/")
    assert act(client, story, "abort").redirect_chain[-1][0].startswith("/admin/login/")
    assert Rollout.objects.get().state == "RUNNING"


@pytest.mark.parametrize("path", ["updates/update", "rollouts/rollout", "rollouts/rolloutgateway", "events/event"])
def test_records_of_facts_cannot_be_added_or_deleted(admin_client: Client, story: int, path: str) -> None:
    assert admin_client.get(f"/admin/{path}/add/").status_code == 403
    first = admin_client.get(f"/admin/{path}/").context["cl"].result_list[0]
    assert admin_client.post(f"/admin/{path}/{first.pk}/delete/", {"post": "yes"}).status_code == 403


def gateway_form(**fields: str) -> dict[str, str]:
    management = {"results-TOTAL_FORMS": "0", "results-INITIAL_FORMS": "0"}
    return {
        "id": "new",
        "delivery": "pull",
        "address": "",
        "groups": "",
        "hardware": "",
        **management,
        **fields,
    }


def test_a_gateway_is_added_with_groups_as_words(admin_client: Client) -> None:
    admin_client.post("/admin/fleet/gateway/add/", gateway_form(groups="boston, lab boston"))
    assert Gateway.objects.get().groups == ["boston", "lab"]


@pytest.mark.parametrize("bad", [{"id": "NO"}, {"groups": "{{x}}"}, {"address": "{{ x }}"}, {"hardware": "a b"}])
def test_the_form_is_as_strict_as_the_api(admin_client: Client, bad: dict[str, str]) -> None:
    answer = admin_client.post("/admin/fleet/gateway/add/", gateway_form(**bad))
    assert answer.status_code == 200
    assert answer.context["adminform"].errors
    assert not Gateway.objects.exists()


def test_a_token_is_made_shown_once_and_revoked(admin_client: Client) -> None:
    made = admin_client.post("/admin/tokens/apitoken/add/", {"name": "olga", "role": "operator"}, follow=True)
    message = str(next(iter(made.context["messages"])))
    token = message.rpartition(" ")[2]
    found = find_token(token)
    assert found is not None
    assert token not in admin_client.get("/admin/tokens/apitoken/").content.decode()
    admin_client.post("/admin/tokens/apitoken/", {"action": "revoke", "_selected_action": [found.pk]})
    assert find_token(token) is None


def test_a_gateways_token_names_its_gateway(admin_client: Client) -> None:
    answer = admin_client.post("/admin/tokens/apitoken/add/", {"name": "g", "role": "gateway"})
    assert b"token names its gateway" in answer.content
    assert not ApiToken.objects.exists()


def test_pages_carry_their_security_headers_and_static_files(admin_client: Client) -> None:
    page = admin_client.get("/admin/")
    assert page["X-Frame-Options"] == "DENY"
    assert page["X-Content-Type-Options"] == "nosniff"
    styles = admin_client.get("/static/ota/admin.css")
    assert styles.status_code == 200
    assert b"".join(styles.streaming_content).startswith(b"/*")  # type: ignore[attr-defined]


def test_a_foreign_host_is_refused(admin_client: Client) -> None:
    assert admin_client.get("/admin/", headers={"host": "evil.example"}).status_code == 400
    forged = {"x-forwarded-host": "evil.example", "x-forwarded-proto": "https"}
    assert "evil.example" not in admin_client.get("/", headers=forged)["Location"]


def test_csrf_is_checked_on_every_page_and_not_in_the_api(db: None) -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.post("/").status_code == 403
    assert client.post("/api/v1/gateways").status_code == 401
