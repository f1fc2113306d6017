"""An S3 server that checks conditions on writes: moto's, one request at a time, which makes them atomic.

Run as `s3_server.py PORT`.
"""

import sys

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

if __name__ == "__main__":
    application = DomainDispatcherApplication(create_backend_app)
    make_server("127.0.0.1", int(sys.argv[1]), application, threaded=False).serve_forever()
