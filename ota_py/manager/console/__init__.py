"""Terminal helpers that commands share: options, questions, tables.

Commands themselves are in `commands`.
"""
