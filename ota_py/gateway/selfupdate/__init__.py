"""The upgrade of the gateway software itself, with a rollback of its own.

Updates of the gateway's services are in `transaction`.
"""
