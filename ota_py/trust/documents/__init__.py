"""The documents that are signed: TUF metadata, signing requests, their signatures, the next root.

Pure: no disk, no network.
"""
