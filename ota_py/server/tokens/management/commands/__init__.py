"""Commands for `init` and for operators without it."""
