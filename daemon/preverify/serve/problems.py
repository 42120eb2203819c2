"""Problems as RFC 9457 documents: what was seen, what was expected, what to do."""

from http import HTTPStatus

import msgspec

from preverify.serve.http import Response

MEDIA_TYPE = "application/problem+json"
_encode = msgspec.json.Encoder().encode


def problem(status: int, detail: str, *headers: tuple[str, str]) -> Response:
    """Return a problem response.

    Spec:
        RFC 9457; the type is `about:blank`, so the title is the status phrase.
    """
    document = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail[:1024]}
    return Response(status=status, body=_encode(document), media_type=MEDIA_TYPE, headers=headers)
