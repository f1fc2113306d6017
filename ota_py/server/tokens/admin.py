"""The admin's pages of API tokens."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.safestring import SafeString

from ota_py.server.admin_base import ModelAdmin
from ota_py.server.badges import badge
from ota_py.server.events.actor import actor, log_act
from ota_py.server.tokens.models import ApiToken
from ota_py.server.tokens.services import new_secret, revoke_tokens


@admin.register(ApiToken)
class ApiTokenAdmin(ModelAdmin):
    """The page of tokens: a new one is shown once, others are revoked."""

    list_display = ("name", "role", "gateway", "shown_state", "created_at", "expires_at", "last_used_at", "revoked_at")
    list_filter = ("role", ("revoked_at", admin.EmptyFieldListFilter))
    list_select_related = ("gateway",)
    search_fields = ("name", "gateway__id")
    autocomplete_fields = ("gateway",)
    fields = ("name", "role", "gateway", "expires_at")
    actions = ("revoke",)

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        """Changing is never permitted, since a token is revoked; the list itself needs the permission."""
        return obj is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        """Deleting is never permitted: revoked tokens stay on record."""
        return False

    def save_model(self, request: HttpRequest, obj: ApiToken, form: ModelForm[Any], change: bool) -> None:
        """Save a token, with a new secret that is shown in the message."""
        secret, obj.digest = new_secret()
        obj.created_by = actor()
        super().save_model(request, obj, form, change)
        log_act(f"token {obj.label} made")
        messages.warning(request, f"The token of {obj.name}, shown only now: {secret}")

    @admin.display(description="state")
    def shown_state(self, token: ApiToken) -> SafeString | str:
        """The token's state, valid, expired or revoked, as a badge."""
        return badge(token.state)

    @admin.action(description="Revoke", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        """Revoke the selected tokens at once."""
        number = revoke_tokens(queryset)
        messages.success(request, f"{number} tokens are revoked.")
