"""Text for people: plain tables, and text of others without what steers a terminal.

Pure. What a command or page shows is decided in its own room.
"""
