"""Backups, which a rollback returns to: project files, databases, images, and how long they are kept.

Restoring a backup is a step of `transaction`.
"""
