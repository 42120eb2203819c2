"""Waits until all of some addresses answer: `waiting.py SECONDS NAME=URL...`; exits with 1 where one does not."""

import http.client
import sys
import time
import urllib.parse


def answers(url: str) -> bool:
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=2)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main(seconds: str, *wanted: str) -> int:
    deadline = time.monotonic() + float(seconds)
    missing = [each.split("=", 1) for each in wanted]
    while True:
        missing = [(name, url) for name, url in missing if not answers(url)]
        if not missing or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    for name, url in missing:
        print(f"NOT UP    {name}  {url}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
