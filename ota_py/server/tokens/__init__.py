"""Tokens of those who may call the API."""
