"""The arguments of `har-stream`, and the settings that they and the file make together."""

import argparse
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from har_stream.core.command import command_parser, count, names, positive
from har_stream.core.errors import InputError
from har_stream.core.url import LOOPBACK, MQTT_PORT
from har_stream.core.user_path import is_there

if TYPE_CHECKING:
    from har_stream.config.settings import Settings

_NAME = re.compile(r"[\w -]+")
EXAMPLES = """
examples:
  har-stream --camera 0 --room kitchen                 a webcam; events go to the local MQTT broker
  har-stream --camera rtsp://10.0.0.7/live --show      a network camera, with a preview window
  har-stream --camera clip.mp4 --record-events e.jsonl a file, as fast as it can be decoded
  har-stream --camera kitchen=0 --camera hall=1        two cameras, by names that are rooms too
  har-stream --config har-stream.yaml                  everything set in a file
  har-stream --check-config har-stream.yaml            is that file right?
  har-stream --check --config har-stream.yaml          do camera, model and broker work?
  mosquitto_sub -t 'har/#' -v                          listen to what it says
  har-stream --archive /footage --out events.parquet   recordings, at full speed by all cores

A file, a folder or sim:SEED ends by itself with status 0; a live camera or a broker that is not
there is tried again for ever. Wrong input ends with one line and status 2. The password of the
broker comes from broker.password_file in the configuration or from HAR_MQTT_PASSWORD.
"""


def make_parser() -> argparse.ArgumentParser:
    """Describe every argument."""
    parser = command_parser(
        "har-stream",
        "Recognise what people do in front of cameras and say it over MQTT.",
        examples=EXAMPLES,
    )
    what = parser.add_argument_group("what to watch")
    what.add_argument(
        "--camera",
        metavar="[NAME=]SRC",
        action="append",
        help="device (0, /dev/v4l/by-id/...), video file, folder of clips, rtsp://, http:// or "
        "sim:SEED; its name is its room too, unless --room says another; repeatable",
    )
    what.add_argument(
        "--room",
        metavar="[NAME=]ROOM",
        action="append",
        help="where the cameras look, or the one of this name; travels with events; repeatable",
    )
    what.add_argument(
        "--bundle", metavar="NAME|PATH", help="the model: a shipped one, your own, or a folder"
    )
    what.add_argument(
        "--engine", choices=("auto", "litert", "keras"), help="runtime of the model (auto)"
    )
    files = parser.add_argument_group("files")
    pace = files.add_mutually_exclusive_group()
    pace.add_argument("--realtime", action="store_true", help="play files at their own speed")
    pace.add_argument(
        "--fast", dest="realtime", action="store_false", help="as fast as they decode (default)"
    )
    files.add_argument(
        "--start-at",
        metavar="ISO",
        type=_instant,
        help="when a file's first frame was captured, 2026-11-22T18:00 (default: now)",
    )
    archive = parser.add_argument_group("an archive of recordings, without a broker")
    archive.add_argument(
        "--archive",
        metavar="FOLDER|LIST|URL",
        help="recognise all recordings there; s3://bucket/folder needs the package s3fs",
    )
    archive.add_argument(
        "--out", metavar="EVENTS", type=Path, help="the file of events, .parquet or .jsonl"
    )
    archive.add_argument(
        "--clip-names",
        metavar="PATTERN",
        help="what a recording's path says, as %%Y-%%m-%%d/%%H/{camera}/%%M.%%S (default: a date "
        "and a time anywhere in its name)",
    )
    archive.add_argument(
        "--workers", metavar="N", type=count, help="processes that recognise (one a core)"
    )
    wire = parser.add_argument_group("where to say it")
    wire.add_argument(
        "--broker",
        metavar="URL",
        help="mqtt://host:1883 or mqtts://host:8883; default: the broker on "
        f"{LOOPBACK}:{MQTT_PORT}, or an embedded one there where none answers",
    )
    wire.add_argument(
        "--node",
        metavar="ID",
        help="name of this process (default: the host name at the first start)",
    )
    wire.add_argument("--home", metavar="ID", help="name of the household")
    wire.add_argument(
        "--record-events", metavar="FILE.jsonl", type=Path, help="also append every event to a file"
    )
    wire.add_argument(
        "--metrics-port", metavar="N", type=int, help=f"/metrics and /healthz on {LOOPBACK} (off)"
    )
    watch = parser.add_argument_group("to look on")
    watch.add_argument(
        "--show",
        nargs="?",
        const="picture",
        choices=("picture", "skeleton"),
        help="preview windows, with the picture or with people's joints on black; q or Esc ends",
    )
    watch.add_argument(
        "--record", metavar="DIR", type=Path, help="keep short annotated clips of activities here"
    )
    watch.add_argument(
        "--record-labels", metavar="A,B", type=names, default=(), help="only of these activities"
    )
    watch.add_argument(
        "--record-max-mb",
        metavar="MB",
        type=positive,
        default=500.0,
        help="all clips together take no more; the oldest go first (default %(default)g)",
    )
    watch.add_argument(
        "--skeleton", action="store_true", help="publish people's joints over MQTT, no pictures"
    )
    watch.add_argument(
        "--keep-clips",
        action="store_true",
        help="keep short clips on this machine, to teach activities from: of what is unsure, of "
        "what begins, and what somebody records on the page; see docs/page.md",
    )
    watch.add_argument(
        "--pictures",
        action="store_true",
        help="let the page of this machine show what the cameras see now; off: no picture "
        "leaves this process",
    )
    how = parser.add_argument_group("how to run")
    how.add_argument("--config", metavar="FILE", type=Path, help="YAML; flags win over it")
    how.add_argument("--state-dir", metavar="DIR", type=Path, help="outbox and your own bundles")
    how.add_argument("--log-level", choices=("debug", "info", "warning", "error"))
    how.add_argument(
        "--fail-fast", action="store_true", help="end with status 2 where it would try again"
    )
    only = parser.add_argument_group("only say something and end").add_mutually_exclusive_group()
    only.add_argument("--check-config", metavar="FILE", type=Path, help="is this file right?")
    only.add_argument(
        "--check", action="store_true", help="try cameras, model, broker and clock; all well: 0"
    )
    only.add_argument("--list-cameras", action="store_true", help="local cameras and their index")
    only.add_argument("--list-bundles", action="store_true", help="models and what they know")
    only.add_argument(
        "--forget",
        nargs="?",
        const="node",
        choices=("node", "orphans"),
        help="remove all of this node from broker and discovery; orphans: of the earlier names "
        "that the state directory knows",
    )
    return parser


