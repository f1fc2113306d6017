"""The Compose project and the Docker daemon.

The only room that talks to either.
"""
