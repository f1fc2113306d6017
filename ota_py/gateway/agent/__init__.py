"""The resident loop: asks for work, starts each transaction as a process, brings reports home.

It changes no service itself.
"""
