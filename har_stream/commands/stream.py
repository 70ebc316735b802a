"""`har-stream`: its arguments, and the wiring of cameras, recogniser and broker."""

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from har_stream.commands.stream_arguments import make_parser, read_settings
from har_stream.config.state_dir import outbox_file
from har_stream.core.command import run_command
from har_stream.core.errors import InputError

if TYPE_CHECKING:
    from har_stream.bundles.bundle import Bundle, Manifest
    from har_stream.cameras.readers import Readers
    from har_stream.config.settings import Settings
    from har_stream.pipeline import Pipeline
    from har_stream.publishing.outbox import Outbox
    from har_stream.publishing.publisher import Publisher

# What takes long to import is imported where it is used, so that --help and --version are instant.

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run `har-stream`; returns the exit status."""
    options = make_parser().parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return run_command(
        "har-stream",
        lambda: _run(options),
        is_service=options.archive is None,
        extras={"fsspec": "archive", "pyarrow": "archive"},
    )


def _run(options: argparse.Namespace) -> int:
    if options.list_cameras:
        _list_cameras()
        return 0
    settings = read_settings(options)
    level = "ERROR" if options.check else settings.log_level.upper()  # findings say it all
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s")
    if options.list_bundles:
        _list_bundles(settings)
    elif options.check_config:
        _check(options.check_config, settings)
    elif options.check:
        return _examine(settings)
    elif options.forget:
        _forget(settings, orphans=options.forget == "orphans")
    elif options.archive:
        return _recognise_archive(options, settings)
    else:
        _stream(options, settings)
    return 0


def _stream(options: argparse.Namespace, settings: "Settings") -> None:
    _check_show(options)
    from har_stream.commands.bundle_use import BundleUse
    from har_stream.commands.clip_requests import ClipRequests
    from har_stream.commands.drawn_regions import RegionRequests, with_drawn_regions
    from har_stream.commands.frame_outputs import check_asked, open_outputs
    from har_stream.config.kept_node import keep_node
    from har_stream.config.secret_file import read_own_key
    from har_stream.mqtt.brokers.embedded_broker import ensure_broker
    from har_stream.pipeline import Pipeline
    from har_stream.publishing.event_log import EventLog
    from har_stream.publishing.node_stats import Statistics
    from har_stream.publishing.outbox import Outbox
    from har_stream.publishing.publisher import Publisher, open_connection
    from har_stream.recognition.recogniser import Recogniser

    if not settings.cameras:
        raise InputError(
            "no camera: give --camera SRC (0 for the first webcam, a file, rtsp://...), or cameras "
            "in --config FILE; --list-cameras shows what is there"
        )
    configured, settings = settings, with_drawn_regions(settings)
    # 1. What watches: the bundle's recogniser, and the cameras' readers.
    bundle = _load_bundle(settings, in_use=True)
    outputs = open_outputs(options, settings, bundle)
    recogniser = Recogniser(bundle, engine=settings.engine)
    pipeline = Pipeline(recogniser, settings.cameras, on_frame=outputs.show)
    readers = _open_readers(options, settings, pipeline, shows=outputs.preview is not None)
    # 2. What tells: event file, broker, outbox, publisher. The stack closes it in reverse order.
    with ExitStack() as stack:
        stack.callback(outputs.close)
        log = EventLog(options.record_events) if options.record_events else None
        if log:
            stack.callback(log.close)
        stack.enter_context(ensure_broker(settings.broker.url))
        signing_key = read_own_key(settings.signing_key_file)
        keep_node(settings.state_dir, settings.node)
        outbox = Outbox(outbox_file(settings.state_dir, settings.node), signing_key=signing_key)
        stack.callback(outbox.close)
        stack.callback(_warn_waiting, outbox)
        statistics = Statistics(lambda: readers.counts)
        publisher = Publisher(
            settings,
            connection=open_connection(settings),
            outbox=outbox,
            bundle=bundle,
            statistics=statistics,
            set_enabled=pipeline.enable,
            acknowledge_fall=pipeline.acknowledge_fall,
            record=log.append if log else None,
            is_alive=lambda: pipeline.is_alive,
            signing_key=signing_key,
            skeleton=options.skeleton,
        )

        def change_bundle(changed: "Bundle") -> None:
            publisher.change_bundle(changed)
            outputs.change_fps(changed.manifest.clip.sample_hz)

        bundle_use = BundleUse(
            settings,
            bundle,
            pipeline,
            check=lambda manifest: check_asked(options, settings, manifest),
            has_open_falls=lambda: bool(publisher.open_falls()),
            when_changed=change_bundle,
        )
        publisher.answer_also(bundle_use.answers())
        clips = ClipRequests(outputs.keeper, settings.keep_clips, known=bundle_use.known_labels)
        publisher.answer_also(clips.answers())
        drawn = RegionRequests(configured, settings.cameras, apply=pipeline.set_regions)
        publisher.answer_also(drawn.answers())
        publisher.answer_also({"check": lambda _: _check_running(settings, publisher)})
        _resume_falls(settings, publisher, pipeline)
        if settings.metrics_port is not None:
            from har_stream.publishing.prometheus import MetricsServer

            port = settings.metrics_port
            stack.enter_context(MetricsServer(port, statistics=statistics, health=publisher.health))
        publisher.start(fail_fast=options.fail_fast)
        stack.callback(publisher.close)
        # 3. Frames in, news out, until the last source or a signal ends it.
        stack.enter_context(readers)
        _stop_on_signals(pipeline)
        for news in pipeline.run(readers):
            publisher.publish(news)
            outputs.update(news)
            if outputs.is_closed:
                pipeline.stop()


def _open_readers(
    options: argparse.Namespace, settings: "Settings", pipeline: "Pipeline", *, shows: bool
) -> "Readers":
    from har_stream.cameras.read_options import ReadOptions
    from har_stream.cameras.readers import Readers
    from har_stream.config.regions import Regions

    for camera in settings.cameras:
        pipeline.set_regions(camera.id, camera.regions)
    # Cameras without recognition are read as well: it may be switched on over MQTT, as other
    # regions may be drawn: the pipeline looks after both.
    looked_after = {"enabled": True, "regions": Regions()}
    return Readers(
        [camera.model_copy(update=looked_after) for camera in settings.cameras],
        ReadOptions(
            sample_hz=lambda: pipeline.clip.sample_hz,
            picture=lambda: pipeline.clip.picture,
            shows=shows,
            start_at=options.start_at or _now(),
            realtime=options.realtime,
            fail_fast=options.fail_fast,
        ),
    )


def _resume_falls(settings: "Settings", publisher: "Publisher", pipeline: "Pipeline") -> None:
    """Go on with the falls of an earlier run that nobody has answered to.

    A recording begins anew: what fell in front of it then, or in another of its name, is over.
    """
    from har_stream.cameras.camera import is_live

    for camera in settings.cameras:
        if not is_live(camera.source):
            publisher.forget_fall(camera.id)
    for name, fall in publisher.open_falls().items():
        logger.warning("%s: nobody has answered to the fall of %s", name, fall.since)
        if fall.since is not None:
            pipeline.resume_fall(
                name,
                fall.since,
                confidence=fall.confidence or 0.0,
                has_lain_long=fall.stage == "long_lie",
            )


def _recognise_archive(options: argparse.Namespace, settings: "Settings") -> int:
    from har_stream.commands.archive.archive import recognise_archive
    from har_stream.commands.archive.archive_arguments import archive_options, find_archive

    found = find_archive(options)
    how = archive_options(options, settings, _load_bundle(settings), n_clips=len(found.clips))
    progress_file = options.out.with_name(f"{options.out.name}.progress")
    return recognise_archive(found, options.out, how, progress_file=progress_file)


def _now() -> datetime:
    """Now, in the whole milliseconds of the wire, so that two runs differ by one constant shift."""
    now = datetime.now().astimezone()
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _warn_waiting(outbox: "Outbox") -> None:
    n_waiting = outbox.depth()
    if n_waiting:
        logger.warning(
            "%d events wait in the outbox for the broker; they go out at the next start", n_waiting
        )


def _stop_on_signals(pipeline: "Pipeline") -> None:
    """The first SIGINT or SIGTERM ends cleanly, a second one at once."""

    def stop(*_: object) -> None:
        pipeline.stop()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def _load_bundle(settings: "Settings", *, in_use: bool = False) -> "Bundle":
    """Load the configured bundle, or the one that was last chosen in its place."""
    from har_stream.bundles.bundle import DEFAULT
    from har_stream.bundles.fetch_weights import load_with_weights

    name = settings.bundle or DEFAULT
    if in_use:
        from har_stream.commands.bundle_use import load_bundle_in_use

        loaded = load_bundle_in_use(settings)
    else:
        loaded = load_with_weights(name, state_dir=settings.state_dir)
    _say_default(settings, loaded.manifest)
    return loaded


def _say_default(settings: "Settings", manifest: "Manifest") -> None:
    from har_stream.bundles.bundle import DEFAULT, read_named_manifest
    from har_stream.bundles.fetch_weights import absent_weights

    if settings.bundle is None and manifest.name == DEFAULT:
        surer = read_named_manifest("home-movenet", state_dir=settings.state_dir)
        logger.info(
            "no bundle given, so %s: it knows %s, all else is unknown; train-har teach teaches it "
            "your own activities; --bundle home-movenet %sis sure more often",
            manifest.name,
            ", ".join(manifest.activities),
            "fetches 2.9 MB once and " if absent_weights(surer) else "",
        )


def _check(path: Path, settings: "Settings") -> None:
    """Say whether a file is right; nothing is fetched."""
    from har_stream.bundles.bundle import DEFAULT, load_named_bundle, read_named_manifest
    from har_stream.bundles.fetch_weights import absent_weights
    from har_stream.publishing.publisher import open_connection
    from har_stream.recognition.camera_track import fall_rule_for, thresholds_for
    from har_stream.recognition.recogniser import check_labels

    open_connection(settings)  # reads its files; connects only when started
    name = settings.bundle or DEFAULT
    manifest = read_named_manifest(name, state_dir=settings.state_dir)
    absent = ", ".join(absent_weights(manifest))
    if not absent:
        load_named_bundle(name, state_dir=settings.state_dir)  # its files are whole
    _say_default(settings, manifest)
    check_labels(manifest, name)
    for camera in settings.cameras:
        thresholds_for(camera, manifest)
        fall_rule_for(camera, manifest)
    names = ", ".join(camera.id for camera in settings.cameras) or "none"
    later = f" (fetches {absent} at its first start)" if absent else ""
    print(f"{path}: fine; bundle {manifest.name}{later}, cameras: {names}")


def _check_running(settings: "Settings", publisher: "Publisher") -> dict[str, object]:
    """Answer the request `check`: what `--check` would say, of cameras that are held here."""
    from har_stream.commands.check import check_all

    found = check_all(settings, delivers=publisher.health().cameras)
    return {"results": [asdict(each) for each in found]}


def _examine(settings: "Settings") -> int:
    from har_stream.commands.check import check_all

    all_well = True
    for checked in check_all(settings):
        print(checked, flush=True)
        all_well &= checked.ok
    return 0 if all_well else 2


def _forget(settings: "Settings", *, orphans: bool) -> None:
    from har_stream.homeassistant.removal import find_orphans, forget_node

    nodes = find_orphans(settings) if orphans else [settings.node]
    for node in nodes:
        n_topics = forget_node(settings.model_copy(update={"node": node}))
        print(f"node {node}: {n_topics} topics removed from the broker")
    if not nodes:
        print(f"{settings.state_dir} knows no other node, or they are at work")


def _list_bundles(settings: "Settings") -> None:
    from har_stream.bundles.bundle import bundle_paths, load_bundle, read_named_manifest
    from har_stream.bundles.fetch_weights import absent_weights

    for path in bundle_paths(settings.state_dir):
        try:
            manifest = read_named_manifest(str(path), state_dir=settings.state_dir)
            absent = ", ".join(absent_weights(manifest))
            if not absent:
                load_bundle(path)
        except InputError as error:
            print(f"{path.name:20} cannot be used: {error}")
        else:
            known = ", ".join(manifest.activities)
            later = f"; fetches {absent} at its first start" if absent else ""
            print(f"{path.name:20} {known}{later}\n{'':20} {manifest.about}, {path}")


def _list_cameras() -> None:
    from har_stream.cameras.camera import list_cameras

    found = list_cameras()
    for camera in found:
        size = f"{camera.size_px[0]}x{camera.size_px[1]}" if camera.size_px else "in use or silent"
        print(f"--camera {camera.path or camera.index}   {camera.name}, {size}")
    if not found:
        print("no camera found; is one plugged in, and are you in the group 'video'?")


def _check_show(options: argparse.Namespace) -> None:
    """Open the first window before cameras are imported, which bring PyAV."""
    if options.show:
        from har_stream.preview.preview import check_window

        check_window()


if __name__ == "__main__":
    sys.exit(main())
