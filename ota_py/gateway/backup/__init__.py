"""What a rollback returns to: project files, databases, images, and how long they are kept.

Restoring them is a step of `transaction`.
"""
