"""Credentials never show, however odd the password."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from har_stream.core.redact import redact


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://viewer:pass@cam:554/live", "rtsp://***@cam:554/live"),
        ("rtsp://viewer:p@ss/w0rd@cam/live", "rtsp://***@cam/live"),
        ("http://cam/video?user=me&pwd=x&size=2", "http://cam/video?user=***&pwd=***&size=2"),
        ("http://cam/video?accessToken=abc", "http://cam/video?accessToken=***"),
        ("cannot open mqtt://u:p@host, again", "cannot open mqtt://***@host, again"),
        ("rtsp://viewer:my pass\tw@cam/live", "rtsp://***@cam/live"),
        ("viewer:secret@cam:554/live", "***@cam:554/live"),
        ("rtsp:/viewer:secret@cam:554/live", "***@cam:554/live"),
        ("http://cam/video?p=x&sid=y&session=z", "http://cam/video?p=***&sid=***&session=***"),
        ("http://cam/video;password=x;size=2", "http://cam/video;password=***;size=2"),
        ("http://cam/video#token=x y", "http://cam/video#token=***"),
        ("http://cam/video?pwd=a&b&size=2", "http://cam/video?pwd=***&size=2"),
        ("postgresql://db/har?password=a%20b", "postgresql://db/har?password=***"),
        ("postgresql://me@db/har?sslpassword=x", "postgresql://***@db/har?sslpassword=***"),
        ("http://cam/video?size=2&speed=3", "http://cam/video?size=2&speed=3"),
        ("rtsp://cam:554/live", "rtsp://cam:554/live"),
        ("/videos/me@home.mp4", "/videos/me@home.mp4"),
        ("bad\udcff\nname.mp4", "bad\\udcff\\nname.mp4"),
    ],
)
def test_what_is_shown(url: str, shown: str) -> None:
    assert redact(url) == shown


@given(st.text(string.ascii_letters + string.digits + "@:/?&=#%!$", min_size=1))
def test_no_password_comes_through(password: str) -> None:
    assert redact(f"rtsp://user:{password}@10.0.0.7/live") == "rtsp://***@10.0.0.7/live"
