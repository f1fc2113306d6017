"""Django's management commands, in the package below."""
