"""The agent, a resident loop: it polls for work, starts each transaction as a process, and delivers reports.

It changes no service itself.
"""
