"""A real RTSP server, GStreamer's, serving one H.264 file.

`/usr/bin/python3 rtsp_server.py PORT FILE [USER:PASSWORD]`, run by the system's Python since that
has the bindings of Debian's packages. Prints `ready` once it listens at rtsp://127.0.0.1:PORT/live;
every client gets the file from its start, in real time. Without arguments it only tells, by its
exit status, whether all parts are installed.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402 - after the versions are chosen

PARTS = ("filesrc", "qtdemux", "h264parse", "rtph264pay")


def is_complete() -> bool:
    """Tell whether GStreamer has what serving needs."""
    return all(Gst.ElementFactory.find(part) for part in PARTS)


def ask_for(login: str, server: GstRtspServer.RTSPServer, factory: GstRtspServer.RTSPMediaFactory):
    """Let in only who knows the login, USER:PASSWORD."""
    user, password = login.split(":", 1)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", user)
    auth = GstRtspServer.RTSPAuth()
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    for right in ("access", "construct"):
        permissions.add_permission_for_role(user, f"media.factory.{right}", True)
    factory.set_permissions(permissions)


def serve(port: str, path: str, login: str | None = None) -> None:
    """Serve until killed."""
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(
        f'( filesrc location="{path}" ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 )'
    )
    if login is not None:
        ask_for(login, server, factory)
    server.get_mount_points().add_factory("/live", factory)
    if not server.attach(None):
        sys.exit(f"port {port} is taken")
    print("ready", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    Gst.init(None)
    if not is_complete():
        sys.exit(f"not all installed: {', '.join(PARTS)}")
    if sys.argv[1:]:
        serve(*sys.argv[1:])
