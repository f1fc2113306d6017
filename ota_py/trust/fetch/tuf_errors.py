"""python-tuf's errors as this project's, with their messages."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tuf.api import exceptions as tuf

from ota_py.errors import FreshnessError, IntegrityError, RepositoryError, SignatureError, TrustError

# They quote what the metadata says, which may be of any length.
SHOWN_MAX_CHARS = 1000


@contextlib.contextmanager
def translated(url: str) -> Iterator[None]:
    """Turn python-tuf's exceptions into this project's, keeping their messages."""
    try:
        yield
    except tuf.ExpiredMetadataError as error:
        raise FreshnessError(
            f"the repository's metadata has expired: {_shown(error)}",
            hint="check this gateway's clock, and that the operator renews the metadata; what runs is kept",
        ) from None
    except tuf.BadVersionNumberError as error:
        raise FreshnessError(
            f"the repository is older than what this gateway has seen: {_shown(error)}",
            hint="the repository or a carrier serves an old state; this gateway keeps what it has",
        ) from None
    except tuf.UnsignedMetadataError as error:
        raise SignatureError(f"{url}: {_shown(error)}") from None
    except tuf.LengthOrHashMismatchError as error:
        raise IntegrityError(f"{url}: {_shown(error)}") from None
    except tuf.DownloadError as error:
        raise RepositoryError(
            f"cannot fetch from the repository {url}: {_shown(error)}",
            hint="check the link and repository_url; nothing was changed, try again",
        ) from None
    except tuf.RepositoryError as error:
        raise TrustError(f"{url}: {_shown(error)}") from None
    except (OSError, ValueError) as error:
        raise RepositoryError(f"cannot fetch from the repository {url}: {_shown(error)}") from None


def _shown(error: Exception) -> str:
    text = str(error)
    return text if len(text) <= SHOWN_MAX_CHARS else f"{text[:SHOWN_MAX_CHARS]}..."
