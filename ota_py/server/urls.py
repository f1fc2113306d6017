"""Addresses of the control plane: the API first, because gateways call far more often than people."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from ota_py.server.api import api
from ota_py.server.api.poll import assignment

urlpatterns = [
    path("api/v1/gateways/<str:gateway_id>/assignment", assignment),
    path("api/v1/", api.urls),
    path("admin/", admin.site.urls),
    path("", RedirectView.as_view(pattern_name="admin:index")),
]
