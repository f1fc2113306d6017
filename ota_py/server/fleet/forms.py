"""The admin's form of a gateway."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError

from ota_py import names
from ota_py.server.fleet.models import Gateway

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Gateway]
else:
    ModelForm = forms.ModelForm


class GroupsField(forms.CharField):
    """Field for a list of groups, written as words with commas between them."""

    def prepare_value(self, value: Any) -> Any:
        """The list of groups as text."""
        return ", ".join(value) if isinstance(value, list) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether the groups changed, compared as text."""
        return bool(super().has_changed(self.prepare_value(initial), data))

    def clean(self, value: Any) -> list[str]:
        """The groups in the text as a sorted list; each is checked as the API checks it."""
        words = sorted({word for word in re.split(r"[,\s]+", super().clean(value)) if word})
        for word in words:
            if not re.fullmatch(names.GROUP, word):
                raise ValidationError(f"{word!r} is not a group: use lower-case letters, digits, _ and -")
        return words


class GatewayForm(ModelForm):
    """Form of a gateway, with its groups as words."""

    groups = GroupsField(required=False, help_text="Separated by commas.")

    class Meta:
        """The fields that an operator sets; the rest is reported."""

        model = Gateway
        fields = ("id", "delivery", "address", "groups", "hardware")
