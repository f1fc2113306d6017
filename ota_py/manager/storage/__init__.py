"""Where the TUF repository is stored: a directory or an S3 bucket.

What is written there is `ota_py.trust.publish`'s.
"""
