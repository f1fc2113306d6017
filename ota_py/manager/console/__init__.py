"""What commands share on a terminal: options, questions, tables.

Commands themselves are in `commands`.
"""
