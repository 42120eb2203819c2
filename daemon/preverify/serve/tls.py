"""TLS of the listener: 1.3 at least, certificates read again when their files change."""

import ssl
from pathlib import Path

from preverify.model.errors import BadConfiguration
from preverify.settings import ListenTls


class Tls:
    """Holds the listener's context. New handshakes see new certificates; open connections go on."""

    def __init__(self, settings: ListenTls) -> None:
        """Load the certificate, its key and the authorities of client certificates.

        Raises:
            BadConfiguration: one of them cannot be used.
        """
        self._settings = settings
        self._seen = self._state()
        self.context = self._fresh()

    def refresh(self) -> bool:
        """Load certificate and key again where a file changed; True when loaded. On an error the present ones stay.

        Authorities of clients are read at the start only: OpenSSL can add one to a living context but take none away,
        and half a change would be worse than none.

        Raises:
            BadConfiguration: the new files cannot be used.
        """
        state = self._state()
        if state == self._seen:
            return False
        self._fresh()  # the living context must never hold a certificate without its key
        try:
            self.context.load_cert_chain(self._settings.cert_file, self._settings.key_file, password=_no_password)
        except (OSError, ValueError) as error:  # the files changed again in this moment; the next look finds them whole
            raise BadConfiguration(f"the certificate changed while it was read: {error}", where="listen.tls") from error
        self._seen = state
        return True

    def _fresh(self) -> ssl.SSLContext:
        where = "listen.tls"
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            context.load_cert_chain(self._settings.cert_file, self._settings.key_file, password=_no_password)
            if self._settings.client_ca_file is not None:
                context.load_verify_locations(self._settings.client_ca_file)
                context.verify_mode = ssl.CERT_OPTIONAL
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise BadConfiguration(
                f"the certificate, its key or the client CA cannot be used: {error}", where=where
            ) from error
        return context

    def _state(self) -> tuple[tuple[int, int, int], ...]:
        return tuple(_stamp(path) for path in (self._settings.cert_file, self._settings.key_file))


def _no_password() -> str:
    """OpenSSL would ask on the terminal for the password of an encrypted key."""
    raise ValueError("the key is encrypted, expected a key without password in a file that only we can read")


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        about = path.stat()
    except OSError:
        return (0, 0, 0)
    return (about.st_mtime_ns, about.st_ino, about.st_size)
