"""The health gate and its probes.

What follows from a verdict is decided in `transaction`.
"""