def read_settings(options: argparse.Namespace) -> "Settings":
    """Lay the flags over the configuration file, or over the defaults.

    Raises:
        InputError: The file or a flag is not valid.
    """
    from har_stream.config.kept_node import default_node
    from har_stream.config.settings import Settings, load_settings, override_settings

    path = options.check_config or options.config
    loaded = load_settings(path) if path else Settings()
    plain = ("bundle", "engine", "node", "home", "state_dir", "metrics_port", "log_level")
    flags: dict[str, Any] = {name: getattr(options, name) for name in plain}
    flags |= {"cameras": [_camera(given) for given in options.camera or ()] or None}
    flags |= {"broker": {"url": options.broker} if options.broker else None}
    flags |= {"keep_clips": {"enabled": True} if options.keep_clips else None}
    given = {key: flag for key, flag in flags.items() if flag is not None}
    settings = override_settings(loaded, given)
    if options.room:
        settings = override_settings(settings, {"cameras": _with_rooms(settings, options.room)})
    if "node" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"node": default_node(settings.state_dir)})


def _camera(given: str) -> dict[str, str]:
    """Part a name from its source; a file whose name holds ``=`` is a file."""
    from har_stream.config.ids import as_id

    name, equals, source = given.partition("=")
    if not equals or not _NAME.fullmatch(name) or is_there(Path(given)):
        return {"source": given}
    return {"source": source, "name": as_id(name), "room": name}


def common_room(given: Sequence[str] | None) -> str | None:
    """The room of the cameras for which none is named: the last of those without a camera."""
    return next((room for room in reversed(given or ()) if "=" not in room), None)


def _with_rooms(settings: "Settings", given: Sequence[str]) -> list[dict[str, Any]]:
    """Put cameras into rooms: each into its own, all others into the one without a name.

    Raises:
        InputError: There is no camera of such a name.
    """
    from har_stream.config.ids import as_id

    own = {
        as_id(name): room
        for name, equals, room in (text.partition("=") for text in given)
        if equals
    }
    ids = [camera.id for camera in settings.cameras]
    foreign = [name for name in own if name not in ids]
    if foreign:
        raise InputError(
            f"--room {foreign[0]}=...: no camera is called so; there are {', '.join(ids) or 'none'}"
        )
    return [
        camera.model_dump(exclude_unset=True)
        | {"room": own.get(camera.id) or common_room(given) or camera.room}
        for camera in settings.cameras
    ]


def _instant(text: str) -> datetime:
    """Read an ISO time; without a zone it is meant here."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time; 2026-11-22T18:00 or 2026-11-22T18:00+01:00 expected"
        ) from error
    return instant if instant.tzinfo else instant.astimezone()
