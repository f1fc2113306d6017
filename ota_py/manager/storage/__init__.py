"""The stores of the TUF repository: a directory or an S3 bucket.

What is written there is `ota_py.trust.publish`'s.
"""
