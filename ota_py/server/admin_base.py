"""Base classes of the admin's pages: records of facts can be viewed, not edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from ota_py.server.badges import badge

# Django's classes take a type parameter in their stubs only.
if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
else:
    ModelAdmin = admin.ModelAdmin
    TabularInline = admin.TabularInline


class ShownState:
    """Mixin for the column `shown_state`."""

    @admin.display(description="state", ordering="state")
    def shown_state(self, record: Any) -> SafeString | str:
        """The record's state as a badge."""
        return badge(record.state)


class FactsAdmin(ShownState, ModelAdmin):
    """Page of a model that only the API and the gateways write: people view it."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Adding is never permitted."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Deleting by hand is never permitted; see events/retention.py."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """All fields are read-only."""
        left_out = set(self.exclude or ())
        own = [field.name for field in self.opts.concrete_fields if field.editable or field.primary_key]
        return [
            *(name for name in own if name not in left_out),
            *(str(name) for name in self.readonly_fields),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, titled by what it lists: nothing is selected to be changed."""
        title = capfirst(self.opts.verbose_name_plural)
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page of one record, without buttons to save it."""
        title = capfirst(self.opts.verbose_name)
        context = {"title": title, "show_save": False, "show_save_and_continue": False}
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})


class FactsInline(ShownState, TabularInline):
    """Rows of a model of facts on another model's page; `fields` are all read-only."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Adding is never permitted."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """All fields are read-only."""
        return [str(name) for name in self.fields or ()]
