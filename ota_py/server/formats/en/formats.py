"""Formats of times as the API writes them, but for the zone: all are UTC."""

DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = "Y-m-d H:i:s"
